package commands

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/app"
	"github.com/certctl/terraform-provider-certctl/server/principal"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

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
		rows, err = principal.ListAll(tx)
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
	done, err := administer(ctx, config, func(a *app.Admin, tx *store.Tx) (principal.Effects, error) { return a.DisablePrincipal(tx, c.ID) })
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
	done, err := administer(ctx, config, func(a *app.Admin, tx *store.Tx) (principal.Effects, error) {
		return a.ChangeOwner(tx, c.ID, c.Owner)
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
	done, err := administer(ctx, config, func(a *app.Admin, tx *store.Tx) (principal.Effects, error) { return a.HandOver(tx, c.From, c.To) })
	if err != nil {
		return err
	}
	if err := tell(c.To+" is the successor of "+c.From, done); err != nil {
		return err
	}
	_, err = fmt.Printf("services moved: %s\n", count(done.MovedServices))
	return err
}

// administer is change for what also ends requests.
func administer(ctx context.Context, config *app.Config, f func(*app.Admin, *store.Tx) (principal.Effects, error)) (done principal.Effects, err error) {
	db, err := config.Open(ctx, config.Logger())
	if err != nil {
		return done, err
	}
	defer db.Close() //nolint:errcheck // the process ends
	admin, err := app.NewAdmin(db, config.Logger())
	if err != nil {
		return done, err
	}
	err = db.Write(ctx, func(tx *store.Tx) error {
		done, err = f(admin, tx)
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
