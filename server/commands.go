package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/app"
	"github.com/certctl/terraform-provider-certctl/server/job"
	"github.com/certctl/terraform-provider-certctl/server/principal"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

type cli struct {
	app.Config

	Serve     serveCommand     `cmd:"" help:"Run the server."`
	Migrate   migrateCommand   `cmd:"" help:"Bring the database's schema up to date."`
	Principal principalCommand `cmd:"" help:"Say who there is and what they may do."`
	Key       keyCommand       `cmd:"" help:"Give out and revoke API keys."`
	Ungated   ungatedCommand   `cmd:"" name:"ungated-names" help:"Say what may be signed without approval."`
	CA        caCommand        `cmd:"" name:"ca" help:"The built-in certification authority."`
	Version   versionCommand   `cmd:"" help:"Print the version."`
}

type serveCommand struct{ app.ServeConfig }

// Run implements the command.
func (c *serveCommand) Run(ctx context.Context, config *app.Config) error {
	return app.Serve(ctx, *config, c.ServeConfig, version)
}

type migrateCommand struct {
	ServeRole string `placeholder:"ROLE" help:"PostgreSQL: also give this role the rights to serve, and no more. Every migration wants it again."`
}

// Run implements the command.
func (c *migrateCommand) Run(ctx context.Context, config *app.Config) error {
	db, err := config.Open(ctx, config.Logger())
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // the process ends
	if c.ServeRole == "" {
		return nil
	}
	return db.GrantServing(ctx, c.ServeRole)
}

type principalCommand struct {
	Create  principalCreate  `cmd:"" help:"Add a person or a service."`
	List    principalList    `cmd:"" help:"List all principals."`
	Disable principalDisable `cmd:"" help:"Stop a principal and their services, revoke their keys for good, and cancel their open requests."`
	Enable  principalEnable  `cmd:"" help:"Let a disabled principal act again, with new keys."`
	Roles   principalRoles   `cmd:"" help:"Replace a principal's roles."`
	Owner   principalOwner   `cmd:"" help:"Give a service to another human, revoke its keys and cancel its open requests."`

	Handover principalHandover `cmd:"" help:"Give a person's services, and what the scheduler asks for in their name, to another person."`
}

type principalCreate struct {
	ID    string     `arg:"" help:"A handle: lower-case letters, digits, dot, hyphen, underscore. It is never reused."`
	Kind  string     `required:"" enum:"human,service" help:"human or service."`
	Owner string     `help:"The human who owns the service."`
	Role  []api.Role `required:"" help:"viewer, auditor, operator, approver or admin; may be repeated."`
}

// Run implements the command.
func (c *principalCreate) Run(ctx context.Context, config *app.Config) error {
	return change(ctx, config, func(tx *store.Tx) error {
		return principal.Create(tx, c.ID, api.PrincipalKind(c.Kind), c.Owner, c.Role)
	})
}

type principalList struct{}

// Run implements the command.
func (principalList) Run(ctx context.Context, config *app.Config) error {
	var rows []principal.Principal
	err := look(ctx, config, func(tx *store.Tx) (err error) {
		rows, err = principal.List(tx)
		return err
	})
	if err != nil {
		return err
	}
	disabled := map[string]*time.Time{}
	for _, p := range rows {
		disabled[p.ID] = p.DisabledAt
	}
	return table("ID\tKIND\tOWNER\tROLES\tSTATE", rows, func(p principal.Principal) []any {
		return []any{p.ID, p.Kind, orDash(p.Owner), join(p.Roles.V), stateOf(p, disabled)}
	})
}

type principalDisable struct {
	ID string `arg:""`
}

// Run implements the command.
func (c *principalDisable) Run(ctx context.Context, config *app.Config) error {
	done, err := administer(ctx, config, func(s *app.Server, tx *store.Tx) (principal.Effects, error) { return s.DisablePrincipal(tx, c.ID) })
	if err != nil {
		return err
	}
	if err := tell(c.ID+" is disabled", done); err != nil {
		return err
	}
	_, err = fmt.Printf("services stopped: %s\n", count(done.StoppedServices))
	return err
}

type principalEnable struct {
	ID string `arg:""`
}

// Run implements the command.
func (c *principalEnable) Run(ctx context.Context, config *app.Config) error {
	return change(ctx, config, func(tx *store.Tx) error { return principal.Enable(tx, c.ID) })
}

type principalRoles struct {
	ID   string     `arg:""`
	Role []api.Role `required:"" help:"All roles the principal is to have; may be repeated."`
}

// Run implements the command.
func (c *principalRoles) Run(ctx context.Context, config *app.Config) error {
	return change(ctx, config, func(tx *store.Tx) error { return principal.SetRoles(tx, c.ID, c.Role) })
}

type principalOwner struct {
	ID    string `arg:""`
	Owner string `required:"" help:"The human who owns the service from now on."`
}

// Run implements the command.
func (c *principalOwner) Run(ctx context.Context, config *app.Config) error {
	done, err := administer(ctx, config, func(s *app.Server, tx *store.Tx) (principal.Effects, error) {
		return s.ChangeOwner(tx, c.ID, c.Owner)
	})
	if err != nil {
		return err
	}
	return tell(c.ID+" belongs to "+c.Owner, done)
}

type principalHandover struct {
	From string `arg:"" help:"The person who was accountable until now."`
	To   string `arg:"" help:"The person who is from now on."`
}

// Run implements the command.
func (c *principalHandover) Run(ctx context.Context, config *app.Config) error {
	done, err := administer(ctx, config, func(s *app.Server, tx *store.Tx) (principal.Effects, error) { return s.HandOver(tx, c.From, c.To) })
	if err != nil {
		return err
	}
	if err := tell(c.To+" is the successor of "+c.From, done); err != nil {
		return err
	}
	_, err = fmt.Printf("services moved: %s\n", count(done.MovedServices))
	return err
}

type keyCommand struct {
	Create keyCreate `cmd:"" help:"Make a key and print it, for the only time."`
	List   keyList   `cmd:"" help:"List all keys, without their secrets."`
	Revoke keyRevoke `cmd:"" help:"End a key."`
}

type keyCreate struct {
	Principal string        `arg:"" help:"Whose key it is."`
	Name      string        `help:"What the key is for."`
	ExpiresIn time.Duration `help:"How long it is good for; 0 never ends."`
}

// Run implements the command.
func (c *keyCreate) Run(ctx context.Context, config *app.Config) error {
	if c.ExpiresIn < 0 {
		return fmt.Errorf("--expires-in must not be negative")
	}
	var key string
	err := change(ctx, config, func(tx *store.Tx) (err error) {
		key, err = principal.CreateKey(tx, c.Principal, c.Name, c.ExpiresIn)
		return err
	})
	if err != nil {
		return err
	}
	_, err = fmt.Println(key)
	return err
}

type keyList struct{}

// Run implements the command.
func (keyList) Run(ctx context.Context, config *app.Config) error {
	var rows []principal.Key
	err := look(ctx, config, func(tx *store.Tx) (err error) {
		rows, err = principal.Keys(tx)
		return err
	})
	if err != nil {
		return err
	}
	return table("ID\tPRINCIPAL\tNAME\tCREATED\tEXPIRES\tREVOKED", rows, func(k principal.Key) []any {
		return []any{k.ID, k.PrincipalID, k.Name, k.CreatedAt.Format(time.RFC3339), timeOrDash(k.ExpiresAt), timeOrDash(k.RevokedAt)}
	})
}

type keyRevoke struct {
	ID string `arg:"" help:"The key's id: the part between the first and the second underscore of the key."`
}

// Run implements the command.
func (c *keyRevoke) Run(ctx context.Context, config *app.Config) error {
	return change(ctx, config, func(tx *store.Tx) error { return principal.RevokeKey(tx, c.ID) })
}

type caCommand struct {
	Init    caInit    `cmd:"" help:"Make the CA's key and certificate. Nothing is overwritten."`
	Replace caReplace `cmd:"" help:"Make the configured CA the one of all servers, and list the requests that this makes stale."`
}

type caInit struct{}

// Run implements the command.
func (caInit) Run(config *app.Config) error {
	file, err := config.CreateCA(time.Now())
	if err != nil {
		return err
	}
	_, err = fmt.Println(file)
	return err
}

type caReplace struct{}

// Run implements the command.
func (caReplace) Run(ctx context.Context, config *app.Config) error {
	done, fingerprint, err := app.ReplaceCA(ctx, *config)
	switch {
	case err != nil:
		return err
	case done.Before == fingerprint:
		_, err = fmt.Printf("nothing changed: the CA is %s already\n", fingerprint)
		return err
	}
	fmt.Printf("the CA is %s, and was %s: restart every server with it\n", fingerprint, cmp.Or(done.Before, "none"))
	if len(done.Stale) == 0 {
		return nil
	}
	fmt.Println("these requests were for the CA before and will be refused; renew their certificates again:")
	return table("JOB\tCERTIFICATE\tSTATUS\tAPPROVAL\tREQUESTED BY", done.Stale, func(j job.Job) []any {
		return []any{j.ID, j.CertificateID, j.Status, orDash(j.ApprovalID), j.RequestedBy}
	})
}

type versionCommand struct{}

// Run implements the command.
func (versionCommand) Run() error {
	_, err := fmt.Println(version)
	return err
}

// change runs f in one transaction on the configured database, which it migrates first where it may.
func change(ctx context.Context, config *app.Config, f func(*store.Tx) error) error {
	db, err := config.Open(ctx, config.Logger())
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // the process ends
	return db.Write(ctx, f)
}

// administer is change for what also ends requests.
func administer(ctx context.Context, config *app.Config, f func(*app.Server, *store.Tx) (principal.Effects, error)) (done principal.Effects, err error) {
	db, err := config.Open(ctx, config.Logger())
	if err != nil {
		return done, err
	}
	defer db.Close() //nolint:errcheck // the process ends
	server, err := app.Idle(db, config.Logger())
	if err != nil {
		return done, err
	}
	err = db.Write(ctx, func(tx *store.Tx) error {
		done, err = f(server, tx)
		return err
	})
	return done, err
}

// tell prints what a command did, and what it did beside that.
func tell(what string, done principal.Effects) error {
	_, err := fmt.Printf("%s\nkeys revoked: %s\nrequests cancelled: %s\n", what, count(done.RevokedKeys), count(done.CancelledRequests))
	return err
}

// count writes how many ids there are, and the first ten of them.
func count(ids []string) string {
	const shown = 10
	switch n := len(ids); {
	case n == 0:
		return "0"
	case n > shown:
		return fmt.Sprintf("%d (%s and %d more)", n, strings.Join(ids[:shown], ", "), n-shown)
	default:
		return fmt.Sprintf("%d (%s)", n, strings.Join(ids, ", "))
	}
}

// look runs f on one snapshot of the configured database.
func look(ctx context.Context, config *app.Config, f func(*store.Tx) error) error {
	db, err := config.Open(ctx, config.Logger())
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // the process ends
	return db.Read(ctx, f)
}

func table[T any](header string, rows []T, cells func(T) []any) error {
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

// stateOf says whether a principal may act. A service stops with its owner.
func stateOf(p principal.Principal, disabled map[string]*time.Time) string {
	switch {
	case p.DisabledAt != nil:
		return "disabled since " + p.DisabledAt.Format(time.RFC3339)
	case p.Owner != nil && disabled[*p.Owner] != nil:
		return "stopped: its owner is disabled since " + disabled[*p.Owner].Format(time.RFC3339)
	}
	return "enabled"
}

func join(roles []api.Role) string {
	names := make([]string, len(roles))
	for i, r := range roles {
		names[i] = string(r)
	}
	return strings.Join(names, ",")
}
