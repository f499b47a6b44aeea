package outbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/certctl/terraform-provider-certctl/server/store"
)

const (
	// reapAtOnce bounds one call of Reap. The next call does the rest.
	reapAtOnce = 1000
	// deleteAtOnce bounds the rows that one statement deletes.
	deleteAtOnce = 10_000
	// endGrace is how much longer than GiveUpAfter a message may be pending: its worker makes the last attempt.
	endGrace = 10 * time.Minute
	// keepDelivered and keepFailed are how long ended messages are kept.
	keepDelivered = 7 * 24 * time.Hour
	keepFailed    = 30 * 24 * time.Hour
	// forgetAfter is when a receiver is forgotten that no server delivers to any more.
	forgetAfter = 24 * time.Hour
)

// Reap ends messages that no server delivers, and returns how many. It deletes ended messages after their time, and forgets
// receivers that no server delivers to. It never forgets own, the receivers of this process. Any replica may reap.
func (o *Outbox) Reap(ctx context.Context, own []string) (ended int, err error) {
	ended, err = o.endOverdue(ctx)
	return ended, errors.Join(err, o.delete(ctx, own))
}

const nobodyDelivers = "no server delivers to this receiver"

func (o *Outbox) endOverdue(ctx context.Context) (int, error) {
	var overdue []Row
	err := o.Store.Query(ctx, func(tx *store.Tx) error {
		return tx.DB.Raw(`SELECT * FROM outbox WHERE state = 'pending' AND leader IS NULL AND created_at <= ? AND due_at <= ?
			ORDER BY created_at LIMIT ?`, tx.Now.Add(-GiveUpAfter-endGrace), tx.Now, reapAtOnce).Scan(&overdue).Error
	})
	if err != nil {
		return 0, fmt.Errorf("find messages that nobody delivers: %w", err)
	}
	ended := 0
	var failed []error
	for _, row := range overdue {
		reason := row.LastError
		if reason == "" {
			reason = nobodyDelivers
		}
		switch err := o.end(ctx, row, Failed, reason, 0); {
		case err == nil:
			ended++
		case !errors.Is(err, ErrLost):
			failed = append(failed, fmt.Errorf("end message %s: %w", row.ID, err))
		}
		if ctx.Err() != nil {
			break
		}
	}
	return ended, errors.Join(failed...)
}

// delete deletes what is kept no longer.
func (o *Outbox) delete(ctx context.Context, own []string) error {
	err := o.Store.Write(ctx, func(tx *store.Tx) error {
		const old = `DELETE FROM outbox WHERE (id, receiver) IN (SELECT id, receiver FROM outbox WHERE state = ? AND ended_at <= ? LIMIT ?)`
		for state, keep := range map[State]time.Duration{Delivered: keepDelivered, Dropped: keepDelivered, Failed: keepFailed} {
			if err := tx.DB.Exec(old, state, tx.Now.Add(-keep), deleteAtOnce).Error; err != nil {
				return err
			}
		}
		if err := see(tx, own); err != nil { // this process may have slept for a day
			return err
		}
		if err := tx.DB.Exec("DELETE FROM receivers WHERE seen_at <= ?", tx.Now.Add(-forgetAfter)).Error; err != nil {
			return err
		}
		return tx.DB.Exec("DELETE FROM notices WHERE until <= ?", tx.Now).Error
	})
	if err != nil {
		return fmt.Errorf("delete old messages: %w", err)
	}
	return nil
}
