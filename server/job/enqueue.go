package job

import (
	"fmt"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Request is what a job is made of. ID comes from NewID, because the approval that is stored first names its job. A job
// with an approval awaits it.
type Request struct {
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

// FindOpen finds the open job of a certificate. There is at most one.
func FindOpen(tx *store.Tx, certificateUID string) (Job, bool, error) {
	var j Job
	found, err := tx.Find(&j, `SELECT * FROM jobs WHERE certificate_uid = ?
		AND status IN ('AwaitingApproval', 'Pending', 'Running')`, certificateUID)
	return j, found, err
}

// HasNone says whether the certificate never had a job.
func HasNone(tx *store.Tx, certificateUID string) (bool, error) {
	var j Job
	found, err := tx.Find(&j, "SELECT * FROM jobs WHERE certificate_uid = ? LIMIT 1", certificateUID)
	return !found, err
}

// Enqueue adds a job. The caller holds a lock on the certificate and has checked that no job is open.
func (q *Queue) Enqueue(tx *store.Tx, r Request) (Job, error) {
	j := Job{
		ID: r.ID, Type: r.Type, CertificateUID: r.CertificateUID, CertificateID: r.CertificateID, ProfileID: r.ProfileID,
		ApprovalID: r.ApprovalID, Status: api.JobPending,
		RequestedBy: r.RequestedBy, Accountable: r.Accountable, CSRPEM: r.CSRPEM, OwnCSR: r.OwnCSR, Subject: r.Subject, Digest: r.Digest,
		RunAt: tx.Now, CreatedAt: tx.Now, UpdatedAt: tx.Now,
	}
	if r.ApprovalID != nil {
		j.Status = api.JobAwaitingApproval
	} else {
		issueBy := tx.Now.Add(q.issueWithin)
		j.IssueBy = &issueBy
	}
	if err := tx.DB.Create(&j).Error; err != nil {
		return Job{}, fmt.Errorf("store the job: %w", err)
	}
	if j.Status == api.JobPending {
		tx.WakeWorkers()
	}
	return j, nil
}
