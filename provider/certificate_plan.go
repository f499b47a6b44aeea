package provider

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework-timetypes/timetypes"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"
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
		resp.Diagnostics.Append(r.rejected(ctx, state)...)
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

// rejected reminds of a request that a person turned down: asking again by itself would not respect him.
func (r *certificateResource) rejected(ctx context.Context, state certificateModel) (diags diag.Diagnostics) {
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
