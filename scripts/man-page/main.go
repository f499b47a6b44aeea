// Command man-page prints the manual page certctl(1) from the command line's own description.
package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/certctl/terraform-provider-certctl/server/commands"
)

func main() {
	model := commands.Model()
	var p page
	p.macro("TH", "CERTCTL", "1", "", "certctl", "certctl")
	p.macro("SH", "NAME")
	p.text("certctl - " + model.Help)
	p.macro("SH", "SYNOPSIS")
	p.text("certctl COMMAND [ARGUMENTS] [FLAGS]")
	p.macro("SH", "FLAGS OF EVERY COMMAND")
	p.flags(model.Flags)
	p.macro("SH", "COMMANDS")
	for _, command := range model.Leaves(true) {
		p.command(command)
	}
	p.macro("SH", "FILES")
	p.item("/etc/certctl/certctl.env", "The settings of certctl.service and certctl-admin.")
	p.item("/var/lib/certctl", "The data of certctl.service: the SQLite file and the CA.")
	p.macro("SH", "SEE ALSO")
	p.text("https://github.com/certctl/terraform-provider-certctl/tree/main/docs/server")
	if _, err := os.Stdout.WriteString(p.String()); err != nil {
		fmt.Fprintln(os.Stderr, "man-page:", err)
		os.Exit(1)
	}
}

// page is a manual page in the language of man.
type page struct{ strings.Builder }

func (p *page) macro(name string, args ...string) {
	p.WriteString("." + name)
	for _, arg := range args {
		p.WriteString(` "` + escape(arg) + `"`)
	}
	p.WriteString("\n")
}

func (p *page) text(text string) {
	for line := range strings.Lines(strings.TrimSpace(text)) {
		p.WriteString(`\&` + escape(strings.TrimSpace(line)) + "\n") // \& keeps a leading dot from being a macro
	}
}

// item writes a term and its description.
func (p *page) item(term, description string) {
	p.macro("TP")
	p.macro("B", term)
	p.text(description)
}

func (p *page) command(command *kong.Node) {
	usage := command.FullPath()
	for _, argument := range command.Positional {
		usage += " " + argument.Summary()
	}
	p.macro("SS", usage)
	p.text(command.Help)
	if command.Detail != "" {
		p.macro("PP")
		p.text(command.Detail)
	}
	for _, argument := range command.Positional {
		if argument.Help != "" {
			p.item(argument.Summary(), argument.Help)
		}
	}
	p.flags(command.Flags)
}

func (p *page) flags(flags []*kong.Flag) {
	for _, flag := range flags {
		if flag.Hidden {
			continue
		}
		description := flag.Help
		for _, name := range flag.Envs {
			description += " Variable: " + name + "."
		}
		p.item(flag.String(), description)
	}
}

// escape replaces what has a meaning in the language of man.
func escape(text string) string {
	return strings.NewReplacer(`\`, `\e`, "-", `\-`, `"`, `\(dq`).Replace(text)
}
