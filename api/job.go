package api

import "time"

// JobStatus is where a job stands. Completed, Failed and Cancelled are final.
type JobStatus string

// The states of a job.
const (
	JobAwaitingApproval JobStatus = "AwaitingApproval"
	JobPending          JobStatus = "Pending"
	JobRunning          JobStatus = "Running"
	JobCompleted        JobStatus = "Completed"
	JobFailed           JobStatus = "Failed"
	JobCancelled        JobStatus = "Cancelled"
)

// JobType tells the first certificate from its renewals.
type JobType string

// The types of job.
const (
	JobIssuance JobType = "Issuance"
	JobRenewal  JobType = "Renewal"
)

// Job is one attempt to get one certificate signed.
type Job struct {
	ID            string     `json:"id"`
	Type          JobType    `json:"type" enum:"Issuance,Renewal"`
	CertificateID string     `json:"certificate_id"`
	ApprovalID    *string    `json:"approval_id" doc:"Id of the approval that the job needs; null for a job that needs none."`
	Status        JobStatus  `json:"status" enum:"AwaitingApproval,Pending,Running,Completed,Failed,Cancelled"`
	Attempt       int        `json:"attempt" doc:"Number of errors of the issuer so far."`
	Cause         *Cause     `json:"cause"`
	ErrorMessage  string     `json:"error_message"`
	RequestedBy   string     `json:"requested_by"`
	Accountable   string     `json:"accountable"`
	RunAt         time.Time  `json:"run_at" doc:"A worker runs the job at this time or later."`
	StartedAt     *time.Time `json:"started_at" doc:"When a worker first ran the job; null before."`
	FinishedAt    *time.Time `json:"finished_at" doc:"When the job became final; null before."`
	SerialNumber  *string    `json:"serial_number"`
	CreatedAt     time.Time  `json:"created_at"`
	UpdatedAt     time.Time  `json:"updated_at"`
	Warnings      []string   `json:"warnings,omitempty" doc:"Warnings about the renewal, for people to read; only in the answer to a renewal that has some."`
}

// JobSummary is what a certificate shows of its newest job.
type JobSummary struct {
	ID           string    `json:"id"`
	Status       JobStatus `json:"status"`
	Type         JobType   `json:"type"`
	Cause        *Cause    `json:"cause"`
	ErrorMessage string    `json:"error_message"`
}
