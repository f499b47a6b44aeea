package commands

import (
	"context"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/app"
	"github.com/certctl/terraform-provider-certctl/server/people"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

type cli struct {
	app.Config

	people.Commands

	Serve     serveCommand     `cmd:"" group:"operators" help:"Run the server."`
	Migrate   migrateCommand   `cmd:"" group:"operators" help:"Make the database, or bring its schema up to date."`
	Backup    backupCommand    `cmd:"" group:"operators" help:"Copy the SQLite database to a new file, also while the server runs."`
	Principal principalCommand `cmd:"" group:"operators" help:"Manage people and services, and their roles."`
	Key       keyCommand       `cmd:"" group:"operators" help:"Create, list and revoke API keys."`
	Ungated   ungatedCommand   `cmd:"" group:"operators" name:"ungated-names" help:"Manage the names that may be signed without approval."`
	CA        caCommand        `cmd:"" group:"operators" name:"ca" help:"Manage the built-in certification authority."`
	Notify    notifyCommand    `cmd:"" group:"operators" help:"Test the receivers of messages, and list what they did not get."`

	Completion completionCommand `cmd:"" group:"other" help:"Print the script that completes commands and flags in a shell."`
	Version    versionCommand    `cmd:"" group:"other" help:"Print the version."`
}

type serveCommand struct{ app.ServeConfig }

// Run implements the command.
func (c *serveCommand) Run(ctx context.Context, config *app.Config, version Version) error {
	return app.Serve(ctx, *config, c.ServeConfig, string(version))
}

type migrateCommand struct {
	DatabaseWait time.Duration `env:"CERTCTL_DATABASE_WAIT" default:"5m" help:"How long to wait for PostgreSQL to answer; 0 to not wait."`

	ServeRole string `placeholder:"ROLE" help:"PostgreSQL: also grant this role the rights to serve, and no others. Give it again at every migration."`
}

// Run implements the command.
func (c *migrateCommand) Run(ctx context.Context, config *app.Config) error {
	db, err := config.Create(ctx, config.NewLogger(), c.DatabaseWait)
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // the process ends
	if c.ServeRole == "" {
		return nil
	}
	return db.GrantServing(ctx, c.ServeRole)
}

type versionCommand struct{}

// Run implements the command.
func (versionCommand) Run(version Version) error {
	_, err := fmt.Println(version)
	return err
}

// changeDatabase runs f in one transaction on the configured database. Opening the database migrates it.
func changeDatabase(ctx context.Context, config *app.Config, f func(*store.Tx) error) error {
	db, err := config.Open(ctx, config.NewLogger())
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // the process ends
	return db.Write(ctx, f)
}

// readDatabase runs f on one snapshot of the configured database.
func readDatabase(ctx context.Context, config *app.Config, f func(*store.Tx) error) error {
	db, err := config.Open(ctx, config.NewLogger())
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // the process ends
	return db.Read(ctx, f)
}

// printTable prints a header, and a line for each row.
func printTable[T any](header string, rows []T, cells func(T) []any) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, header)
	for _, row := range rows {
		values := cells(row)
		fmt.Fprintf(w, strings.Repeat("%v\t", len(values)-1)+"%v\n", values...)
	}
	return w.Flush()
}

func orDash(s *string) string {
	if s == nil {
		return "-"
	}
	return *s
}

func timeOrDash(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return t.Format(time.RFC3339)
}

func joinRoles(roles []api.Role) string {
	names := make([]string, len(roles))
	for i, r := range roles {
		names[i] = string(r)
	}
	return strings.Join(names, ",")
}
