package job

import (
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Complete ends the job with the certificate that it issued.
func (q *Queue) Complete(tx *store.Tx, c Claim, serialNumber string) error {
	return q.finish(tx, c, api.JobCompleted, "status = 'Completed', serial_number = ?, error_message = '', lease_until = NULL, finished_at = ?, updated_at = ?",
		serialNumber, tx.Now, tx.Now)
}

// Refuse cancels the job because the gate refused it. Only the gate may call it.
func (q *Queue) Refuse(tx *store.Tx, c Claim, reason string) error {
	return q.finish(tx, c, api.JobCancelled, "status = 'Cancelled', cause = 'gate_refused', error_message = ?, lease_until = NULL, finished_at = ?, updated_at = ?",
		reason, tx.Now, tx.Now)
}

// Fail counts an error of the issuer. The job is tried again later, the last time at its deadline; then it has failed. Fail
// reports whether it has.
func (q *Queue) Fail(tx *store.Tx, c Claim, reason string) (final bool, err error) {
	deadline := q.deadline(tx, c)
	left := deadline.Sub(tx.Now)
	if left <= 0 {
		return true, q.finish(tx, c, api.JobFailed,
			"status = 'Failed', cause = 'issuer_failed', attempt = attempt + 1, error_message = ?, lease_until = NULL, finished_at = ?, updated_at = ?",
			reason, tx.Now, tx.Now)
	}
	tx.WakeWorkers() // a worker that waits for the next job must learn when that is
	return false, q.move(tx, c, "status = 'Pending', attempt = attempt + 1, error_message = ?, run_at = ?, issue_by = ?, lease_until = NULL, updated_at = ?",
		reason, tx.Now.Add(min(backoff(c.Attempt+1), left)), deadline, tx.Now)
}

// backoff doubles from two seconds to five minutes.
func backoff(attempt int) time.Duration {
	return min(time.Second<<min(attempt, 20), 5*time.Minute)
}

// finish moves a job to a final state and counts that.
func (q *Queue) finish(tx *store.Tx, c Claim, to api.JobStatus, set string, args ...any) error {
	if err := q.move(tx, c, set, args...); err != nil {
		return err
	}
	tx.AfterCommit(func() { q.metrics.countFinished(c.Job, to, tx.Now) })
	return nil
}
