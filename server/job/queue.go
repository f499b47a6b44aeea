package job

import (
	"fmt"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Queue is the durable queue.
type Queue struct {
	store       *store.Store
	metrics     *Metrics
	issueWithin time.Duration
}

// NewQueue makes a Queue on a store. After issueWithin a job whose issuer fails has failed for good.
func NewQueue(s *store.Store, m *Metrics, issueWithin time.Duration) *Queue {
	return &Queue{store: s, metrics: m, issueWithin: issueWithin}
}

// move sets columns of a claimed job. It adds the guard: the job is running, and nobody has claimed it since. set is a
// constant of the caller.
//
// Each guard of this package appends an empty string to the status, which leaves PostgreSQL the primary key alone to find
// the job by. If its statistics know no job of that status, the index of the status looks cheaper, and PostgreSQL walks
// all jobs that have the status now.
func (q *Queue) move(tx *store.Tx, c Claim, set string, args ...any) error {
	var moved Job
	held, err := tx.Guarded(&moved, "UPDATE jobs SET "+set+" WHERE id = ? AND status || '' = 'Running' AND fence = ? RETURNING *",
		append(args, c.ID, c.Fence)...)
	if err == nil && !held {
		err = ErrLost
	}
	return err
}

// Release makes a job that awaits its approval pending.
func (q *Queue) Release(tx *store.Tx, id string) error {
	var j Job
	err := tx.Must(&j, `UPDATE jobs SET status = 'Pending', run_at = ?, issue_by = ?, updated_at = ?
		WHERE id = ? AND status || '' = 'AwaitingApproval' RETURNING *`, tx.Now, tx.Now.Add(q.issueWithin), tx.Now, id)
	if err != nil {
		return fmt.Errorf("release job %s, which awaits its approval: %w", id, err)
	}
	tx.WakeWorkers()
	return nil
}

// RunNow makes the pending jobs under a profile due at once, after a change of the profile.
func (q *Queue) RunNow(tx *store.Tx, profileID string) error {
	err := tx.DB.Exec(`UPDATE jobs SET run_at = ?, updated_at = ? WHERE profile_id = ? AND status = 'Pending' AND run_at > ?`,
		tx.Now, tx.Now, profileID, tx.Now).Error
	if err != nil {
		return fmt.Errorf("wake the jobs of profile %s: %w", profileID, err)
	}
	tx.WakeWorkers()
	return nil
}

// Cancel cancels a job that awaits its approval. If there is no such job, it returns an error.
func (q *Queue) Cancel(tx *store.Tx, id string, cause api.Cause) error {
	var j Job
	err := tx.Must(&j, `UPDATE jobs SET status = 'Cancelled', cause = ?, error_message = ?, finished_at = ?, updated_at = ?
		WHERE id = ? AND status || '' = 'AwaitingApproval' RETURNING *`, cause, cause.Words(), tx.Now, tx.Now, id)
	if err != nil {
		return fmt.Errorf("cancel job %s, which awaits its approval: %w", id, err)
	}
	tx.AfterCommit(func() { q.metrics.countFinished(j, api.JobCancelled, tx.Now) })
	return nil
}
