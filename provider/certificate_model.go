package provider

import (
	"time"

	"github.com/hashicorp/terraform-plugin-framework-timeouts/resource/timeouts"
	"github.com/hashicorp/terraform-plugin-framework-timetypes/timetypes"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/certctl/terraform-provider-certctl/api"
)

// certificateModel is a certificate in configuration, plan and state.
type certificateModel struct {
	ID                 types.String   `tfsdk:"id"`
	ProfileID          types.String   `tfsdk:"profile_id"`
	CommonName         types.String   `tfsdk:"common_name"`
	SANs               types.Set      `tfsdk:"sans"`
	CSRPEM             types.String   `tfsdk:"csr_pem"`
	AutoRenew          types.Bool     `tfsdk:"auto_renew"`
	RenewBeforeSeconds types.Int64    `tfsdk:"renew_before_seconds"`
	Labels             types.Map      `tfsdk:"labels"`
	RenewalTriggers    types.Map      `tfsdk:"renewal_triggers"`
	WaitForIssuance    types.Bool     `tfsdk:"wait_for_issuance"`
	Timeouts           timeouts.Value `tfsdk:"timeouts"`
	outputs
}

// outputs are what issuance makes. They are known or unknown together.
type outputs struct {
	Status          types.String      `tfsdk:"status"`
	JobID           types.String      `tfsdk:"job_id"`
	ApprovalID      types.String      `tfsdk:"approval_id"`
	ApprovalState   types.String      `tfsdk:"approval_state"`
	SerialNumber    types.String      `tfsdk:"serial_number"`
	NotAfter        timetypes.RFC3339 `tfsdk:"not_after"`
	RenewAt         timetypes.RFC3339 `tfsdk:"renew_at"`
	ReadyForRenewal types.Bool        `tfsdk:"ready_for_renewal"`
	CertificatePEM  types.String      `tfsdk:"certificate_pem"`
	ChainPEM        types.String      `tfsdk:"chain_pem"`
}

// unknownOutputs are those of a plan that asks for issuance.
func unknownOutputs() outputs {
	return outputs{
		Status: types.StringUnknown(), JobID: types.StringUnknown(), ApprovalID: types.StringUnknown(), ApprovalState: types.StringUnknown(),
		SerialNumber: types.StringUnknown(), NotAfter: timetypes.NewRFC3339Unknown(), RenewAt: timetypes.NewRFC3339Unknown(),
		ReadyForRenewal: types.BoolUnknown(), CertificatePEM: types.StringUnknown(), ChainPEM: types.StringUnknown(),
	}
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

// spec is everything that a caller writes. All of it is known when it is written.
func (m certificateModel) spec() api.CertificateSpec {
	return api.CertificateSpec{
		CommonName: m.CommonName.ValueString(), SANs: textsOf(m.SANs.Elements()), ProfileID: m.ProfileID.ValueString(), CSRPEM: m.CSRPEM.ValueString(),
		AutoRenew: m.AutoRenew.ValueBool(), RenewBeforeSeconds: m.RenewBeforeSeconds.ValueInt64Pointer(), Labels: labels(m.Labels),
	}
}

// sameContent says whether two have the same names and CSR: what is signed. What is not known yet is another.
func (m certificateModel) sameContent(other certificateModel) bool {
	return m.CommonName.Equal(other.CommonName) && m.SANs.Equal(other.SANs) && m.CSRPEM.Equal(other.CSRPEM)
}

// sameTriggers says whether no trigger asks for a renewal. Having none is the same, however it is written.
func (m certificateModel) sameTriggers(other certificateModel) bool {
	none := func(triggers types.Map) bool { return !triggers.IsUnknown() && len(triggers.Elements()) == 0 }
	return m.RenewalTriggers.Equal(other.RenewalTriggers) || none(m.RenewalTriggers) && none(other.RenewalTriggers)
}

// sameSpec says whether there is nothing to write.
func (m certificateModel) sameSpec(other certificateModel) bool {
	return m.sameContent(other) && m.AutoRenew.Equal(other.AutoRenew) &&
		m.RenewBeforeSeconds.Equal(other.RenewBeforeSeconds) && m.Labels.Equal(other.Labels)
}

func textSet(values []string) types.Set {
	elements := make([]attr.Value, len(values))
	for i, v := range values {
		elements[i] = types.StringValue(v)
	}
	return types.SetValueMust(types.StringType, elements)
}

func textMap(values map[string]string) types.Map {
	elements := make(map[string]attr.Value, len(values))
	for k, v := range values {
		elements[k] = types.StringValue(v)
	}
	return types.MapValueMust(types.StringType, elements)
}

func textsOf(elements []attr.Value) []string {
	values := make([]string, 0, len(elements))
	for _, e := range elements {
		if s, ok := e.(types.String); ok {
			values = append(values, s.ValueString())
		}
	}
	return values
}

func labels(m types.Map) map[string]string {
	values := map[string]string{}
	for k, e := range m.Elements() {
		if s, ok := e.(types.String); ok {
			values[k] = s.ValueString()
		}
	}
	return values
}

// certificateState is what the plan needs to know of a certificate and its newest request.
type certificateState string

const (
	stateIssued   certificateState = "issued"   // the current leaf is up to date
	stateWaiting  certificateState = "waiting"  // a job is open
	stateRejected certificateState = "rejected" // only a person may ask again
	stateUnmet    certificateState = "unmet"    // the newest request ended without the certificate, or there is none
)

func certificateStateOf(c api.Certificate) certificateState {
	switch {
	case c.OpenJobID != nil:
		return stateWaiting
	case c.UpToDate:
		return stateIssued
	case c.ApprovalState != nil && *c.ApprovalState == api.ApprovalRejected:
		return stateRejected
	default:
		return stateUnmet
	}
}
