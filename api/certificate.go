package api

import (
	"encoding/json"
	"time"
)

// CertificateSpec is what a caller writes of a certificate.
type CertificateSpec struct {
	CommonName         string            `json:"common_name" required:"false" doc:"empty, or one of the sans" maxLength:"64"`
	SANs               []string          `json:"sans" doc:"DNS names, IP addresses, URIs and e-mail addresses"`
	ProfileID          string            `json:"profile_id" doc:"immutable"`
	CSRPEM             string            `json:"csr_pem" doc:"exactly one CERTIFICATE REQUEST block; it gives the public key"`
	AutoRenew          bool              `json:"auto_renew" required:"false" doc:"true unless given"`
	RenewBeforeSeconds *int64            `json:"renew_before_seconds" required:"false" doc:"null: a third of the lifetime"`
	Labels             map[string]string `json:"labels" required:"false"`
}

// DefaultCertificateSpec is what a certificate has in the fields that its writer leaves out.
func DefaultCertificateSpec() CertificateSpec {
	return CertificateSpec{SANs: []string{}, AutoRenew: true, Labels: map[string]string{}}
}

// CreateCertificate is the body of POST /certificates.
type CreateCertificate struct {
	ID string `json:"id,omitempty" minLength:"1" doc:"mc- and a name of your choice; the server makes one unless given"`
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
	CertificateExpired          CertificateStatus = "expired"
	CertificateFailed           CertificateStatus = "failed"
	CertificateCancelled        CertificateStatus = "cancelled"
)

// Certificate is a certificate as it is stored, with its current leaf and its newest job.
type Certificate struct {
	ID string `json:"id"`
	CertificateSpec
	RenewAt       *time.Time        `json:"renew_at" doc:"when the current leaf is due; null without one"`
	Version       int64             `json:"version" doc:"counts changes of the written fields; also the ETag"`
	Status        CertificateStatus `json:"status" enum:"unissued,awaiting_approval,issuing,issued,rejected,expired,failed,cancelled"`
	Current       *Leaf             `json:"current" doc:"the newest leaf; null without one"`
	UpToDate      bool              `json:"up_to_date" doc:"the current leaf is what would be signed now, and has not expired; false without one"`
	Job           *JobSummary       `json:"job" doc:"the newest job, open or not; null without one"`
	ApprovalID    *string           `json:"approval_id" doc:"of the newest job"`
	ApprovalState *ApprovalState    `json:"approval_state" doc:"of the newest job"`
	OpenJobID     *string           `json:"open_job_id"`
	CreatedAt     time.Time         `json:"created_at"`
	UpdatedAt     time.Time         `json:"updated_at"`
}

// Leaf is a certificate that was signed.
type Leaf struct {
	SerialNumber      string    `json:"serial_number" doc:"lower-case hexadecimal"`
	NotBefore         time.Time `json:"not_before"`
	NotAfter          time.Time `json:"not_after"`
	FingerprintSHA256 string    `json:"fingerprint_sha256" doc:"of the DER, lower-case hexadecimal"`
	SPKISHA256        string    `json:"spki_sha256" doc:"of the public key, lower-case hexadecimal"`
	SANs              []string  `json:"sans"`
	IssuerID          string    `json:"issuer_id"`
	CertificatePEM    string    `json:"certificate_pem"`
	ChainPEM          string    `json:"chain_pem" doc:"the issuers, without the leaf"`
}

// Renew is the optional body of POST /certificates/{id}/renew.
type Renew struct {
	CSRPEM string `json:"csr_pem,omitempty" minLength:"1" doc:"a new public key; it becomes the certificate's once issued"`
	Reason string `json:"reason,omitempty" maxLength:"500"`
	Digest string `json:"digest,omitempty" minLength:"1" doc:"refused unless it is the digest of what would be signed"`
	// Who may not decide, and for whom a human stands. See RenewalPreview.
	AlsoExcluded []string `json:"also_excluded,omitempty" doc:"handles of more people who may not decide"`
	StandsFor    []string `json:"stands_for,omitempty" doc:"handles of authors whose changes the asker takes over, so that they may decide; a human's only, with the digest"`
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
	Subject  json.RawMessage  `json:"subject" doc:"what would be signed; null if that cannot be said"`
	Digest   string           `json:"digest"`
	Excluded []string         `json:"excluded" doc:"the people who could not decide"`
	Context  *IssuanceContext `json:"context"`
	Problem  *Problem         `json:"problem" doc:"why it is refused; null unless it is"`
}
