package certificate

import (
	"fmt"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Request is one request for a certificate: its job, the approval of the job, and the leaf that the job signed.
type Request struct {
	JobID         string
	Type          api.JobType
	Status        api.JobStatus
	Cause         *api.Cause
	ErrorMessage  string
	RequestedBy   string
	CreatedAt     time.Time
	ApprovalID    *string
	ApprovalState *api.ApprovalState
	DecidedBy     *string
	SerialNumber  *string
	NotBefore     *time.Time
	NotAfter      *time.Time
}

// ListRequests returns the newest requests for a certificate, newest first.
func ListRequests(tx *store.Tx, c Certificate, limit int) ([]Request, error) {
	var rows []Request
	err := tx.DB.Raw(`SELECT j.id AS job_id, j.type, j.status, j.cause, j.error_message, j.requested_by, j.created_at, j.approval_id,
			a.state AS approval_state, a.decided_by, l.serial_number, l.not_before, l.not_after
		FROM jobs j LEFT JOIN approvals a ON a.id = j.approval_id LEFT JOIN leaves l ON l.job_id = j.id
		WHERE j.certificate_uid = ? ORDER BY j.created_at DESC, j.id DESC LIMIT ?`, c.UID, limit).Scan(&rows).Error
	if err != nil {
		err = fmt.Errorf("list the requests for %s: %w", c.ID, err)
	}
	return rows, err
}

// CountByEnd counts the live certificates whose current leaf ends by the last of the ends, in each of the periods that the
// ends close. The ends ascend.
func CountByEnd(tx *store.Tx, ends []time.Time) ([]int, error) {
	bucket, args := store.Bucket("not_after", ends)
	var counts []store.Count
	err := tx.DB.Raw("SELECT "+bucket+" AS bucket, count(*) AS rows FROM certificates WHERE archived_at IS NULL AND not_after <= ? GROUP BY 1",
		append(args, ends[len(ends)-1])...).Scan(&counts).Error
	if err != nil {
		return nil, fmt.Errorf("count the certificates by their end: %w", err)
	}
	return store.Fill(counts, len(ends)), nil
}

// Totals counts live certificates.
type Totals struct {
	Live, Expired, Blocked int
}

// Count counts the live certificates, those of them that have expired, and those whose renewal is blocked.
func Count(tx *store.Tx) (Totals, error) {
	var t Totals
	err := tx.Must(&t, `SELECT count(*) AS live, count(CASE WHEN not_after < ? THEN 1 END) AS expired, count(b.certificate_uid) AS blocked
		FROM certificates c LEFT JOIN blocked_renewals b ON b.certificate_uid = c.uid WHERE archived_at IS NULL`, tx.Now)
	if err != nil {
		return t, fmt.Errorf("count the certificates: %w", err)
	}
	return t, nil
}
