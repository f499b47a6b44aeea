package commands

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/certctl/terraform-provider-certctl/server/app"
	"github.com/certctl/terraform-provider-certctl/server/outbox"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

type notifyCommand struct {
	Test   notifyTest   `cmd:"" help:"Send a test message to every receiver of messages, and say what happened."`
	Failed notifyFailed `cmd:"" help:"List the messages of the last 30 days that ended undelivered."`
}

type notifyTest struct{ app.MessagesConfig }

// Run implements the command.
func (c *notifyTest) Run(ctx context.Context) error {
	outcomes, err := app.TestReceivers(ctx, c.MessagesConfig)
	if err != nil {
		return err
	}
	failed := 0
	for _, o := range outcomes {
		result := "delivered"
		if o.Failure != "" {
			failed++
			result = "not delivered: " + o.Failure
		}
		if _, err := fmt.Printf("%s\t%s\n", o.Receiver, result); err != nil {
			return err
		}
	}
	switch {
	case len(outcomes) == 0:
		return errors.New("there is no receiver: set CERTCTL_WEBHOOK_URL or CERTCTL_NOTIFY_URLS_FILE as the server has it")
	case failed > 0:
		return fmt.Errorf("%d of %d receivers did not take the message", failed, len(outcomes))
	}
	return nil
}

// maxFailedListed bounds the list of messages.
const maxFailedListed = 1000

type notifyFailed struct{}

// Run implements the command.
func (notifyFailed) Run(ctx context.Context, config *app.Config) error {
	var rows []outbox.Row
	err := readDatabase(ctx, config, func(tx *store.Tx) (err error) {
		rows, err = outbox.ListFailed(tx, maxFailedListed)
		return err
	})
	if err != nil {
		return err
	}
	return printTable("ID\tRECEIVER\tTYPE\tABOUT\tWRITTEN\tENDED\tATTEMPTS\tREASON", rows, func(r outbox.Row) []any {
		return []any{r.ID, r.Receiver, r.Type, cmp.Or(r.About, "-"), r.CreatedAt.Format(time.RFC3339), timeOrDash(r.EndedAt), r.Attempt, r.LastError}
	})
}
