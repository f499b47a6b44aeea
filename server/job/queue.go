package job

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Lease is how long a claim holds without a heartbeat.
const Lease = 30 * time.Second

// ErrLost says that a claim no longer holds: the lease ran out and the job went on without this worker.
var ErrLost = errors.New("the job's lease was lost")

// Queue is the durable queue.
type Queue struct {
	store   *store.Store
	metrics *Metrics
}

// NewQueue makes a Queue on a store.
func NewQueue(s *store.Store, m *Metrics) *Queue { return &Queue{store: s, metrics: m} }

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
	return c, found, err
}

// Heartbeat prolongs the claim.
func (q *Queue) Heartbeat(ctx context.Context, c Claim) error {
	return q.store.Write(ctx, func(tx *store.Tx) error { return q.Hold(tx, c) })
}

// Hold makes sure, inside a transaction, that the claim holds until it commits, and prolongs it.
func (q *Queue) Hold(tx *store.Tx, c Claim) error {
	return q.move(tx, c, `UPDATE jobs SET lease_until = ?, updated_at = ?
		WHERE id = ? AND status = 'Running' AND fence = ? RETURNING *`, tx.Now.Add(Lease), tx.Now)
}

// Complete ends the job with the certificate that it issued.
func (q *Queue) Complete(tx *store.Tx, c Claim, serialNumber string) error {
	return q.finish(tx, c, api.JobCompleted, `UPDATE jobs SET status = 'Completed', serial_number = ?, error_message = '',
		lease_until = NULL, finished_at = ?, updated_at = ?
		WHERE id = ? AND status = 'Running' AND fence = ? RETURNING *`, serialNumber, tx.Now, tx.Now)
}

// Refuse ends the job because the gate did not let it pass. Only the gate may call it.
func (q *Queue) Refuse(tx *store.Tx, c Claim, reason string) error {
	return q.finish(tx, c, api.JobCancelled, `UPDATE jobs SET status = 'Cancelled', error_message = ?,
		lease_until = NULL, finished_at = ?, updated_at = ?
		WHERE id = ? AND status = 'Running' AND fence = ? RETURNING *`, reason, tx.Now, tx.Now)
}

// Fail counts an error of the issuer: the job is tried again later, or fails for good after the last attempt.
// It reports whether it did.
func (q *Queue) Fail(tx *store.Tx, c Claim, reason string) (final bool, err error) {
	attempt := c.Attempt + 1
	if attempt >= c.MaxAttempts {
		return true, q.finish(tx, c, api.JobFailed, `UPDATE jobs SET status = 'Failed', attempt = attempt + 1, error_message = ?,
			lease_until = NULL, finished_at = ?, updated_at = ?
			WHERE id = ? AND status = 'Running' AND fence = ? RETURNING *`, reason, tx.Now, tx.Now)
	}
	return false, q.move(tx, c, `UPDATE jobs SET status = 'Pending', attempt = attempt + 1, error_message = ?, run_at = ?,
		lease_until = NULL, updated_at = ?
		WHERE id = ? AND status = 'Running' AND fence = ? RETURNING *`, reason, tx.Now.Add(backoff(attempt)), tx.Now)
}

// backoff doubles from two seconds to five minutes.
func backoff(attempt int) time.Duration {
	return min(time.Second<<min(attempt, 20), 5*time.Minute)
}

// Release gives the job back untouched, to be tried again soon: the worker stops or could not ask the database.
func (q *Queue) Release(ctx context.Context, c Claim) error {
	return q.store.Write(ctx, func(tx *store.Tx) error {
		return q.move(tx, c, `UPDATE jobs SET status = 'Pending', run_at = ?, lease_until = NULL, updated_at = ?
			WHERE id = ? AND status = 'Running' AND fence = ? RETURNING *`, tx.Now.Add(time.Second), tx.Now)
	})
}

// finish is a move to a final state, which the metrics count.
func (q *Queue) finish(tx *store.Tx, c Claim, to api.JobStatus, update string, args ...any) error {
	if err := q.move(tx, c, update, args...); err != nil {
		return err
	}
	tx.AfterCommit(func() { q.metrics.finished(c.Job, to, tx.Now) })
	return nil
}

// move runs an update that is guarded by the claim's fence.
func (q *Queue) move(tx *store.Tx, c Claim, update string, args ...any) error {
	var moved Job
	held, err := tx.Guarded(&moved, update, append(args, c.ID, c.Fence)...)
	if err == nil && !held {
		err = ErrLost
	}
	return err
}

// Reap gives back the jobs whose worker was not heard of for the length of a lease. Any replica may do it.
func (q *Queue) Reap(ctx context.Context) (int, error) {
	reaped := 0
	for {
		var j Job
		var found bool
		err := q.store.Write(ctx, func(tx *store.Tx) (err error) {
			j = Job{}
			found, err = tx.Guarded(&j, `UPDATE jobs SET status = 'Pending', run_at = ?, lease_until = NULL, updated_at = ?
				WHERE id = (SELECT id FROM jobs WHERE status = 'Running' AND lease_until < ? ORDER BY lease_until, id LIMIT 1`+
				tx.Locking("FOR UPDATE SKIP LOCKED")+`) AND status = 'Running' AND lease_until < ? RETURNING *`, tx.Now, tx.Now, tx.Now, tx.Now)
			if found {
				tx.WakeWorkers()
			}
			return err
		})
		if err != nil || !found {
			return reaped, err
		}
		reaped++
	}
}

// Approved lets a job that awaited its approval run.
func (q *Queue) Approved(tx *store.Tx, id string) error {
	var j Job
	moved, err := tx.Guarded(&j, `UPDATE jobs SET status = 'Pending', run_at = ?, updated_at = ?
		WHERE id = ? AND status = 'AwaitingApproval' RETURNING *`, tx.Now, tx.Now, id)
	if err != nil {
		return fmt.Errorf("release job %s: %w", id, err)
	}
	if !moved {
		return fmt.Errorf("job %s does not await an approval", id)
	}
	tx.WakeWorkers()
	return nil
}

// Cancel ends a job that awaits its approval. It must be there to be ended.
func (q *Queue) Cancel(tx *store.Tx, id, reason string) error {
	var j Job
	moved, err := tx.Guarded(&j, `UPDATE jobs SET status = 'Cancelled', error_message = ?, finished_at = ?, updated_at = ?
		WHERE id = ? AND status = 'AwaitingApproval' RETURNING *`, reason, tx.Now, tx.Now, id)
	if err != nil {
		return fmt.Errorf("cancel job %s: %w", id, err)
	}
	if !moved {
		return fmt.Errorf("job %s does not await an approval", id)
	}
	tx.AfterCommit(func() { q.metrics.finished(j, api.JobCancelled, tx.Now) })
	return nil
}
