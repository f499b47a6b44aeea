package app

import (
	"context"
	"log/slog"
	"reflect"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
)

const variablePrefix = "CERTCTL_"

// knownVariables returns the names of the environment variables of the configuration and of the provider, sorted. The
// server and the provider may run in one environment.
func knownVariables() []string {
	names := []string{"CERTCTL_ENDPOINT", "CERTCTL_API_KEY", "CERTCTL_CA_FILE", "CERTCTL_CHANGE_REASON", "CERTCTL_CHANGE_AUTHORS", "CERTCTL_RESUBMIT_REJECTED"}
	for _, config := range []any{Config{}, ServeConfig{}} {
		for _, field := range reflect.VisibleFields(reflect.TypeOf(config)) {
			if name := field.Tag.Get("env"); name != "" {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names
}

// WarnOfUnknownVariables logs a warning for each variable that begins with CERTCTL_ and is unknown, with the most similar
// known name. A misspelt CERTCTL_DATABASE_URL would make a command write to another database. An unknown variable is no
// error, because orchestrators add variables of their own.
func WarnOfUnknownVariables(ctx context.Context, log *slog.Logger, environ []string) {
	known := knownVariables()
	for _, entry := range slices.Sorted(slices.Values(environ)) {
		name, _, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, variablePrefix) && !slices.Contains(known, name) {
			nearest := slices.MinFunc(known, func(a, b string) int {
				return levenshtein.Distance(name, a, nil) - levenshtein.Distance(name, b, nil)
			})
			log.WarnContext(ctx, "unknown environment variable", "variable", name, "nearest", nearest)
		}
	}
}
