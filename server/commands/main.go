package commands

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"os/user"
	"reflect"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode"

	"github.com/alecthomas/kong"
	"github.com/willabides/kongplete"

	"github.com/certctl/terraform-provider-certctl/server/app"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/people"
)

// Version is the version of the program.
type Version string

// Main runs the command in the arguments of the process. If a command of operators fails, the process exits with 1. The
// exit codes of people's commands are those of package people.
func Main(version Version) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx = identity.WithClaim(ctx, findClaim())
	var commands cli
	parser := newParser(ctx, version, &commands)
	kongplete.Complete(parser) // ends the process if a shell asks
	isOperators := needsDatabase(parser, os.Args[1:])
	if !isOperators {
		ignoreDatabaseSettings(parser.Model)
	}
	parsed, err := parser.Parse(os.Args[1:])
	if err != nil {
		parser.Errorf("%s", nameSetting(parser.Model, joinLines(err)))
		parser.Exit(usageCode(isOperators))
	}
	if isOperators {
		app.WarnOfUnknownVariables(ctx, commands.NewLogger(), os.Environ())
	}
	if err := parsed.Run(); err != nil {
		parser.Exit(report(parser, err))
	}
}

func newParser(ctx context.Context, version Version, commands *cli) *kong.Kong {
	return kong.Must(commands,
		kong.Name("certctl"),
		kong.Description("Issues certificates. Under a gated profile, a second person must approve first."),
		kong.TypeMapper(reflect.TypeFor[time.Duration](), kong.MapperFunc(decodeDuration)),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(&commands.Config, version, people.Version(version)),
		kong.ExplicitGroups(groups),
		kong.PostBuild(groupDatabaseFlags),
		kong.Help(printHelp),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
	)
}

// Model returns the description of every command and flag, for the manual page.
func Model() *kong.Application {
	return newParser(context.Background(), "", new(cli)).Model
}

// report prints the error of a command and returns the exit code.
func report(parser *kong.Kong, err error) int {
	if failure, ok := errors.AsType[*people.Failure](err); ok {
		failure.Print()
		return failure.ExitCode()
	}
	parser.Errorf("%s", joinLines(err))
	return people.ExitFailed
}

// findClaim returns who runs this command, according to the operating system.
func findClaim() identity.Claim {
	c := identity.Claim{User: "uid " + strconv.Itoa(os.Getuid()), SudoUser: makePrintable(os.Getenv("SUDO_USER"))}
	if u, err := user.Current(); err == nil {
		c.User = makePrintable(u.Username)
	}
	if host, err := os.Hostname(); err == nil {
		c.Host = makePrintable(host)
	}
	return c
}

// makePrintable replaces characters that cannot be printed, and shortens a long text.
func makePrintable(s string) string {
	const maxLength = 255
	runes := []rune(strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, s))
	return string(runes[:min(len(runes), maxLength)])
}

// joinLines returns an error as one line. Some drivers return several.
func joinLines(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

// nameSetting adds the environment variable of a setting to a fault in which kong names only the flag.
func nameSetting(model *kong.Application, fault string) string {
	fault, _, _ = strings.Cut(fault, " (from envar ")
	name := strings.TrimRight(strings.Fields(fault)[0], ":")
	for _, node := range append(model.Leaves(false), model.Node) {
		for _, flag := range node.Flags {
			if "--"+flag.Name == name && len(flag.Envs) > 0 {
				return strings.Replace(fault, name, flag.Envs[0]+" ("+name+")", 1)
			}
		}
	}
	return fault + ": see certctl --help"
}
