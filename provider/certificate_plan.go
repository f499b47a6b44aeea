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

// ModifyPlan makes an output unknown only if this apply can change it. In any other plan the outputs keep their values until
// the next Read, so that one changed attribute is one changed line, and nothing that depends on the leaf is replaced for
// nothing. It also warns of what the plan does not show.
func (r *certificateResource) ModifyPlan(ctx context.Context, req resource.ModifyPlanRequest, resp *resource.ModifyPlanResponse) {
	if r.client == nil {
		return // Terraform plans without a server, in tests
	}
	var plan, state certificateModel
	if !req.State.Raw.IsNull() {
		resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	}
	if req.Plan.Raw.IsNull() {
		resp.Diagnostics.Append(r.warnOfMissingRole()...)
		resp.Diagnostics.Append(warnOfLoss(state, summaryDestroyed)...)
		return
	}
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	last, diags := readCertificateState(ctx, req.Private)
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	a := attempt{schema: req.Plan.Schema}
	switch {
	case req.State.Raw.IsNull():
		resp.Diagnostics.Append(r.previewCreate(ctx, a, plan)...)
	case !plan.ID.Equal(state.ID) || !plan.ProfileID.Equal(state.ProfileID):
		resp.Diagnostics.Append(warnOfLoss(state, summaryReplaced)...) // every value is new
	default:
		effect, diags := r.planIssuance(ctx, a, plan, state, last)
		resp.Diagnostics.Append(diags...)
		plan.planOutputs(state, effect)
		resp.Diagnostics.Append(resp.Plan.Set(ctx, plan)...)
	}
	if !resp.Plan.Raw.Equal(req.State.Raw) {
		resp.Diagnostics.Append(r.warnOfMissingRole()...)
	}
}

// issuanceEffect is what an apply can do to the outputs.
type issuanceEffect int

const (
	changesNothing issuanceEffect = iota
	changesRequest                // the request, and not the leaf: the apply ends before a person has decided
	changesLeaf                   // the apply can end with another leaf
)

// planIssuance returns what an apply of the plan can do to the outputs. It warns if the plan does not show why, and of what
// the server would refuse.
func (r *certificateResource) planIssuance(ctx context.Context, a attempt, plan, state certificateModel, last certificateState) (issuanceEffect, diag.Diagnostics) {
	waits := plan.WaitForIssuance.ValueBool() || plan.WaitForIssuance.IsUnknown()
	if !plan.hasSameContent(state) && !plan.isOnLeaf(state.CertificatePEM.ValueString()) {
		return r.planEdit(ctx, a, plan, waits)
	}
	var diags diag.Diagnostics
	if !plan.hasSameSpec(state) {
		diags.Append(r.previewFields(ctx, a, plan)...)
	}
	effect := changesNothing
	switch {
	case !plan.hasSameContent(state):
		effect = changesRequest
	case !plan.hasSameTriggers(state, last):
		var more diag.Diagnostics
		effect, more = r.planRenewal(ctx, a, plan, waits)
		diags.Append(more...)
	case last == stateUnmet:
		var more diag.Diagnostics
		effect, more = r.planUnmet(ctx, plan, waits)
		diags.Append(more...)
	case last == stateWaiting && waits:
		effect = changesLeaf
	case last == stateRejected:
		diags.Append(r.warnOfRejection(ctx, state)...)
	}
	return effect, diags
}

// planEdit returns what a request for other names or another key can do.
func (r *certificateResource) planEdit(ctx context.Context, a attempt, plan certificateModel, waits bool) (issuanceEffect, diag.Diagnostics) {
	if !plan.isKnownSpec() {
		if waits {
			return changesLeaf, nil
		}
		return r.effectUnderProfile(ctx, plan), nil
	}
	limited, cancel := context.WithTimeout(ctx, previewTimeout)
	defer cancel()
	preview, err := r.previewUpdate(limited, plan, r.issueOptions())
	a.body = plan.spec()
	diags := a.explainPreview(ctx, "Certificate "+plan.ID.ValueString(), preview, err)
	switch {
	case waits, err == nil && preview.Issuance == api.IssuanceSigns:
		return changesLeaf, diags
	case err == nil && preview.Issuance == api.IssuanceWaits:
		return changesRequest, diags
	default:
		return r.effectUnderProfile(ctx, plan), diags
	}
}

// planRenewal returns what a renewal can do.
func (r *certificateResource) planRenewal(ctx context.Context, a attempt, plan certificateModel, waits bool) (issuanceEffect, diag.Diagnostics) {
	object := "Certificate " + plan.ID.ValueString()
	preview, err := r.previewRenewal(ctx, plan)
	var diags diag.Diagnostics
	switch {
	case err != nil:
		diags = a.explainNoPreview(ctx, summaryRefusedNow, err)
	case preview.Problem != nil && preview.Problem.Code() != api.CodeJobAlreadyOpen: // an open job counts as the renewal
		diags = a.warnOfRefused(ctx, summaryRefusedNow, object, adviseRefusedNow, preview.Problem)
	case preview.Outcome == api.RenewalWaits:
		diags.Append(warnOfWait(object))
	}
	if waits {
		return changesLeaf, diags
	}
	return r.effectOfRenewal(ctx, plan, preview, err), diags
}

func (r *certificateResource) effectOfRenewal(ctx context.Context, plan certificateModel, preview api.RenewalPreview, err error) issuanceEffect {
	switch {
	case err == nil && preview.Outcome == api.RenewalSigns:
		return changesLeaf
	case err == nil && preview.Outcome == api.RenewalWaits:
		return changesRequest
	default:
		return r.effectUnderProfile(ctx, plan)
	}
}

// effectUnderProfile returns what a request can do if the server gave no preview of the request.
func (r *certificateResource) effectUnderProfile(ctx context.Context, plan certificateModel) issuanceEffect {
	ctx, cancel := context.WithTimeout(ctx, previewTimeout)
	defer cancel()
	if p, err := r.client.GetProfile(ctx, plan.ProfileID.ValueString()); err == nil && p.RequiresApproval {
		return changesRequest
	}
	return changesLeaf
}

func (r *certificateResource) previewRenewal(ctx context.Context, plan certificateModel) (api.RenewalPreview, error) {
	ctx, cancel := context.WithTimeout(ctx, previewTimeout)
	defer cancel()
	return r.client.PreviewRenewal(ctx, plan.ID.ValueString(), api.Renew{Reason: r.reason, AlsoExcluded: r.authors})
}

// planUnmet requests again what the newest request did not bring, and says why. Under a disabled profile the server would
// refuse every such request. So the plan only warns, and other changes can apply.
func (r *certificateResource) planUnmet(ctx context.Context, plan certificateModel, waits bool) (effect issuanceEffect, diags diag.Diagnostics) {
	id := plan.ID.ValueString()
	why := r.explainUnmet(ctx, id)
	preview, err := r.previewRenewal(ctx, plan)
	if err == nil && preview.Problem != nil && preview.Problem.Code() == api.CodeProfileDisabled {
		diags.Append(warnOfDisabled(id, why, preview.Problem))
		return changesNothing, diags
	}
	diags.Append(warnOfRequestAgain(id, why))
	if waits {
		return changesLeaf, diags
	}
	return r.effectOfRenewal(ctx, plan, preview, err), diags
}

func warnOfDisabled(id, why string, problem *api.Problem) diag.Diagnostic {
	return diag.NewWarningDiagnostic(summaryNotNow, fmt.Sprintf(
		"Certificate %s:\n\n%s\n\n%s. Terraform requests the certificate again when the profile is enabled.", id, why, capitalize(problem.Detail)))
}

func warnOfRequestAgain(id, why string) diag.Diagnostic {
	return diag.NewWarningDiagnostic(summaryAgain, fmt.Sprintf("Certificate %s:\n\n%s\n\nThis apply requests the certificate again.", id, why))
}

// planOutputs leaves unknown what the apply can change. csr_ignored follows the text of names and CSR: a renewal does not
// change it.
func (m *certificateModel) planOutputs(state certificateModel, effect issuanceEffect) {
	switch effect {
	case changesLeaf:
		m.issuanceOutputs = unknownOutputs()
	case changesRequest:
		m.issuanceOutputs = state.issuanceOutputs
		m.requestOutputs = unknownOutputs().requestOutputs
		// If up_to_date is false, it stays unknown until the apply has made the request. A precondition on a known false would
		// stop the plan, so that nobody could ask again.
		if m.hasSameContent(state) && state.UpToDate.ValueBool() {
			m.UpToDate = state.UpToDate
		}
	default:
		m.issuanceOutputs = state.issuanceOutputs
	}
	if !m.RenewBeforeSeconds.Equal(state.RenewBeforeSeconds) {
		m.RenewAt, m.ReadyForRenewal = timetypes.NewRFC3339Unknown(), types.BoolUnknown()
	}
	m.CSRIgnored = state.CSRIgnored
	if !m.hasSameText(state) {
		m.CSRIgnored = unknownIgnored()
	}
}

// warnOfLoss warns that a valid leaf is lost with its certificate.
func warnOfLoss(state certificateModel, summary string) (diags diag.Diagnostics) {
	if state.CertificatePEM.ValueString() == "" {
		return nil
	}
	diags.AddWarning(summary, fmt.Sprintf(
		`Certificate %s has a leaf that is valid until %s. The certificate is archived, and its leaf is not renewed any more. Under a gated profile a new certificate needs a new approval.

If only the address in the configuration changed, add a moved block. It keeps the certificate:

  moved {
    from = <the old address>
    to   = <the new address>
  }

To have a new certificate before the old one is archived, leave out id and set create_before_destroy.`,
		state.ID.ValueString(), state.NotAfter.ValueString()))
	return diags
}

// readCertificateState returns the state that Read left, empty if it left none.
func readCertificateState(ctx context.Context, private privateState) (certificateState, diag.Diagnostics) {
	return readPrivate[certificateState](ctx, private, stateKey)
}

// readPrivate returns a text of private state, empty if there is none.
func readPrivate[T ~string](ctx context.Context, private privateState, key string) (T, diag.Diagnostics) {
	text, diags := private.GetKey(ctx, key)
	if text == nil {
		return "", diags
	}
	var value T
	if err := json.Unmarshal(text, &value); err != nil {
		diags.AddError("The state cannot be read", fmt.Sprintf("The private part of the state is %q. Run terraform apply -refresh-only, then try again.", text))
	}
	return value, diags
}

// unknownOutputs returns the outputs of a plan that can end with another leaf.
func unknownOutputs() issuanceOutputs {
	return issuanceOutputs{
		requestOutputs: requestOutputs{
			Status: types.StringUnknown(), JobID: types.StringUnknown(), ApprovalID: types.StringUnknown(), ApprovalState: types.StringUnknown(),
			UpToDate: types.BoolUnknown(),
		},
		leafOutputs: leafOutputs{
			SerialNumber: types.StringUnknown(), NotBefore: timetypes.NewRFC3339Unknown(), NotAfter: timetypes.NewRFC3339Unknown(),
			FingerprintSHA256: types.StringUnknown(), SPKISHA256: types.StringUnknown(), SignedSANs: types.SetUnknown(types.StringType),
			IssuerID: types.StringUnknown(), CertificatePEM: types.StringUnknown(), ChainPEM: types.StringUnknown(), FullChainPEM: types.StringUnknown(),
		},
		RenewAt: timetypes.NewRFC3339Unknown(), ReadyForRenewal: types.BoolUnknown(),
	}
}

// certificateState is the part of a certificate and its newest request that decides what a plan does.
type certificateState string

const (
	stateIssued   certificateState = "issued"   // the current leaf is up to date
	stateWaiting  certificateState = "waiting"  // a job is open
	stateRejected certificateState = "rejected" // only a person may ask again
	stateUnmet    certificateState = "unmet"    // there is no request, or the newest one ended without the leaf that was requested
)

// certificateStateOf returns the state of a certificate. renewalJob is the job of a renewal that a trigger requested, if that
// job has not brought a leaf: an up-to-date leaf does not answer that request.
func certificateStateOf(c api.Certificate, renewalJob string) certificateState {
	switch {
	case c.OpenJobID != nil:
		return stateWaiting
	case c.UpToDate && owedRenewal(c, renewalJob) == "":
		return stateIssued
	case c.ApprovalState != nil && *c.ApprovalState == api.ApprovalRejected:
		return stateRejected
	default:
		return stateUnmet
	}
}

// owedRenewal returns renewalJob if that job is the newest and has not brought a leaf. Otherwise it returns nothing.
func owedRenewal(c api.Certificate, renewalJob string) string {
	if c.Job == nil || c.Job.ID != renewalJob || c.Job.Status == api.JobCompleted {
		return ""
	}
	return renewalJob
}
