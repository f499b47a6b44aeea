package provider

import (
	"bytes"
	"encoding/json"

	"github.com/hashicorp/terraform-plugin-framework-timetypes/timetypes"

	"github.com/certctl/terraform-provider-certctl/api"
)

// approvalModel is what every data source tells of an approval.
type approvalModel struct {
	ID            string            `tfsdk:"id"`
	Kind          string            `tfsdk:"kind"`
	ProfileID     string            `tfsdk:"profile_id"`
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

// wholeApprovalModel is an approval and what became of it.
type wholeApprovalModel struct {
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

func newApprovalModel(a api.Approval) (approvalModel, error) {
	m := approvalModel{
		ID:            a.ID,
		Kind:          string(a.Kind),
		ProfileID:     a.ProfileID,
		ProfileName:   a.ProfileName,
		CertificateID: a.CertificateID,
		RequestedBy:   a.RequestedBy,
		Accountable:   a.Accountable,
		CreatedAt:     timestamp(a.CreatedAt),
		ExpiresAt:     timestamp(a.ExpiresAt),
		Digest:        a.Digest,
	}
	var subject bytes.Buffer
	if err := json.Compact(&subject, a.Subject); err != nil {
		return m, err
	}
	m.SubjectJSON = subject.String()
	if a.Kind != api.ApprovalIssuance {
		return m, nil
	}
	var names api.IssuanceSubject
	err := json.Unmarshal(a.Subject, &names)
	m.CommonName = &names.CommonName
	return m, err
}

func newWholeApprovalModel(a api.Approval) (wholeApprovalModel, error) {
	shared, err := newApprovalModel(a)
	m := wholeApprovalModel{
		approvalModel:      shared,
		State:              string(a.State),
		JobID:              a.JobID,
		Excluded:           a.Excluded,
		Reason:             a.Reason,
		PreviousApprovalID: a.PreviousApprovalID,
		DecidedBy:          a.DecidedBy,
		DecidedAt:          timetypes.NewRFC3339Null(),
		Note:               a.Note,
		Cause:              (*string)(a.Cause),
		ClosedBy:           a.ClosedBy,
		ClosedAt:           timetypes.NewRFC3339Null(),
		AlsoExcluded:       a.AlsoExcluded,
		StandsFor:          a.StandsFor,
		UpdatedAt:          timestamp(a.UpdatedAt),
	}
	if a.DecidedAt != nil {
		m.DecidedAt = timestamp(*a.DecidedAt)
	}
	if a.ClosedAt != nil {
		m.ClosedAt = timestamp(*a.ClosedAt)
	}
	if a.Context == nil || err != nil {
		return m, err
	}
	text, err := json.Marshal(a.Context)
	m.ContextJSON = new(string(text))
	return m, err
}
