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

// variables are the environment variables that the configuration has, in order. The provider's are known too: both
// may run in one environment.
func variables() []string {
	names := []string{"CERTCTL_ENDPOINT", "CERTCTL_API_KEY", "CERTCTL_CA_FILE", "CERTCTL_CHANGE_REASON", "CERTCTL_CHANGE_AUTHORS", "CERTCTL_RESUBMIT_REJECTED"}
	for _, config := range []any{Config{}, ServeConfig{}} {
		for field := range reflect.TypeOf(config).Fields() {
			if name := field.Tag.Get("env"); name != "" {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names
}

// WarnOfUnknownVariables names the variables of an environment that look like certctl's and mean nothing to it, each
// with the nearest that does. They are no error: orchestrators inject variables of their own. Every command says so,
// for a misspelt CERTCTL_DATABASE_URL makes it write to another database.
func WarnOfUnknownVariables(ctx context.Context, log *slog.Logger, environ []string) {
	known := variables()
	for _, entry := range slices.Sorted(slices.Values(environ)) {
		name, _, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, variablePrefix) && !slices.Contains(known, name) {
			nearest := slices.MinFunc(known, func(a, b string) int {
				return levenshtein.Distance(name, a, nil) - levenshtein.Distance(name, b, nil)
			})
			log.WarnContext(ctx, "an environment variable means nothing to certctl", "variable", name, "nearest", nearest)
		}
	}
}
