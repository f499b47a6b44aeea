package api

import (
	"encoding/json"
	"time"
)

// ApprovalKind is what an approval is about.
type ApprovalKind string

// The kinds of approval.
const (
	ApprovalIssuance    ApprovalKind = "issuance"
	ApprovalProfileEdit ApprovalKind = "profile_edit"
)

// ApprovalKinds lists every kind of approval.
func ApprovalKinds() []ApprovalKind { return []ApprovalKind{ApprovalIssuance, ApprovalProfileEdit} }

// ApprovalState is where an approval stands. All but pending are final.
type ApprovalState string

// The states of an approval.
const (
	ApprovalPending   ApprovalState = "pending"
	ApprovalApproved  ApprovalState = "approved"
	ApprovalRejected  ApprovalState = "rejected"
	ApprovalExpired   ApprovalState = "expired"
	ApprovalCancelled ApprovalState = "cancelled"
)

// ApprovalOrder is the order of a list of approvals.
type ApprovalOrder string

// The orders.
const (
	ApprovalsOldestFirst   ApprovalOrder = "oldest"
	ApprovalsNewestFirst   ApprovalOrder = "newest"
	ApprovalsSoonestExpiry ApprovalOrder = "expires_at"
)

// Approval is a request that waits for a second person, or what became of it.
type Approval struct {
	ID                 string           `json:"id"`
	Kind               ApprovalKind     `json:"kind"`
	State              ApprovalState    `json:"state" enum:"pending,approved,rejected,expired,cancelled"`
	ProfileID          *string          `json:"profile_id" doc:"null for a kind of approval that has no profile"`
	ProfileName        string           `json:"profile_name"`
	CertificateID      *string          `json:"certificate_id" doc:"null for a profile edit"`
	JobID              *string          `json:"job_id" doc:"null for a profile edit"`
	RequestedBy        string           `json:"requested_by" doc:"the principal that asked"`
	Accountable        string           `json:"accountable" doc:"the person behind it"`
	Excluded           []string         `json:"excluded" doc:"the people who may not decide"`
	Reason             string           `json:"reason"`
	AlsoExcluded       []string         `json:"also_excluded" doc:"the people that the requester excluded as well"`
	StandsFor          []string         `json:"stands_for" doc:"the authors whose changes the requester took over"`
	PreviousApprovalID *string          `json:"previous_approval_id"`
	Previous           *PreviousRequest `json:"previous" doc:"the newest rejected request since a human approved last, else the newest one that ended"`
	Rejections         []Rejection      `json:"rejections" doc:"since a human approved last, of requests for any of these names; newest first, at most 20"`
	Subject            json.RawMessage  `json:"subject" doc:"everything the decision covers"`
	Digest             string           `json:"digest" doc:"sha256: and the SHA-256 of the subject as RFC 8785 JSON"`
	Context            *IssuanceContext `json:"context" doc:"what differs from what a human approved last; null for a profile edit"`
	CSRIgnored         []Ignored        `json:"csr_ignored"`
	ExpiresAt          time.Time        `json:"expires_at"`
	DecidedBy          *string          `json:"decided_by" doc:"null while it is pending, and of a cancelled one"`
	DecidedAt          *time.Time       `json:"decided_at"`
	Note               string           `json:"note"`
	Cause              *Cause           `json:"cause" doc:"why it ended without a decision; null otherwise"`
	ClosedBy           *string          `json:"closed_by" doc:"the principal whose call cancelled it; null otherwise"`
	ClosedAt           *time.Time       `json:"closed_at"`
	CreatedAt          time.Time        `json:"created_at"`
	UpdatedAt          time.Time        `json:"updated_at"`
}

// IssuanceSubject is the subject of an approval of kind issuance: all that gets signed.
// Sets are sorted by bytes.
type IssuanceSubject struct {
	CertificateID           string `json:"certificate_id"`
	ProfileID               string `json:"profile_id"`
	IssuerFingerprintSHA256 string `json:"issuer_fingerprint_sha256"`
	CertificateContent
	ProfileContent
}

// CertificateContent is what a certificate gives to the subject. Every field of it has authors.
type CertificateContent struct {
	CommonName string   `json:"common_name"`
	SANs       []string `json:"sans"`
	Key        Key      `json:"key"`
}

// ProfileContent is what a profile gives to the subject. Every field of it has authors.
type ProfileContent struct {
	IssuerID          string   `json:"issuer_id"`
	ValiditySeconds   int64    `json:"validity_seconds"`
	ExtendedKeyUsages []string `json:"extended_key_usages"`
}

// Key describes a public key.
type Key struct {
	Algorithm  string `json:"algorithm"`
	Size       int    `json:"size" doc:"bits"`
	SPKISHA256 string `json:"spki_sha256" doc:"of the SubjectPublicKeyInfo, lower-case hexadecimal"`
}

// Decision is the optional body of approve and reject.
type Decision struct {
	Note   string `json:"note,omitempty" maxLength:"2000"`
	Digest string `json:"digest,omitempty" minLength:"1" doc:"refused unless it is the approval's; protects against deciding on something else"`
}

// Withdrawal is the optional body of withdraw.
type Withdrawal struct {
	Note string `json:"note,omitempty" maxLength:"2000"`
}

// ApprovalSummary counts approvals and lists the oldest of them, from one snapshot of the database.
type ApprovalSummary struct {
	EvaluatedAt       time.Time              `json:"evaluated_at"`
	TotalCount        int64                  `json:"total_count"`
	OldestRequestedAt *time.Time             `json:"oldest_requested_at"`
	CountByKind       map[ApprovalKind]int64 `json:"count_by_kind" doc:"every kind, 0 included"`
	CountByProfile    map[string]int64       `json:"count_by_profile"`
	ApprovalBypass    bool                   `json:"approval_bypass"`
	ServerVersion     string                 `json:"server_version"`
	Approvals         []Approval             `json:"approvals"`
}
