package commands

import (
	"context"
	"fmt"
	"time"

	"github.com/certctl/terraform-provider-certctl/server/app"
	"github.com/certctl/terraform-provider-certctl/server/principal"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

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
		rows, err = principal.ListKeys(tx)
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
