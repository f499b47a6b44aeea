package provider

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework-timetypes/timetypes"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/certctl/terraform-provider-certctl/api"
)

// ModifyPlan makes the outputs unknown only in a plan that asks for issuance or goes on waiting for it. In any other
// plan they stay, and the next Read moves them: one changed attribute is one changed line.
func (r *certificateResource) ModifyPlan(ctx context.Context, req resource.ModifyPlanRequest, resp *resource.ModifyPlanResponse) {
	if req.Plan.Raw.IsNull() || req.State.Raw.IsNull() {
		return // created or destroyed
	}
	var plan, state certificateModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	last, diags := lastCertificateState(ctx, req.Private)
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() || !plan.ID.Equal(state.ID) || !plan.ProfileID.Equal(state.ProfileID) {
		return // replaced: everything is new
	}
	waits := plan.WaitForIssuance.ValueBool() || plan.WaitForIssuance.IsUnknown()
	changed := !plan.sameContent(state) || !plan.sameTriggers(state)
	switch {
	case changed, last == stateUnmet, last == stateWaiting && waits:
		plan.outputs = unknownOutputs()
	default:
		plan.outputs = state.outputs
		if !plan.RenewBeforeSeconds.Equal(state.RenewBeforeSeconds) {
			plan.RenewAt, plan.ReadyForRenewal = timetypes.NewRFC3339Unknown(), types.BoolUnknown()
		}
	}
	if last == stateRejected && !changed {
		resp.Diagnostics.Append(r.warnOfRejection(ctx, state)...)
	}
	resp.Diagnostics.Append(resp.Plan.Set(ctx, plan)...)
}

// lastCertificateState returns the state that Read left, empty if it left none.
func lastCertificateState(ctx context.Context, private privateState) (certificateState, diag.Diagnostics) {
	text, diags := private.GetKey(ctx, stateKey)
	if text == nil {
		return "", diags
	}
	var last certificateState
	if err := json.Unmarshal(text, &last); err != nil {
		diags.AddError("The state cannot be read", fmt.Sprintf("Its private part says %q. Run terraform apply -refresh-only, then try again.", text))
	}
	return last, diags
}

// warnOfRejection reminds of a request that a person turned down: asking again by itself would not respect him.
func (r *certificateResource) warnOfRejection(ctx context.Context, state certificateModel) (diags diag.Diagnostics) {
	id := state.ApprovalID.ValueString()
	words := "Approval " + id + " was rejected."
	if a, err := r.client.GetApproval(ctx, id); err == nil && a.DecidedBy != nil {
		words = fmt.Sprintf("%s rejected approval %s.", *a.DecidedBy, id)
		if a.Note != "" {
			words += fmt.Sprintf("\n\nThe note of %s: %s", *a.DecidedBy, a.Note)
		}
	}
	diags.AddWarning("Certificate "+state.ID.ValueString()+" was rejected",
		words+"\n\nNothing asks again by itself. Change names or CSR, or a value of renewal_triggers, to ask once more.")
	return diags
}

// unknownOutputs are those of a plan that asks for issuance.
func unknownOutputs() outputs {
	return outputs{
		Status: types.StringUnknown(), JobID: types.StringUnknown(), ApprovalID: types.StringUnknown(), ApprovalState: types.StringUnknown(),
		SerialNumber: types.StringUnknown(), NotAfter: timetypes.NewRFC3339Unknown(), RenewAt: timetypes.NewRFC3339Unknown(),
		ReadyForRenewal: types.BoolUnknown(), CertificatePEM: types.StringUnknown(), ChainPEM: types.StringUnknown(),
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
