package outbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/certctl/terraform-provider-certctl/server/store"
)

// ErrLost says that a claim no longer holds: its lease ran out, and the message was claimed again or has ended.
var ErrLost = errors.New("the message's lease was lost")

// Outbox hands out messages to those who deliver them.
type Outbox struct{ Store *store.Store }

const claimDue = `UPDATE outbox SET due_at = ?, fence = fence + 1
	WHERE receiver = ? AND id = (SELECT id FROM outbox WHERE receiver = ? AND state = 'pending' AND leader IS NULL AND due_at <= ?
		ORDER BY due_at, id LIMIT 1%s)
	AND state || '' = 'pending' RETURNING *`

// Claim claims the message of a receiver that is due longest. It reports whether there was one.
func (o *Outbox) Claim(ctx context.Context, receiver string) (Row, bool, error) {
	var row Row
	var found bool
	err := o.Store.Write(ctx, func(tx *store.Tx) (err error) {
		row = Row{}
		found, err = tx.Guarded(&row, fmt.Sprintf(claimDue, tx.Locking("FOR UPDATE SKIP LOCKED")), tx.Now.Add(Lease), receiver, receiver, tx.Now)
		return err
	})
	return row, found && err == nil, err
}

// NextDue says how long it takes until the next message of a receiver is due. It reports whether there is one.
func (o *Outbox) NextDue(ctx context.Context, receiver string) (time.Duration, bool, error) {
	var next Row
	var found bool
	var in time.Duration
	err := o.Store.Query(ctx, func(tx *store.Tx) (err error) {
		found, err = tx.Find(&next, `SELECT due_at FROM outbox WHERE receiver = ? AND state = 'pending' AND leader IS NULL
			ORDER BY due_at, id LIMIT 1`, receiver)
		in = next.DueAt.Sub(tx.Now)
		return err
	})
	return in, found && err == nil, err
}

// End ends a claimed message, with those that it carries.
func (o *Outbox) End(ctx context.Context, row Row, as State) error { return o.end(ctx, row, as, "", 0) }

const (
	endOne     = "state = ?, last_error = ?, attempt = attempt + ?, ended_at = ?"
	endCarried = "UPDATE outbox SET state = ?, last_error = ?, ended_at = ? WHERE leader = ? AND receiver = ? AND state || '' = 'pending'"
)

func (o *Outbox) end(ctx context.Context, row Row, as State, reason string, attempts int) error {
	return o.Store.Write(ctx, func(tx *store.Tx) error {
		if err := move(tx, row, endOne, as, reason, attempts, tx.Now); err != nil {
			return err
		}
		return tx.DB.Exec(endCarried, as, reason, tx.Now, row.ID, row.Receiver).Error
	})
}

// Retry makes a claimed message due again later, after an attempt that did not succeed. A message that is older than
// GiveUpAfter has failed then; Retry reports whether it has. reason holds no secret.
func (o *Outbox) Retry(ctx context.Context, row Row, reason string) (final bool, err error) {
	if left := row.CreatedAt.Add(GiveUpAfter).Sub(o.Store.Now()); left <= 0 {
		return true, o.end(ctx, row, Failed, reason, 1)
	}
	return false, o.Store.Write(ctx, func(tx *store.Tx) error {
		left := max(row.CreatedAt.Add(GiveUpAfter).Sub(tx.Now), 0)
		return move(tx, row, "attempt = attempt + 1, last_error = ?, due_at = ?", reason, tx.Now.Add(min(backoff(row.Attempt), left)))
	})
}

// backoff doubles from ten seconds to an hour.
func backoff(attempt int) time.Duration {
	return min(10*time.Second<<min(attempt, 20), time.Hour)
}

// move sets columns of a claimed message. It adds the guard: the message is pending, and nobody has claimed it since. set
// is a constant of the caller. See job.Queue.move for the empty string.
func move(tx *store.Tx, row Row, set string, args ...any) error {
	var moved Row
	held, err := tx.Guarded(&moved, "UPDATE outbox SET "+set+" WHERE id = ? AND receiver = ? AND state || '' = 'pending' AND leader IS NULL AND fence = ? RETURNING *",
		append(args, row.ID, row.Receiver, row.Fence)...)
	if err == nil && !held {
		err = ErrLost
	}
	return err
}
