package provider

import (
	"github.com/hashicorp/terraform-plugin-framework-timetypes/timetypes"
)

// approvalModel has the attributes that every data source shows of an approval.
type approvalModel struct {
	ID            string            `tfsdk:"id"`
	Kind          string            `tfsdk:"kind"`
	ProfileID     *string           `tfsdk:"profile_id"`
	ProfileName   string            `tfsdk:"profile_name"`
	CertificateID *string           `tfsdk:"certificate_id"`
	CommonName    *string           `tfsdk:"common_name"`
	RequestedBy   string            `tfsdk:"requested_by"`
	Accountable   string            `tfsdk:"accountable"`
	CreatedAt     timetypes.RFC3339 `tfsdk:"created_at"`
	ExpiresAt     timetypes.RFC3339 `tfsdk:"expires_at"`
	Digest        string            `tfsdk:"digest"`
	SubjectJSON   string            `tfsdk:"subject_json"`
}

// fullApprovalModel is an approval with its outcome.
type fullApprovalModel struct {
	approvalModel
	State              string            `tfsdk:"state"`
	JobID              *string           `tfsdk:"job_id"`
	Excluded           []string          `tfsdk:"excluded"`
	Reason             string            `tfsdk:"reason"`
	PreviousApprovalID *string           `tfsdk:"previous_approval_id"`
	DecidedBy          *string           `tfsdk:"decided_by"`
	DecidedAt          timetypes.RFC3339 `tfsdk:"decided_at"`
	Note               string            `tfsdk:"note"`
	Cause              *string           `tfsdk:"cause"`
	ClosedBy           *string           `tfsdk:"closed_by"`
	ClosedAt           timetypes.RFC3339 `tfsdk:"closed_at"`
	AlsoExcluded       []string          `tfsdk:"also_excluded"`
	StandsFor          []string          `tfsdk:"stands_for"`
	ContextJSON        *string           `tfsdk:"context_json"`
	UpdatedAt          timetypes.RFC3339 `tfsdk:"updated_at"`
}
