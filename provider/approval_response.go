package provider

import (
	"bytes"
	"encoding/json"

	"github.com/hashicorp/terraform-plugin-framework-timetypes/timetypes"

	"github.com/certctl/terraform-provider-certctl/api"
)

func newApprovalModel(a api.Approval) (approvalModel, error) {
	m := approvalModel{
		ID:            a.ID,
		Kind:          string(a.Kind),
		ProfileID:     a.ProfileID,
		ProfileName:   a.ProfileName,
		CertificateID: a.CertificateID,
		RequestedBy:   a.RequestedBy,
		Accountable:   a.Accountable,
		CreatedAt:     newTimestamp(a.CreatedAt),
		ExpiresAt:     newTimestamp(a.ExpiresAt),
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

func newFullApprovalModel(a api.Approval) (fullApprovalModel, error) {
	shared, err := newApprovalModel(a)
	m := fullApprovalModel{
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
		UpdatedAt:          newTimestamp(a.UpdatedAt),
	}
	if a.DecidedAt != nil {
		m.DecidedAt = newTimestamp(*a.DecidedAt)
	}
	if a.ClosedAt != nil {
		m.ClosedAt = newTimestamp(*a.ClosedAt)
	}
	if a.Context == nil || err != nil {
		return m, err
	}
	text, err := json.Marshal(a.Context)
	m.ContextJSON = new(string(text))
	return m, err
}
