package job

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Lease is how long a claim holds without a heartbeat.
const Lease = 30 * time.Second

// ErrLost says that a claim no longer holds: the lease ran out and the job went on without this worker.
var ErrLost = errors.New("the job's lease was lost")

// Claim is a running job in the hands of one worker. Its Fence must still be the row's for any write.
type Claim struct{ Job }

const claim = `UPDATE jobs SET status = 'Running', fence = fence + 1, lease_until = ?, started_at = COALESCE(started_at, ?), updated_at = ?
	WHERE id = (SELECT id FROM jobs WHERE status = 'Pending' AND run_at <= ? ORDER BY run_at, id LIMIT 1%s)
	AND status = 'Pending' RETURNING *`

// Claim takes the job that is due longest; false when none is.
func (q *Queue) Claim(ctx context.Context) (Claim, bool, error) {
	var c Claim
	var found bool
	err := q.store.Write(ctx, func(tx *store.Tx) (err error) {
		c = Claim{}
		found, err = tx.Guarded(&c.Job, fmt.Sprintf(claim, tx.Locking("FOR UPDATE SKIP LOCKED")), tx.Now.Add(Lease), tx.Now, tx.Now, tx.Now)
		return err
	})
	return c, found && err == nil, err
}

// NextDue is how long it takes until the next job is due; false when none is pending.
func (q *Queue) NextDue(ctx context.Context) (time.Duration, bool, error) {
	var next Job
	var found bool
	var in time.Duration
	err := q.store.Read(ctx, func(tx *store.Tx) (err error) {
		found, err = tx.Find(&next, "SELECT run_at FROM jobs WHERE status = 'Pending' ORDER BY run_at, id LIMIT 1")
		in = next.RunAt.Sub(tx.Now)
		return err
	})
	return in, found && err == nil, err
}

// Heartbeat prolongs the claim.
func (q *Queue) Heartbeat(ctx context.Context, c Claim) error {
	return q.store.Write(ctx, func(tx *store.Tx) error { return q.Hold(tx, c) })
}

// Hold makes sure, inside a transaction, that the claim holds until it commits, and prolongs it.
func (q *Queue) Hold(tx *store.Tx, c Claim) error {
	return q.move(tx, c, "lease_until = ?, updated_at = ?", tx.Now.Add(Lease), tx.Now)
}

// Release gives the job back, to be tried again after a while. It was no fault of the issuer, so it is no attempt.
func (q *Queue) Release(ctx context.Context, c Claim, after time.Duration) error {
	return q.store.Write(ctx, func(tx *store.Tx) error {
		tx.WakeWorkers() // a worker that waits for the next job must learn when that is
		return q.move(tx, c, "status = 'Pending', run_at = ?, lease_until = NULL, updated_at = ?", tx.Now.Add(after), tx.Now)
	})
}

// Postpone gives the job back until after, because it may not run now. reason tells people; it is no attempt.
func (q *Queue) Postpone(ctx context.Context, c Claim, after time.Duration, reason string) error {
	return q.store.Write(ctx, func(tx *store.Tx) error {
		tx.WakeWorkers() // a worker that waits for the next job must learn when that is
		return q.move(tx, c, "status = 'Pending', run_at = ?, error_message = ?, lease_until = NULL, updated_at = ?", tx.Now.Add(after), reason, tx.Now)
	})
}

// GivenBack is when a job that could not be worked on is tried again: a second later, and later the more often
// that happened, so that one which never works takes no time from the others.
func (c Claim) GivenBack() time.Duration {
	fruitless := c.Fence - int64(c.Attempt) - 1
	return time.Second << min(max(fruitless, 0), 5)
}
