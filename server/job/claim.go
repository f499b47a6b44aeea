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

// ErrLost says that a claim no longer holds: its lease ran out, and the job was given back or claimed again.
var ErrLost = errors.New("the job's lease was lost")

// Claim is a job that one worker runs. The worker may write only while the row has the same Fence.
type Claim struct{ Job }

const claimDue = `UPDATE jobs SET status = 'Running', fence = fence + 1, lease_until = ?, started_at = COALESCE(started_at, ?), updated_at = ?
	WHERE id = (SELECT id FROM jobs WHERE status = 'Pending' AND run_at <= ? ORDER BY run_at, id LIMIT 1%s)
	AND status || '' = 'Pending' RETURNING *`

// Claim claims the job that is due longest. It reports whether there was one.
func (q *Queue) Claim(ctx context.Context) (Claim, bool, error) {
	var c Claim
	var found bool
	err := q.store.Write(ctx, func(tx *store.Tx) (err error) {
		c = Claim{}
		found, err = tx.Guarded(&c.Job, fmt.Sprintf(claimDue, tx.Locking("FOR UPDATE SKIP LOCKED")), tx.Now.Add(Lease), tx.Now, tx.Now, tx.Now)
		return err
	})
	return c, found && err == nil, err
}

// NextDue says how long it takes until the next pending job is due. It reports whether there is one.
func (q *Queue) NextDue(ctx context.Context) (time.Duration, bool, error) {
	var next Job
	var found bool
	var in time.Duration
	err := q.store.Query(ctx, func(tx *store.Tx) (err error) {
		found, err = tx.Find(&next, "SELECT run_at FROM jobs WHERE status = 'Pending' ORDER BY run_at, id LIMIT 1")
		in = next.RunAt.Sub(tx.Now)
		return err
	})
	return in, found && err == nil, err
}

// Heartbeat extends the lease.
func (q *Queue) Heartbeat(ctx context.Context, c Claim) error {
	return q.store.Write(ctx, func(tx *store.Tx) error { return q.Hold(tx, c) })
}

// Hold extends the lease inside a transaction. It locks the job, so the claim holds until the commit.
func (q *Queue) Hold(tx *store.Tx, c Claim) error {
	return q.move(tx, c, "lease_until = ?, updated_at = ?", tx.Now.Add(Lease), tx.Now)
}

// GiveBack makes the job pending again, due after a delay. It counts no attempt, as the issuer did not fail.
func (q *Queue) GiveBack(ctx context.Context, c Claim, after time.Duration) error {
	return q.store.Write(ctx, func(tx *store.Tx) error {
		tx.WakeWorkers() // a worker that waits for the next job must learn when that is
		return q.move(tx, c, "status = 'Pending', run_at = ?, lease_until = NULL, updated_at = ?", tx.Now.Add(after), tx.Now)
	})
}

// Postpone is GiveBack for a job that may not run now. reason is for people. The time since the job was due, and the time
// until it is due again, do not count against the deadline of its issuer.
func (q *Queue) Postpone(ctx context.Context, c Claim, after time.Duration, reason string) error {
	return q.store.Write(ctx, func(tx *store.Tx) error {
		tx.WakeWorkers() // a worker that waits for the next job must learn when that is
		issueBy := q.deadline(tx, c).Add(tx.Now.Sub(c.RunAt) + after)
		return q.move(tx, c, "status = 'Pending', run_at = ?, issue_by = ?, error_message = ?, lease_until = NULL, updated_at = ?",
			tx.Now.Add(after), issueBy, reason, tx.Now)
	})
}

// deadline returns until when an issuer that fails is tried again. For a job from before jobs had a deadline, the time
// begins now.
func (q *Queue) deadline(tx *store.Tx, c Claim) time.Time {
	if c.IssueBy == nil {
		return tx.Now.Add(q.issueWithin)
	}
	return *c.IssueBy
}

// RetryDelay is the delay of a job that is given back. It doubles with each claim that led to nothing, from a second to
// half a minute: a job that never succeeds leaves the workers to the others.
func (c Claim) RetryDelay() time.Duration {
	fruitless := c.Fence - int64(c.Attempt) - 1
	return time.Second << min(max(fruitless, 0), 5)
}
