package job

import (
	"fmt"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

const maxAttempts = 5

// New is what a job is made of. ID is made by NewID beforehand, because an approval names its job. A job with an
// approval awaits it.
type New struct {
	ID             string
	Type           api.JobType
	CertificateUID string
	CertificateID  string
	ProfileID      string
	ApprovalID     *string
	RequestedBy    string
	Accountable    string
	CSRPEM         string
	OwnCSR         bool // CSRPEM came with the renewal
	Subject        string
	Digest         string
}

// NewID makes a job's id.
func NewID() string { return store.NewID("job-") }

// Open finds the open job of a certificate: there is at most one.
func Open(tx *store.Tx, certificateUID string) (Job, bool, error) {
	var j Job
	found, err := tx.Find(&j, `SELECT * FROM jobs WHERE certificate_uid = ?
		AND status IN ('AwaitingApproval', 'Pending', 'Running')`, certificateUID)
	return j, found, err
}

// First says whether the certificate never had a job.
func First(tx *store.Tx, certificateUID string) (bool, error) {
	var j Job
	found, err := tx.Find(&j, "SELECT * FROM jobs WHERE certificate_uid = ? LIMIT 1", certificateUID)
	return !found, err
}

// Enqueue adds a job. The caller has made sure, under a lock on the certificate, that none is open.
func (q *Queue) Enqueue(tx *store.Tx, n New) (Job, error) {
	j := Job{
		ID: n.ID, Type: n.Type, CertificateUID: n.CertificateUID, CertificateID: n.CertificateID, ProfileID: n.ProfileID,
		ApprovalID: n.ApprovalID, Status: api.JobPending, MaxAttempts: maxAttempts,
		RequestedBy: n.RequestedBy, Accountable: n.Accountable, CSRPEM: n.CSRPEM, OwnCSR: n.OwnCSR, Subject: n.Subject, Digest: n.Digest,
		RunAt: tx.Now, CreatedAt: tx.Now, UpdatedAt: tx.Now,
	}
	if n.ApprovalID != nil {
		j.Status = api.JobAwaitingApproval
	}
	if err := tx.DB.Create(&j).Error; err != nil {
		return Job{}, fmt.Errorf("store the job: %w", err)
	}
	if j.Status == api.JobPending {
		tx.WakeWorkers()
	}
	return j, nil
}
