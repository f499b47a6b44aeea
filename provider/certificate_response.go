package provider

import (
	"time"

	"github.com/hashicorp/terraform-plugin-framework-timetypes/timetypes"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/certctl/terraform-provider-certctl/api"
)

func newOutputs(c api.Certificate, now time.Time) outputs {
	o := outputs{
		Status: types.StringValue(string(c.Status)), ApprovalID: types.StringPointerValue(c.ApprovalID),
		NotAfter: timetypes.NewRFC3339Null(), RenewAt: timetypes.NewRFC3339Null(),
		ReadyForRenewal: types.BoolValue(c.RenewAt != nil && !c.RenewAt.After(now)),
	}
	if c.ApprovalState != nil {
		o.ApprovalState = types.StringValue(string(*c.ApprovalState))
	}
	if c.Job != nil {
		o.JobID = types.StringValue(c.Job.ID)
	}
	if c.RenewAt != nil {
		o.RenewAt = timestamp(*c.RenewAt)
	}
	if c.Current != nil {
		o.SerialNumber, o.NotAfter = types.StringValue(c.Current.SerialNumber), timestamp(c.Current.NotAfter)
		o.CertificatePEM, o.ChainPEM = types.StringValue(c.Current.CertificatePEM), types.StringValue(c.Current.ChainPEM)
	}
	return o
}

// filled gives what the plan leaves open. What it has said already stays, even if the server has moved on meanwhile:
// Terraform refuses anything else from an apply, and the next Read moves it.
func (o outputs) filled(now outputs) outputs {
	if o.Status.IsUnknown() {
		return now
	}
	if o.RenewAt.IsUnknown() {
		o.RenewAt, o.ReadyForRenewal = now.RenewAt, now.ReadyForRenewal
	}
	return o
}

// stored is the model with what the server has; what only Terraform knows stays, and so do outputs that are known.
func (m certificateModel) stored(c api.Certificate, now time.Time) certificateModel {
	m.ID, m.ProfileID = types.StringValue(c.ID), types.StringValue(c.ProfileID)
	m.CommonName, m.CSRPEM = types.StringValue(c.CommonName), types.StringValue(c.CSRPEM)
	m.SANs, m.Labels = textSet(c.SANs), textMap(c.Labels)
	m.AutoRenew, m.RenewBeforeSeconds = types.BoolValue(c.AutoRenew), types.Int64PointerValue(c.RenewBeforeSeconds)
	if m.WaitForIssuance.IsNull() {
		m.WaitForIssuance = types.BoolValue(false)
	}
	m.outputs = m.filled(newOutputs(c, now))
	return m
}
