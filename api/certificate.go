package api

import (
	"encoding/json"
	"time"
)

// CertificateSpec is what a caller writes of a certificate.
type CertificateSpec struct {
	CommonName         string            `json:"common_name" required:"false" maxLength:"64"`
	SANs               []string          `json:"sans"`
	ProfileID          string            `json:"profile_id"`
	CSRPEM             string            `json:"csr_pem"`
	AutoRenew          bool              `json:"auto_renew" required:"false"`
	RenewBeforeSeconds *int64            `json:"renew_before_seconds" required:"false"`
	Labels             map[string]string `json:"labels" required:"false"`
}

// DefaultCertificateSpec is what a certificate has in the fields that its writer leaves out.
func DefaultCertificateSpec() CertificateSpec {
	return CertificateSpec{SANs: []string{}, AutoRenew: true, Labels: map[string]string{}}
}

// CreateCertificate is the body of POST /certificates.
type CreateCertificate struct {
	ID string `json:"id,omitempty" minLength:"1"`
	CertificateSpec
}

// CertificateStatus sums up a certificate and its newest request.
type CertificateStatus string

// The states of a certificate.
const (
	CertificateUnissued         CertificateStatus = "unissued"
	CertificateAwaitingApproval CertificateStatus = "awaiting_approval"
	CertificateIssuing          CertificateStatus = "issuing"
	CertificateIssued           CertificateStatus = "issued"
	CertificateRejected         CertificateStatus = "rejected"
	CertificateExpired          CertificateStatus = "expired"         // the leaf
	CertificateRequestExpired   CertificateStatus = "request_expired" // the newest request; there is no leaf
	CertificateFailed           CertificateStatus = "failed"
	CertificateCancelled        CertificateStatus = "cancelled"
)

// Certificate is a certificate as it is stored, with its current leaf and its newest job.
type Certificate struct {
	ID string `json:"id"`
	CertificateSpec
	RenewAt       *time.Time        `json:"renew_at" doc:"When the current leaf is due for renewal; null without a leaf."`
	Version       int64             `json:"version"`
	Status        CertificateStatus `json:"status" enum:"unissued,awaiting_approval,issuing,issued,expired,rejected,request_expired,failed,cancelled"`
	Current       *Leaf             `json:"current" doc:"The newest leaf; null without one."`
	UpToDate      bool              `json:"up_to_date"`
	Job           *JobSummary       `json:"job" doc:"The newest job, open or not; null without one."`
	ApprovalID    *string           `json:"approval_id" doc:"Id of the approval of the newest job; null without one."`
	ApprovalState *ApprovalState    `json:"approval_state" doc:"State of the approval of the newest job; null without one."`
	CSRIgnored    []Ignored         `json:"csr_ignored" doc:"Parts of the CSR that will not be signed."`
	Renewal       Renewal           `json:"renewal" doc:"The next renewal by the scheduler, and what is in its way."`
	OpenJobID     *string           `json:"open_job_id" doc:"Id of the job that is not final; null without one."`
	CreatedAt     time.Time         `json:"created_at"`
	UpdatedAt     time.Time         `json:"updated_at"`
}

// RenewalBlock is why the scheduler cannot renew a certificate.
type RenewalBlock string

// The reasons.
const (
	BlockedByPerson   RenewalBlock = "person_disabled"   // the accountable person is disabled
	BlockedByProfile  RenewalBlock = "profile_disabled"  // nothing is signed under the profile
	BlockedByRules    RenewalBlock = "rules"             // the profile does not allow the certificate any more
	BlockedByApproval RenewalBlock = "approval_required" // the profile is not gated, and the ungated names do not list it
	BlockedByIssuer   RenewalBlock = "issuer"            // the CA cannot sign it, for example since it ends too soon
	BlockedByNobody   RenewalBlock = "undecidable"       // nobody could decide the request
)

// Renewal is when the scheduler requests the next renewal, and what is in its way.
type Renewal struct {
	DueAt     *time.Time    `json:"due_at" doc:"When the scheduler requests the renewal; null without a leaf, and without auto_renew."`
	BlockedBy *RenewalBlock `json:"blocked_by" enum:"person_disabled,profile_disabled,rules,approval_required,issuer,undecidable"`
	Since     *time.Time    `json:"since" doc:"Since when the renewal is blocked for this reason; null if it is not."`
	Detail    string        `json:"detail" doc:"What is in the way and what to do, for people to read; empty if nothing is."`
}

// Leaf is a certificate that was signed.
type Leaf struct {
	SerialNumber      string    `json:"serial_number"`
	NotBefore         time.Time `json:"not_before" doc:"Start of the validity."`
	NotAfter          time.Time `json:"not_after"`
	FingerprintSHA256 string    `json:"fingerprint_sha256" doc:"SHA-256 of the certificate in DER, in lower-case hexadecimal."`
	SPKISHA256        string    `json:"spki_sha256"`
	SANs              []string  `json:"sans"`
	IssuerID          string    `json:"issuer_id"`
	CertificatePEM    string    `json:"certificate_pem" doc:"The leaf in PEM."`
	ChainPEM          string    `json:"chain_pem" doc:"The issuers in PEM, without the leaf."`
}

// Renew is the optional body of POST /certificates/{id}/renew.
type Renew struct {
	CSRPEM string `json:"csr_pem,omitempty" minLength:"1"`
	Reason string `json:"reason,omitempty" maxLength:"500" doc:"Why the certificate is requested. It is kept on the approval."`
	Digest string `json:"digest,omitempty" minLength:"1"`
	// AlsoExcluded may not decide. A human stands for StandsFor. See RenewalPreview.
	AlsoExcluded []string `json:"also_excluded,omitempty" doc:"Handles of more people who may not decide."`
	StandsFor    []string `json:"stands_for,omitempty"`
}

// RenewalOutcome is what a renewal would do.
type RenewalOutcome string

// The outcomes.
const (
	RenewalSigns   RenewalOutcome = "signs"   // at once
	RenewalWaits   RenewalOutcome = "waits"   // for a second person
	RenewalRefused RenewalOutcome = "refused" // see the problem
)

// RenewalPreview is what POST /certificates/{id}/renew would do for the caller.
type RenewalPreview struct {
	Outcome  RenewalOutcome   `json:"outcome" enum:"signs,waits,refused"`
	Subject  json.RawMessage  `json:"subject" doc:"Subject that would be signed; null if it cannot be determined."`
	Digest   string           `json:"digest" doc:"Digest of the subject; empty without one."`
	Excluded []string         `json:"excluded" doc:"People who could not decide."`
	Context  *IssuanceContext `json:"context"`
	Warnings []string         `json:"warnings" doc:"Warnings about the renewal, for people to read."`
	Problem  *Problem         `json:"problem"`
}
