// Command server-settings prints the file certctl.env of the packages: every setting of the server, each in a comment.
package main

import (
	"fmt"
	"os"
	"reflect"
	"strings"

	"github.com/certctl/terraform-provider-certctl/server/app"
)

const header = `# The settings of certctl.service and certctl-admin: https://github.com/certctl/terraform-provider-certctl#configuration
#
# Remove the # before a setting to change it. Then run: systemctl restart certctl
# Write NAME=value in one line. Variables, commands and comments in a value have no meaning.
`

// packageDefaults are the values that the packages set, where they differ from those of the program.
var packageDefaults = map[string]string{"CERTCTL_DATA_DIR": "/var/lib/certctl"}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "server-settings:", err)
		os.Exit(1)
	}
}

func run() error {
	var file strings.Builder
	file.WriteString(header)
	for _, config := range []any{app.Config{}, app.ServeConfig{}} {
		for _, field := range reflect.VisibleFields(reflect.TypeOf(config)) {
			name := field.Tag.Get("env")
			if field.Anonymous {
				continue
			}
			if name == "" {
				return fmt.Errorf("the field %s of %T has no variable", field.Name, config)
			}
			fmt.Fprintf(&file, "\n# %s\n#%s=%s\n", field.Tag.Get("help"), name, findDefault(field))
		}
	}
	_, err := os.Stdout.WriteString(file.String())
	return err
}

// findDefault returns the value that a setting has in the packages if the file does not set it.
func findDefault(field reflect.StructField) string {
	if value, found := packageDefaults[field.Tag.Get("env")]; found {
		return value
	}
	value := field.Tag.Get("default")
	if value == "" && field.Type.Kind() == reflect.Bool {
		return "false"
	}
	return value
}
