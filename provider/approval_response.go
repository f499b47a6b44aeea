package provider

import (
	"bytes"
	"encoding/json"

	"github.com/certctl/terraform-provider-certctl/api"
)

func newApprovalModel(a api.Approval) (approvalModel, error) {
	m := approvalModel{
		ID:                 a.ID,
		Kind:               string(a.Kind),
		ProfileID:          a.ProfileID,
		ProfileName:        a.ProfileName,
		CertificateID:      a.CertificateID,
		JobID:              a.JobID,
		RequestedBy:        a.RequestedBy,
		Accountable:        a.Accountable,
		Excluded:           a.Excluded,
		AlsoExcluded:       a.AlsoExcluded,
		StandsFor:          a.StandsFor,
		Undecidable:        a.Undecidable,
		Reason:             a.Reason,
		CreatedAt:          newTimestamp(a.CreatedAt),
		ExpiresAt:          newTimestamp(a.ExpiresAt),
		Digest:             a.Digest,
		Context:            newContextModel(a.Context),
		Effects:            (*effectsModel)(a.Effects),
		CSRIgnored:         newIgnoredModels(a.CSRIgnored),
		PreviousApprovalID: a.PreviousApprovalID,
		Previous:           newPreviousModel(a.Previous),
		Rejections:         newRejectionModels(a.Rejections),
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
	return fullApprovalModel{
		approvalModel: shared,
		State:         string(a.State),
		DecidedBy:     a.DecidedBy,
		DecidedAt:     newOptionalTimestamp(a.DecidedAt),
		Note:          a.Note,
		Cause:         (*string)(a.Cause),
		ClosedBy:      a.ClosedBy,
		ClosedAt:      newOptionalTimestamp(a.ClosedAt),
		UpdatedAt:     newTimestamp(a.UpdatedAt),
	}, err
}

// newContextModel returns nil for an approval that has no context, such as that of an edit.
func newContextModel(c *api.IssuanceContext) *contextModel {
	if c == nil {
		return nil
	}
	return &contextModel{
		Request:           string(c.Request),
		Current:           newCurrentLeafModel(c.Current),
		NamesAdded:        c.NamesAdded,
		NamesRemoved:      c.NamesRemoved,
		KeyChanged:        c.KeyChanged,
		OtherChanges:      newChangeModels(c.OtherChanges),
		ChangedBy:         newAuthoredChangeModels(c.ChangedBy),
		OtherCertificates: otherCertificatesModel(c.OtherCertificates),
	}
}

func newCurrentLeafModel(leaf *api.CurrentLeaf) *currentLeafModel {
	if leaf == nil {
		return nil
	}
	return &currentLeafModel{
		SerialNumber: leaf.SerialNumber, NotAfter: newTimestamp(leaf.NotAfter), SANs: leaf.SANs, Key: keyModel(leaf.Key), Approved: leaf.Approved,
	}
}

func newChangeModels(changes []api.Change) []changeModel {
	out := make([]changeModel, len(changes))
	for i, c := range changes {
		out[i] = changeModel{Pointer: c.Pointer, BeforeJSON: jsonText(c.Before), AfterJSON: jsonText(c.After)}
	}
	return out
}

// jsonText returns nil for JSON's null, which stands for a value that is not there.
func jsonText(value json.RawMessage) *string {
	if len(value) == 0 || string(value) == "null" {
		return nil
	}
	return new(string(value))
}

func newAuthoredChangeModels(changes []api.AuthoredChange) []authoredChangeModel {
	out := make([]authoredChangeModel, len(changes))
	for i, c := range changes {
		out[i] = authoredChangeModel{By: c.By, Accountable: c.Accountable, At: newTimestamp(c.At), Fields: c.Fields, SeenBy: c.SeenBy}
	}
	return out
}

func newPreviousModel(p *api.PreviousRequest) *previousModel {
	if p == nil {
		return nil
	}
	return &previousModel{State: string(p.State), DecidedBy: p.DecidedBy, DecidedAt: newOptionalTimestamp(p.DecidedAt), Note: p.Note}
}

func newRejectionModels(rejections []api.Rejection) []rejectionModel {
	out := make([]rejectionModel, len(rejections))
	for i, r := range rejections {
		out[i] = rejectionModel{
			ApprovalID: r.ApprovalID, CertificateID: r.CertificateID, DecidedBy: r.DecidedBy, DecidedAt: newTimestamp(r.DecidedAt), Note: r.Note,
		}
	}
	return out
}
