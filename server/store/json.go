package store

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
)

// JSON stores a value as JSON text in one column.
type JSON[T any] struct{ V T }

// Value implements driver.Valuer.
func (j JSON[T]) Value() (driver.Value, error) {
	text, err := json.Marshal(j.V)
	return string(text), err
}

// Scan implements sql.Scanner. NULL is the zero value. If T has the method FillMissing, Scan calls it: the text may have
// been stored before T had all its fields.
func (j *JSON[T]) Scan(stored any) error {
	var zero T
	j.V = zero
	var err error
	switch text := stored.(type) {
	case nil:
		return nil
	case string:
		err = json.Unmarshal([]byte(text), &j.V)
	case []byte:
		err = json.Unmarshal(text, &j.V)
	default:
		return fmt.Errorf("cannot read JSON from %T", stored)
	}
	if v, ok := any(&j.V).(interface{ FillMissing() }); ok && err == nil {
		v.FillMissing()
	}
	return err
}

// GormDataType implements schema.GormDataTypeInterface.
func (JSON[T]) GormDataType() string { return "text" }

// Value is the value of a column that may be NULL.
func Value[T any](j *JSON[T]) *T {
	if j == nil {
		return nil
	}
	return &j.V
}

// Nullable is the column of a value that may be absent.
func Nullable[T any](v *T) *JSON[T] {
	if v == nil {
		return nil
	}
	return &JSON[T]{*v}
}
