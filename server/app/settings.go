package app

import (
	"fmt"
	"log/slog"
	"reflect"
	"time"
)

// changedSettings returns the settings of a configuration that differ from their defaults, for the log. It leaves out the
// settings with the tag secret.
func changedSettings(config any) []any {
	var changed []any
	for _, field := range reflect.VisibleFields(reflect.TypeOf(config)) {
		value := reflect.ValueOf(config).FieldByIndex(field.Index)
		name := field.Tag.Get("env")
		if name != "" && field.Tag.Get("secret") == "" && !isDefault(value, field.Tag.Get("default")) {
			changed = append(changed, slog.String(name, fmt.Sprint(value)))
		}
	}
	return changed
}

func isDefault(value reflect.Value, text string) bool {
	if text == "" {
		return value.IsZero()
	}
	if d, ok := value.Interface().(time.Duration); ok {
		byDefault, err := time.ParseDuration(text)
		return err == nil && d == byDefault
	}
	return fmt.Sprint(value) == text
}
