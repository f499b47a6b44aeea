package job

import (
	"context"
	"errors"
	"fmt"

	"github.com/certctl/terraform-provider-certctl/server/store"
)

// reapAtOnce bounds one call of Reap. The next call does the rest.
const reapAtOnce = 1000

const reapExpired = `UPDATE jobs SET status = 'Pending', run_at = ?, lease_until = NULL, updated_at = ?
	WHERE id = ? AND status || '' = 'Running' AND lease_until < ? RETURNING *`

// Reap makes the jobs pending whose lease has expired, and returns how many. Each job has a transaction of its own, so
// one that fails stops no other. Any replica may reap.
func (q *Queue) Reap(ctx context.Context) (int, error) {
	var lost []string
	err := q.store.Query(ctx, func(tx *store.Tx) error {
		return tx.DB.Raw("SELECT id FROM jobs WHERE status = 'Running' AND lease_until < ? ORDER BY lease_until, id LIMIT ?",
			tx.Now, reapAtOnce).Scan(&lost).Error
	})
	if err != nil {
		return 0, fmt.Errorf("find lost jobs: %w", err)
	}
	reaped := 0
	var failed []error
	for _, id := range lost {
		var found bool
		err := q.store.Write(ctx, func(tx *store.Tx) (err error) {
			var j Job
			if found, err = tx.Guarded(&j, reapExpired, tx.Now, tx.Now, id, tx.Now); found {
				tx.WakeWorkers()
			}
			return err
		})
		switch {
		case err != nil:
			failed = append(failed, fmt.Errorf("take back job %s: %w", id, err))
		case found:
			reaped++
		}
		if ctx.Err() != nil {
			break
		}
	}
	return reaped, errors.Join(failed...)
}
