package commands

import (
	"os"

	"github.com/alecthomas/kong"

	"github.com/certctl/terraform-provider-certctl/server/people"
)

// The keys of the groups of commands, beside that of people's commands. Operators' commands open the database.
const (
	operators = "operators"
	others    = "other"
)

// groups are the groups of the commands in the help.
var groups = []kong.Group{
	{Key: people.Group, Title: "People's commands:", Description: "They call a server over HTTP, with an API key."},
	{Key: operators, Title: "Operators' commands:", Description: "They open the database. Who may do that may do anything."},
	{Key: "database", Title: "Flags of operators' commands:"},
	{Key: others, Title: "Other commands:"},
}

// groupDatabaseFlags puts the flags of all commands, which configure the database, into a group of their own.
func groupDatabaseFlags(k *kong.Kong) error {
	for _, flag := range databaseFlags(k.Model) {
		flag.Group = &groups[2]
	}
	return nil
}

// databaseFlags returns the flags that only operators' commands use.
func databaseFlags(model *kong.Application) []*kong.Flag {
	var flags []*kong.Flag
	for _, flag := range model.Flags {
		if flag.Name != "help" {
			flags = append(flags, flag)
		}
	}
	return flags
}

// needsDatabase reports whether the arguments call a command that may open the database.
func needsDatabase(parser *kong.Kong, args []string) bool {
	trace, err := kong.Trace(parser, args)
	return err == nil && mayOpenDatabase(trace.Selected())
}

// mayOpenDatabase reports whether a command may open the database. A command without a group may.
func mayOpenDatabase(command *kong.Node) bool {
	if command == nil {
		return false
	}
	group := command.ClosestGroup()
	return group == nil || group.Key != people.Group && group.Key != others
}

// ignoreDatabaseSettings removes the settings of the database from the environment of the process, so that a bad value stops
// no command that does not use it.
func ignoreDatabaseSettings(model *kong.Application) {
	for _, flag := range databaseFlags(model) {
		for _, name := range flag.Envs {
			_ = os.Unsetenv(name) // the name is valid
		}
	}
}

// printHelp leaves the flags of the database out of the help of a command that does not use them.
func printHelp(options kong.HelpOptions, ctx *kong.Context) error {
	if selected := ctx.Selected(); selected != nil && !mayOpenDatabase(selected) {
		for _, flag := range databaseFlags(ctx.Model) {
			flag.Hidden = true
		}
	}
	return kong.DefaultHelpPrinter(options, ctx)
}

// usageCode is the exit code of wrong arguments.
func usageCode(isOperators bool) int {
	if isOperators {
		return people.ExitFailed
	}
	return people.ExitUsage
}
