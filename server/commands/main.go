package commands

import (
	"context"
	"os"
	"os/signal"
	"os/user"
	"strconv"
	"strings"
	"syscall"
	"unicode"

	"github.com/alecthomas/kong"

	"github.com/certctl/terraform-provider-certctl/server/app"
	"github.com/certctl/terraform-provider-certctl/server/identity"
)

// Version is that of the program.
type Version string

// Main runs the command that the process was started with, and exits with 1 if it fails.
func Main(version Version) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx = identity.WithClaim(ctx, claim())
	var commands cli
	parser := newParser(ctx, version, &commands)
	parsed, err := parser.Parse(os.Args[1:])
	if err != nil {
		parser.Fatalf("%s", named(parser.Model, oneLine(err)))
	}
	app.WarnOfUnknownVariables(ctx, commands.Logger(), os.Environ())
	if err := parsed.Run(); err != nil {
		parser.Fatalf("%s", oneLine(err))
	}
}

func newParser(ctx context.Context, version Version, commands *cli) *kong.Kong {
	return kong.Must(commands,
		kong.Name("certctl"),
		kong.Description("Issues certificates; under a gated profile only after a second person approved."),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(&commands.Config, version),
	)
}

// claim says who runs this command, as far as the operating system knows.
func claim() identity.Claim {
	c := identity.Claim{User: "uid " + strconv.Itoa(os.Getuid()), SudoUser: clean(os.Getenv("SUDO_USER"))}
	if u, err := user.Current(); err == nil {
		c.User = clean(u.Username)
	}
	if host, err := os.Hostname(); err == nil {
		c.Host = clean(host)
	}
	return c
}

// clean keeps what the environment says short and printable.
func clean(s string) string {
	const most = 255
	runes := []rune(strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, s))
	return string(runes[:min(len(runes), most)])
}

// oneLine keeps an error to one line: some drivers write several.
func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

// named calls a setting by its variable, too, which an operator looks for: kong calls it by its flag.
func named(model *kong.Application, fault string) string {
	fault, _, _ = strings.Cut(fault, " (from envar ")
	name := strings.TrimRight(strings.Fields(fault)[0], ":")
	for _, node := range append(model.Leaves(false), model.Node) {
		for _, flag := range node.Flags {
			if "--"+flag.Name == name && len(flag.Envs) > 0 {
				return strings.Replace(fault, name, flag.Envs[0]+" ("+name+")", 1)
			}
		}
	}
	return fault + " (certctl --help says more)"
}
