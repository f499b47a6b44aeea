package job

import (
	"fmt"
	"regexp"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Job is a row of the queue. Its request never changes.
type Job struct {
	ID             string
	Type           api.JobType
	CertificateUID string `gorm:"column:certificate_uid"`
	CertificateID  string
	ProfileID      string
	ApprovalID     *string
	Status         api.JobStatus
	Attempt        int
	Fence          int64
	LeaseUntil     *time.Time
	Cause          *api.Cause
	ErrorMessage   string
	RequestedBy    string
	Accountable    string
	CSRPEM         string `gorm:"column:csr_pem"`
	OwnCSR         bool   `gorm:"column:own_csr"` // CSRPEM came with the renewal, and becomes the certificate's
	Subject        string // RFC 8785 JSON
	Digest         string
	RunAt          time.Time
	StartedAt      *time.Time
	FinishedAt     *time.Time
	IssueBy        *time.Time // until then an issuer that fails is tried again
	SerialNumber   *string
	CreatedAt      time.Time
	UpdatedAt      time.Time

	Warnings []string `gorm:"-"` // about the request, for the answer to its caller
}

// TableName implements gorm's Tabler.
func (Job) TableName() string { return "jobs" }

// API returns the job as callers see it.
func (j Job) API() api.Job {
	return api.Job{
		ID: j.ID, Type: j.Type, CertificateID: j.CertificateID, ApprovalID: j.ApprovalID, Status: j.Status,
		Attempt: j.Attempt, Cause: j.Cause, ErrorMessage: j.ErrorMessage,
		RequestedBy: j.RequestedBy, Accountable: j.Accountable, RunAt: j.RunAt, StartedAt: j.StartedAt,
		FinishedAt: j.FinishedAt, SerialNumber: j.SerialNumber, CreatedAt: j.CreatedAt, UpdatedAt: j.UpdatedAt, Warnings: j.Warnings,
	}
}

var wellFormedID = regexp.MustCompile(`^job-[a-z0-9-]{1,64}$`)

// Get finds a job by its id, or returns a not_found problem.
func Get(tx *store.Tx, id string) (Job, error) {
	if !wellFormedID.MatchString(id) {
		return Job{}, api.NotFound("job", id)
	}
	var j Job
	found, err := tx.Find(&j, "SELECT * FROM jobs WHERE id = ?", id)
	if err != nil {
		return Job{}, fmt.Errorf("look up job %s: %w", id, err)
	}
	if !found {
		return Job{}, api.NotFound("job", id)
	}
	return j, nil
}

// Newest returns the newest job of each of the certificates, by the certificate's uid.
func Newest(tx *store.Tx, certificateUIDs []string) (map[string]Job, error) {
	var rows []Job
	err := tx.DB.Raw(`SELECT * FROM jobs WHERE id IN (
		SELECT (SELECT j.id FROM jobs j WHERE j.certificate_uid = c.uid ORDER BY j.created_at DESC, j.id DESC LIMIT 1)
		FROM certificates c WHERE c.uid IN ?)`, certificateUIDs).Scan(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("look up the newest jobs: %w", err)
	}
	newest := make(map[string]Job, len(rows))
	for _, j := range rows {
		newest[j.CertificateUID] = j
	}
	return newest, nil
}

// Filter chooses jobs. An empty field chooses all.
type Filter struct {
	CertificateUID string
	Status         api.JobStatus
	Type           api.JobType
}

// List returns a page of jobs.
func List(tx *store.Tx, f Filter, page store.Page) ([]Job, error) {
	chosen := tx.DB.Where(&Job{CertificateUID: f.CertificateUID, Status: f.Status, Type: f.Type})
	var rows []Job
	err := page.On(chosen, "created_at", "id").Find(&rows).Error
	return rows, err
}

// CountRetrying counts the jobs that are not finished and whose issuer failed at least once.
func CountRetrying(tx *store.Tx) (int64, error) {
	var n int64
	err := tx.DB.Raw("SELECT count(*) FROM jobs WHERE status IN ('Pending', 'Running') AND attempt > 0").Scan(&n).Error
	return n, err
}

// CountOpen counts the jobs that are not finished, by status.
func CountOpen(tx *store.Tx) (map[api.JobStatus]int64, error) {
	counts := map[api.JobStatus]int64{api.JobAwaitingApproval: 0, api.JobPending: 0, api.JobRunning: 0}
	for status := range counts {
		var n int64
		if err := tx.DB.Model(&Job{}).Where("status = ?", status).Count(&n).Error; err != nil {
			return nil, err
		}
		counts[status] = n
	}
	return counts, nil
}
