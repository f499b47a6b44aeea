package api

import "time"

// RequestKind tells what an issuance is, compared with the leaf that a human approved last.
type RequestKind string

// The kinds of request.
const (
	RequestFirst   RequestKind = "first"   // there is no leaf yet
	RequestRenewal RequestKind = "renewal" // the subject equals the approved one, but for the key
	RequestReissue RequestKind = "reissue" // anything else
)

// IssuanceContext helps to decide on an issuance. It is fixed when the request is made and no part of the digest. It
// compares with the baseline: the newest leaf that a human approved. Without one, all of the subject is new.
type IssuanceContext struct {
	Request           RequestKind       `json:"request" enum:"first,renewal,reissue"`
	Current           *CurrentLeaf      `json:"current" doc:"The leaf that the request would replace; null before the first."`
	NamesAdded        []string          `json:"names_added" doc:"Names that the approved leaf does not have."`
	NamesRemoved      []string          `json:"names_removed" doc:"Names that only the approved leaf has."`
	KeyChanged        bool              `json:"key_changed" doc:"Whether the public key differs from that of the approved leaf."`
	OtherChanges      []Change          `json:"other_changes" doc:"Other differences. Each pointer leads into the subject."`
	ChangedBy         []AuthoredChange  `json:"changed_by" doc:"Authors of the differences, oldest first."`
	OtherCertificates OtherCertificates `json:"other_certificates"`
}

// CurrentLeaf is the leaf that the request would replace.
type CurrentLeaf struct {
	SerialNumber string    `json:"serial_number"`
	NotAfter     time.Time `json:"not_after"`
	SANs         []string  `json:"sans"`
	Key          Key       `json:"key" doc:"Public key of the leaf."`
	Approved     bool      `json:"approved" doc:"Whether a human approved the leaf."`
}

// AuthoredChange is one version that changed signed fields.
type AuthoredChange struct {
	By          string    `json:"by" doc:"Principal that made the change."`
	Accountable string    `json:"accountable" doc:"Person who is accountable for the change."`
	At          time.Time `json:"at" doc:"When the change was made."`
	Fields      []string  `json:"fields" doc:"Fields of the subject that the change wrote."`
	SeenBy      *string   `json:"seen_by" doc:"Human who approved the change; null without one."`
}

// OtherCertificates are live certificates with one of the names, a name that a wildcard covers, or the same key.
type OtherCertificates struct {
	Count int64    `json:"count" doc:"Number of these certificates."`
	IDs   []string `json:"ids" doc:"Ids of at most ten of these certificates, those under gated profiles first."`
}

// PreviousRequest is what became of an earlier request for the same object.
type PreviousRequest struct {
	State     ApprovalState `json:"state"`
	DecidedBy *string       `json:"decided_by" doc:"Principal that decided the earlier request; null if it was cancelled."`
	DecidedAt *time.Time    `json:"decided_at" doc:"When the earlier request was decided; null if it was cancelled."`
	Note      string        `json:"note"`
}

// Rejection is a rejected request for one of the names.
type Rejection struct {
	ApprovalID    string    `json:"approval_id"`
	CertificateID string    `json:"certificate_id"`
	DecidedBy     string    `json:"decided_by" doc:"Approver who rejected the request."`
	DecidedAt     time.Time `json:"decided_at" doc:"When the request was rejected."`
	Note          string    `json:"note"`
}

// Ignored is a part of a certificate request that will not be signed.
type Ignored struct {
	What  string `json:"what" doc:"Part of the CSR."`
	Value string `json:"value" doc:"Content of that part."`
}
