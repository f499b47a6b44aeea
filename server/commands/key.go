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
	Create keyCreate `cmd:"" help:"Make a key and print it. It cannot be printed again."`
	List   keyList   `cmd:"" help:"List all keys, without their secrets."`
	Revoke keyRevoke `cmd:"" help:"Revoke a key."`
}

type keyCreate struct {
	Principal string        `arg:"" help:"The principal that holds the key."`
	Name      string        `help:"A name for the key, such as its purpose."`
	ExpiresIn time.Duration `help:"Time until the key expires, such as 12h or 90d; 0 for never."`
}

// Run implements the command.
func (c *keyCreate) Run(ctx context.Context, config *app.Config) error {
	if c.ExpiresIn < 0 {
		return fmt.Errorf("--expires-in must not be negative: write a duration such as 30d, or 0 for never")
	}
	var key string
	err := changeDatabase(ctx, config, func(tx *store.Tx) (err error) {
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
	err := readDatabase(ctx, config, func(tx *store.Tx) (err error) {
		rows, err = principal.ListKeys(tx)
		return err
	})
	if err != nil {
		return err
	}
	return printTable("ID\tPRINCIPAL\tNAME\tCREATED\tEXPIRES\tREVOKED", rows, func(k principal.Key) []any {
		return []any{k.ID, k.PrincipalID, k.Name, k.CreatedAt.Format(time.RFC3339), timeOrDash(k.ExpiresAt), timeOrDash(k.RevokedAt)}
	})
}

type keyRevoke struct {
	ID string `arg:"" help:"The id of the key: the part between its first and its second underscore."`
}

// Run implements the command.
func (c *keyRevoke) Run(ctx context.Context, config *app.Config) error {
	return changeDatabase(ctx, config, func(tx *store.Tx) error { return principal.RevokeKey(tx, c.ID) })
}
