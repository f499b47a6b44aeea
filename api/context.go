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
	Current           *CurrentLeaf      `json:"current" doc:"null before the first certificate"`
	NamesAdded        []string          `json:"names_added"`
	NamesRemoved      []string          `json:"names_removed"`
	KeyChanged        bool              `json:"key_changed"`
	OtherChanges      []Change          `json:"other_changes" doc:"pointers into the subject"`
	ChangedBy         []AuthoredChange  `json:"changed_by" doc:"who wrote what differs, oldest first"`
	OtherCertificates OtherCertificates `json:"other_certificates"`
}

// CurrentLeaf is the leaf that the request would replace.
type CurrentLeaf struct {
	SerialNumber string    `json:"serial_number"`
	NotAfter     time.Time `json:"not_after"`
	SANs         []string  `json:"sans"`
	Key          Key       `json:"key"`
	Approved     bool      `json:"approved" doc:"a human approved it"`
}

// AuthoredChange is one version that changed signed fields.
type AuthoredChange struct {
	By          string    `json:"by" doc:"the principal"`
	Accountable string    `json:"accountable"`
	At          time.Time `json:"at"`
	Fields      []string  `json:"fields" doc:"of the subject"`
	SeenBy      *string   `json:"seen_by" doc:"the human who approved it; null if nobody did"`
}

// OtherCertificates are live certificates with one of the names, a name that a wildcard covers, or the same key.
type OtherCertificates struct {
	Count int64    `json:"count"`
	IDs   []string `json:"ids" doc:"at most ten, those under gated profiles first"`
}

// PreviousRequest is what became of an earlier request for the same object.
type PreviousRequest struct {
	State     ApprovalState `json:"state"`
	DecidedBy *string       `json:"decided_by"`
	DecidedAt *time.Time    `json:"decided_at"`
	Note      string        `json:"note"`
}

// Rejection is a rejected request for one of the names.
type Rejection struct {
	ApprovalID    string    `json:"approval_id"`
	CertificateID string    `json:"certificate_id"`
	DecidedBy     string    `json:"decided_by"`
	DecidedAt     time.Time `json:"decided_at"`
	Note          string    `json:"note"`
}

// Ignored is a part of a certificate request that will not be signed.
type Ignored struct {
	What  string `json:"what"`
	Value string `json:"value"`
}
