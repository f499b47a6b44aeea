package app

import (
	"reflect"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
)

const variablePrefix = "CERTCTL_"

// variables are the environment variables that the configuration has, in order. The provider's are known too: both
// may run in one environment.
func variables() []string {
	names := []string{"CERTCTL_ENDPOINT", "CERTCTL_API_KEY", "CERTCTL_CA_FILE"}
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

// unknownVariables finds the variables of an environment that look like certctl's and mean nothing to it, each with the
// nearest that does. They are no error: orchestrators inject variables of their own.
func unknownVariables(environ []string) map[string]string {
	known, unknown := variables(), map[string]string{}
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, variablePrefix) && !slices.Contains(known, name) {
			unknown[name] = slices.MinFunc(known, func(a, b string) int {
				return levenshtein.Distance(name, a, nil) - levenshtein.Distance(name, b, nil)
			})
		}
	}
	return unknown
}
