package provider

import (
	"github.com/hashicorp/terraform-plugin-framework-timetypes/timetypes"
)

// approvalModel has the attributes that every data source shows of an approval.
type approvalModel struct {
	ID                 string            `tfsdk:"id"`
	Kind               string            `tfsdk:"kind"`
	ProfileID          *string           `tfsdk:"profile_id"`
	ProfileName        string            `tfsdk:"profile_name"`
	CertificateID      *string           `tfsdk:"certificate_id"`
	CommonName         *string           `tfsdk:"common_name"`
	JobID              *string           `tfsdk:"job_id"`
	RequestedBy        string            `tfsdk:"requested_by"`
	Accountable        string            `tfsdk:"accountable"`
	Excluded           []string          `tfsdk:"excluded"`
	AlsoExcluded       []string          `tfsdk:"also_excluded"`
	StandsFor          []string          `tfsdk:"stands_for"`
	Undecidable        bool              `tfsdk:"undecidable"`
	Reason             string            `tfsdk:"reason"`
	CreatedAt          timetypes.RFC3339 `tfsdk:"created_at"`
	ExpiresAt          timetypes.RFC3339 `tfsdk:"expires_at"`
	Digest             string            `tfsdk:"digest"`
	SubjectJSON        string            `tfsdk:"subject_json"`
	Context            *contextModel     `tfsdk:"context"`
	Effects            *effectsModel     `tfsdk:"effects"`
	CSRIgnored         []ignoredModel    `tfsdk:"csr_ignored"`
	PreviousApprovalID *string           `tfsdk:"previous_approval_id"`
	Previous           *previousModel    `tfsdk:"previous"`
	Rejections         []rejectionModel  `tfsdk:"rejections"`
}

// fullApprovalModel is an approval with its outcome.
type fullApprovalModel struct {
	approvalModel
	State     string            `tfsdk:"state"`
	DecidedBy *string           `tfsdk:"decided_by"`
	DecidedAt timetypes.RFC3339 `tfsdk:"decided_at"`
	Note      string            `tfsdk:"note"`
	Cause     *string           `tfsdk:"cause"`
	ClosedBy  *string           `tfsdk:"closed_by"`
	ClosedAt  timetypes.RFC3339 `tfsdk:"closed_at"`
	UpdatedAt timetypes.RFC3339 `tfsdk:"updated_at"`
}

// contextModel helps to decide on an issuance. The digest does not cover it.
type contextModel struct {
	Request           string                 `tfsdk:"request"`
	Current           *currentLeafModel      `tfsdk:"current"`
	NamesAdded        []string               `tfsdk:"names_added"`
	NamesRemoved      []string               `tfsdk:"names_removed"`
	KeyChanged        bool                   `tfsdk:"key_changed"`
	OtherChanges      []changeModel          `tfsdk:"other_changes"`
	ChangedBy         []authoredChangeModel  `tfsdk:"changed_by"`
	OtherCertificates otherCertificatesModel `tfsdk:"other_certificates"`
}

// currentLeafModel is the leaf that a request would replace.
type currentLeafModel struct {
	SerialNumber string            `tfsdk:"serial_number"`
	NotAfter     timetypes.RFC3339 `tfsdk:"not_after"`
	SANs         []string          `tfsdk:"sans"`
	Key          keyModel          `tfsdk:"key"`
	Approved     bool              `tfsdk:"approved"`
}

// keyModel describes a public key.
type keyModel struct {
	Algorithm  string `tfsdk:"algorithm"`
	Size       int    `tfsdk:"size"`
	SPKISHA256 string `tfsdk:"spki_sha256"`
}

// changeModel is a difference of the subject. Its values are JSON, because their type depends on the field.
type changeModel struct {
	Pointer    string  `tfsdk:"pointer"`
	BeforeJSON *string `tfsdk:"before_json"`
	AfterJSON  *string `tfsdk:"after_json"`
}

// authoredChangeModel is one version that changed signed fields.
type authoredChangeModel struct {
	By          string            `tfsdk:"by"`
	Accountable string            `tfsdk:"accountable"`
	At          timetypes.RFC3339 `tfsdk:"at"`
	Fields      []string          `tfsdk:"fields"`
	SeenBy      *string           `tfsdk:"seen_by"`
}

// otherCertificatesModel are certificates with the same names or the same key.
type otherCertificatesModel struct {
	Count int64    `tfsdk:"count"`
	IDs   []string `tfsdk:"ids"`
}

// effectsModel is what an edit of a profile would do to jobs and certificates.
type effectsModel struct {
	JobsCancelled   int `tfsdk:"jobs_cancelled"`
	RenewalsBlocked int `tfsdk:"renewals_blocked"`
}

// previousModel is what became of an earlier request for the same object.
type previousModel struct {
	State     string            `tfsdk:"state"`
	DecidedBy *string           `tfsdk:"decided_by"`
	DecidedAt timetypes.RFC3339 `tfsdk:"decided_at"`
	Note      string            `tfsdk:"note"`
}

// rejectionModel is a rejected request for one of the names.
type rejectionModel struct {
	ApprovalID    string            `tfsdk:"approval_id"`
	CertificateID string            `tfsdk:"certificate_id"`
	DecidedBy     string            `tfsdk:"decided_by"`
	DecidedAt     timetypes.RFC3339 `tfsdk:"decided_at"`
	Note          string            `tfsdk:"note"`
}
