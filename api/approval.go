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
	ProfileID          *string          `json:"profile_id"`
	ProfileName        string           `json:"profile_name"`
	CertificateID      *string          `json:"certificate_id" doc:"Id of the certificate; null for a profile edit."`
	JobID              *string          `json:"job_id" doc:"Id of the job that waits for the decision; null for a profile edit."`
	RequestedBy        string           `json:"requested_by"`
	Accountable        string           `json:"accountable"`
	Excluded           []string         `json:"excluded" doc:"People who may not decide."`
	Reason             string           `json:"reason"`
	AlsoExcluded       []string         `json:"also_excluded" doc:"People that the requester excluded as well."`
	StandsFor          []string         `json:"stands_for" doc:"Authors whose changes the requester took over. They may decide."`
	PreviousApprovalID *string          `json:"previous_approval_id"`
	Previous           *PreviousRequest `json:"previous"`
	Rejections         []Rejection      `json:"rejections"`
	Subject            json.RawMessage  `json:"subject"`
	Digest             string           `json:"digest"`
	Context            *IssuanceContext `json:"context"`
	Effects            *EditEffects     `json:"effects" doc:"What a profile edit would do to jobs and certificates, counted when it was requested; null for an issuance."`
	CSRIgnored         []Ignored        `json:"csr_ignored" doc:"Parts of the CSR that will not be signed."`
	ExpiresAt          time.Time        `json:"expires_at" doc:"Deadline: a pending request expires at this time."`
	DecidedBy          *string          `json:"decided_by" doc:"Principal that decided; null for a pending or cancelled request."`
	DecidedAt          *time.Time       `json:"decided_at"`
	Note               string           `json:"note"`
	Cause              *Cause           `json:"cause"`
	ClosedBy           *string          `json:"closed_by" doc:"Principal whose call cancelled the request; null for every other state."`
	ClosedAt           *time.Time       `json:"closed_at" doc:"When the request was cancelled; null for every other state."`
	CreatedAt          time.Time        `json:"created_at"`
	UpdatedAt          time.Time        `json:"updated_at"`
	Undecidable        bool             `json:"undecidable" doc:"Whether the request waits and nobody can decide it."`
}

// Eligibility is who may decide an approval.
type Eligibility struct {
	May    []string     `json:"may" doc:"Handles of the people who may decide now."`
	MayNot []Ineligible `json:"may_not" doc:"The other enabled people, and those whom the request excludes."`
	Me     OwnDecision  `json:"me" doc:"Whether the caller may decide now, and why not."`
}

// Ineligible is somebody who may not decide, and why.
type Ineligible struct {
	Principal string `json:"principal"`
	Why       string `json:"why" doc:"Why this person may not decide, for people to read."`
}

// OwnDecision is whether the caller may decide, and if not, why.
type OwnDecision struct {
	May bool   `json:"may" doc:"Whether the caller may decide now."`
	Why string `json:"why"`
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

// ProfileContent is what a profile gives to the subject. Every field of it has authors. A field that an earlier version of
// the program did not have is left out at its default, so a request made before keeps its digest.
type ProfileContent struct {
	IssuerID          string            `json:"issuer_id"`
	ValiditySeconds   int64             `json:"validity_seconds"`
	ExtendedKeyUsages []string          `json:"extended_key_usages"`
	KeyUsages         []string          `json:"key_usages,omitempty"`
	SubjectAttributes SubjectAttributes `json:"subject_attributes,omitzero"`
}

// Key describes a public key.
type Key struct {
	Algorithm  string `json:"algorithm" doc:"Algorithm of the public key."`
	Size       int    `json:"size" doc:"Size of the key in bits."`
	SPKISHA256 string `json:"spki_sha256"`
}

// Decision is the optional body of approve and reject.
type Decision struct {
	Note   string `json:"note,omitempty" maxLength:"2000" doc:"Remark of the decider, kept on the approval."`
	Digest string `json:"digest,omitempty" minLength:"1"`
}

// Withdrawal is the optional body of withdraw.
type Withdrawal struct {
	Note string `json:"note,omitempty" maxLength:"2000" doc:"Remark of the caller, kept on the approval."`
}

// ApprovalSummary counts approvals and lists the oldest of them, from one snapshot of the database.
type ApprovalSummary struct {
	EvaluatedAt       time.Time              `json:"evaluated_at" doc:"When the snapshot was taken."`
	TotalCount        int64                  `json:"total_count" doc:"Number of approvals that match."`
	OldestRequestedAt *time.Time             `json:"oldest_requested_at"`
	CountByKind       map[ApprovalKind]int64 `json:"count_by_kind" doc:"Number of approvals of each kind, 0 included."`
	CountByProfile    map[string]int64       `json:"count_by_profile" doc:"Number of approvals by the id of their profile."`
	ApprovalBypass    bool                   `json:"approval_bypass"`
	ServerVersion     string                 `json:"server_version"`
	Approvals         []Approval             `json:"approvals" doc:"The oldest of the approvals, as many as the limit allows."`
}
