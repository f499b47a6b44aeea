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
	Disable principalDisable `cmd:"" help:"Disable a principal and their services, revoke their keys, and cancel their open requests."`
	Enable  principalEnable  `cmd:"" help:"Enable a disabled principal. They need new keys."`
	Roles   principalRoles   `cmd:"" help:"Replace a principal's roles."`
	Owner   principalOwner   `cmd:"" help:"Give a service to another human, revoke its keys and cancel its open requests."`

	Handover principalHandover `cmd:"" help:"Give a person's services, and the certificates that the scheduler renews for them, to another person."`
}

type principalCreate struct {
	ID    string     `arg:"" help:"A handle: lower-case letters, digits, dots, hyphens, underscores. It is never reused."`
	Kind  string     `required:"" enum:"human,service" help:"human or service."`
	Owner string     `help:"The human who owns the service."`
	Role  []api.Role `required:"" help:"viewer, auditor, operator, approver or admin. May be repeated."`
}

// Run implements the command.
func (c *principalCreate) Run(ctx context.Context, config *app.Config) error {
	return changeDatabase(ctx, config, func(tx *store.Tx) error {
		return principal.Create(tx, c.ID, api.PrincipalKind(c.Kind), c.Owner, c.Role)
	})
}

type principalList struct{}

// Run implements the command.
func (principalList) Run(ctx context.Context, config *app.Config) error {
	var rows []principal.Principal
	err := readDatabase(ctx, config, func(tx *store.Tx) (err error) {
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
	return printTable("ID\tKIND\tOWNER\tROLES\tSTATE", rows, func(p principal.Principal) []any {
		return []any{p.ID, p.Kind, orDash(p.Owner), joinRoles(p.Roles.V), stateOf(p, disabled)}
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
	if err := printEffects(c.ID+" is disabled", done); err != nil {
		return err
	}
	if _, err = fmt.Printf("services stopped: %s\n", countIDs(done.StoppedServices)); err != nil || len(done.BlockedCertificates) == 0 {
		return err
	}
	_, err = fmt.Printf("certificates that nobody renews now: %s\nname a successor: certctl principal handover %s PERSON\n", countIDs(done.BlockedCertificates), c.ID)
	return err
}

type principalEnable struct {
	ID string `arg:""`
}

// Run implements the command.
func (c *principalEnable) Run(ctx context.Context, config *app.Config) error {
	return changeDatabase(ctx, config, func(tx *store.Tx) error { return principal.Enable(tx, c.ID) })
}

type principalRoles struct {
	ID   string     `arg:""`
	Role []api.Role `required:"" help:"A role of the complete list of roles. May be repeated."`
}

// Run implements the command.
func (c *principalRoles) Run(ctx context.Context, config *app.Config) error {
	return changeDatabase(ctx, config, func(tx *store.Tx) error { return principal.SetRoles(tx, c.ID, c.Role) })
}

type principalOwner struct {
	ID    string `arg:""`
	Owner string `required:"" help:"The new owner, a human."`
}

// Run implements the command.
func (c *principalOwner) Run(ctx context.Context, config *app.Config) error {
	done, err := administer(ctx, config, func(a *app.Admin, tx *store.Tx) (principal.Effects, error) {
		return a.ChangeOwner(tx, c.ID, c.Owner)
	})
	if err != nil {
		return err
	}
	return printEffects(c.ID+" belongs to "+c.Owner, done)
}

type principalHandover struct {
	From string `arg:"" help:"The person who is accountable now."`
	To   string `arg:"" help:"The person who becomes accountable."`
}

// Run implements the command.
func (c *principalHandover) Run(ctx context.Context, config *app.Config) error {
	done, err := administer(ctx, config, func(a *app.Admin, tx *store.Tx) (principal.Effects, error) { return a.HandOver(tx, c.From, c.To) })
	if err != nil {
		return err
	}
	if err := printEffects(c.To+" is the successor of "+c.From, done); err != nil {
		return err
	}
	_, err = fmt.Printf("services moved: %s\n", countIDs(done.MovedServices))
	return err
}

// administer is changeDatabase for changes of principals that also end requests.
func administer(ctx context.Context, config *app.Config, f func(*app.Admin, *store.Tx) (principal.Effects, error)) (done principal.Effects, err error) {
	db, err := config.Open(ctx, config.NewLogger())
	if err != nil {
		return done, err
	}
	defer db.Close() //nolint:errcheck // the process ends
	admin, err := app.NewAdmin(db, config.NewLogger())
	if err != nil {
		return done, err
	}
	err = db.Write(ctx, func(tx *store.Tx) error {
		done, err = f(admin, tx)
		return err
	})
	return done, err
}

// printEffects prints the result of a command, and what else the command changed.
func printEffects(result string, done principal.Effects) error {
	_, err := fmt.Printf("%s\nkeys revoked: %s\nrequests cancelled: %s\n", result, countIDs(done.RevokedKeys), countIDs(done.CancelledRequests))
	return err
}

// countIDs returns the number of the ids, and the first ten of them.
func countIDs(ids []string) string {
	const maxPrinted = 10
	switch n := len(ids); {
	case n == 0:
		return "0"
	case n > maxPrinted:
		return fmt.Sprintf("%d (%s and %d more)", n, strings.Join(ids[:maxPrinted], ", "), n-maxPrinted)
	default:
		return fmt.Sprintf("%d (%s)", n, strings.Join(ids, ", "))
	}
}

// stateOf returns whether a principal may act, for people. A service with a disabled owner cannot act.
func stateOf(p principal.Principal, disabled map[string]*time.Time) string {
	switch {
	case p.DisabledAt != nil:
		return "disabled since " + p.DisabledAt.Format(time.RFC3339)
	case p.Owner != nil && disabled[*p.Owner] != nil:
		return "stopped: its owner is disabled since " + disabled[*p.Owner].Format(time.RFC3339)
	}
	return "enabled"
}
