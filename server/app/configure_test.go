package app

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the page of the settings")

const configurePage = "../../docs/server/configure.md"

const configureIntroduction = `# Settings

This page lists every setting, generated from the program. [Running the server](operating.md) says how to use them.

Each setting is an environment variable, and a flag of the same name: ` + "`CERTCTL_DATA_DIR` is `--data-dir`" + `. A flag wins over the variable. There is no configuration file. Durations are numbers with units, such as ` + "`90s`, `15m`, `12h`, `7d` or `1d12h`" + `. A bad value stops the start with one line that names the setting. An unknown variable that begins with ` + "`CERTCTL_`" + ` is a warning.

A change needs a restart, unless the last column says otherwise. The log line ` + "`starting`" + ` has every setting that differs from its default, except those that may hold a secret.
`

// The page of the settings lists those that the program has.
func TestPage_Configure_ListsEverySetting(t *testing.T) {
	var b strings.Builder
	b.WriteString(configureIntroduction)
	writeSettings(&b, "Every command on the database", Config{})
	writeSettings(&b, "`certctl serve`", ServeConfig{})
	if *update {
		if err := os.WriteFile(configurePage, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	stored, err := os.ReadFile(configurePage)
	if err != nil {
		t.Fatal(err)
	}
	if string(stored) != b.String() {
		t.Errorf("%s does not list the settings of the program: run make generate", configurePage)
	}
}

func writeSettings(b *strings.Builder, heading string, config any) {
	fmt.Fprintf(b, "\n## %s\n\n| variable | default | meaning | a change needs |\n|---|---|---|---|\n", heading)
	for _, field := range reflect.VisibleFields(reflect.TypeOf(config)) {
		name := field.Tag.Get("env")
		if name == "" {
			continue
		}
		needs := "a restart"
		if file := field.Tag.Get("reload"); file != "" {
			needs = file
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", name, showDefault(field), field.Tag.Get("help"), needs)
	}
}

func showDefault(field reflect.StructField) string {
	text := field.Tag.Get("default")
	if text == "" && field.Type.Kind() == reflect.Bool {
		text = "false"
	}
	if text == "" {
		return ""
	}
	return "`" + text + "`"
}
