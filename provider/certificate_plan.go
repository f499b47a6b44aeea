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

// ModifyPlan makes the outputs unknown in a plan that asks for issuance, or that goes on waiting for it. csr_ignored is
// unknown only with other names or another CSR. In any other plan the outputs keep their values until the next Read, so
// that one changed attribute is one changed line.
func (r *certificateResource) ModifyPlan(ctx context.Context, req resource.ModifyPlanRequest, resp *resource.ModifyPlanResponse) {
	if req.Plan.Raw.IsNull() || req.State.Raw.IsNull() {
		return // a create or a destroy
	}
	var plan, state certificateModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	last, diags := readCertificateState(ctx, req.Private)
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() || !plan.ID.Equal(state.ID) || !plan.ProfileID.Equal(state.ProfileID) {
		return // a replacement: every value is new
	}
	mayWait := plan.WaitForIssuance.ValueBool() || plan.WaitForIssuance.IsUnknown()
	asks := !plan.hasSameContent(state) || !plan.hasSameTriggers(state)
	switch {
	case asks, last == stateUnmet, last == stateWaiting && mayWait:
		plan.issuanceOutputs = unknownOutputs()
	default:
		plan.issuanceOutputs = state.issuanceOutputs
		if !plan.RenewBeforeSeconds.Equal(state.RenewBeforeSeconds) {
			plan.RenewAt, plan.ReadyForRenewal = timetypes.NewRFC3339Unknown(), types.BoolUnknown()
		}
	}
	plan.CSRIgnored = state.CSRIgnored
	if !plan.hasSameContent(state) {
		plan.CSRIgnored = unknownIgnored()
	}
	if last == stateRejected && !asks {
		resp.Diagnostics.Append(r.warnOfRejection(ctx, state)...)
	}
	resp.Diagnostics.Append(resp.Plan.Set(ctx, plan)...)
}

// readCertificateState returns the state that Read left, empty if it left none.
func readCertificateState(ctx context.Context, private privateState) (certificateState, diag.Diagnostics) {
	text, diags := private.GetKey(ctx, stateKey)
	if text == nil {
		return "", diags
	}
	var last certificateState
	if err := json.Unmarshal(text, &last); err != nil {
		diags.AddError("The state cannot be read", fmt.Sprintf("The private part of the state is %q. Run terraform apply -refresh-only, then try again.", text))
	}
	return last, diags
}

// warnOfRejection warns that a person rejected the newest request. Terraform does not ask again by itself.
func (r *certificateResource) warnOfRejection(ctx context.Context, state certificateModel) (diags diag.Diagnostics) {
	id := state.ApprovalID.ValueString()
	detail := "Approval " + id + " was rejected."
	if a, err := r.client.GetApproval(ctx, id); err == nil && a.DecidedBy != nil {
		detail = fmt.Sprintf("%s rejected approval %s.", *a.DecidedBy, id)
		if a.Note != "" {
			detail += fmt.Sprintf("\n\nThe note of %s: %s", *a.DecidedBy, a.Note)
		}
	}
	diags.AddWarning("Certificate "+state.ID.ValueString()+" was rejected",
		detail+"\n\nTerraform does not ask again by itself. To ask again, change the names, the CSR or a value of renewal_triggers.")
	return diags
}

// unknownOutputs returns the outputs of a plan that asks for issuance.
func unknownOutputs() issuanceOutputs {
	return issuanceOutputs{
		Status: types.StringUnknown(), JobID: types.StringUnknown(), ApprovalID: types.StringUnknown(), ApprovalState: types.StringUnknown(),
		SerialNumber: types.StringUnknown(), NotAfter: timetypes.NewRFC3339Unknown(), RenewAt: timetypes.NewRFC3339Unknown(),
		ReadyForRenewal: types.BoolUnknown(), CertificatePEM: types.StringUnknown(), ChainPEM: types.StringUnknown(),
	}
}

// hasSameContent reports whether the names and the CSR are the same. An unknown value differs from any other.
func (m certificateModel) hasSameContent(other certificateModel) bool {
	return m.CommonName.Equal(other.CommonName) && m.SANs.Equal(other.SANs) && m.CSRPEM.Equal(other.CSRPEM)
}

// hasSameTriggers reports whether no trigger asks for a renewal. Null and an empty map are the same.
func (m certificateModel) hasSameTriggers(other certificateModel) bool {
	isEmpty := func(triggers types.Map) bool { return !triggers.IsUnknown() && len(triggers.Elements()) == 0 }
	return m.RenewalTriggers.Equal(other.RenewalTriggers) || isEmpty(m.RenewalTriggers) && isEmpty(other.RenewalTriggers)
}

// hasSameSpec reports whether there is nothing to write.
func (m certificateModel) hasSameSpec(other certificateModel) bool {
	return m.hasSameContent(other) && m.AutoRenew.Equal(other.AutoRenew) &&
		m.RenewBeforeSeconds.Equal(other.RenewBeforeSeconds) && m.Labels.Equal(other.Labels)
}

// certificateState is the part of a certificate and its newest request that decides what a plan does.
type certificateState string

const (
	stateIssued   certificateState = "issued"   // the current leaf is up to date
	stateWaiting  certificateState = "waiting"  // a job is open
	stateRejected certificateState = "rejected" // only a person may ask again
	stateUnmet    certificateState = "unmet"    // there is no request, or the newest one ended without an up-to-date leaf
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
