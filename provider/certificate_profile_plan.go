package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/resource"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
)

// previewTimeout bounds the preview of an edit. The plan is right without the preview.
const previewTimeout = 10 * time.Second

// ModifyPlan changes no plan. It warns of an edit that would wait or be refused. It also warns of a pending edit that the
// configuration no longer has. Only an update costs a request: Read left the id of the pending edit in private state.
func (r *certificateProfileResource) ModifyPlan(ctx context.Context, req resource.ModifyPlanRequest, resp *resource.ModifyPlanResponse) {
	if req.State.Raw.IsNull() || req.Plan.Raw.IsNull() || !req.Plan.Raw.IsFullyKnown() || len(resp.RequiresReplace) > 0 {
		return
	}
	var plan certificateProfileModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	if resp.Diagnostics.HasError() {
		return
	}
	if req.Plan.Raw.Equal(req.State.Raw) {
		resp.Diagnostics.Append(r.warnOfPendingEdit(ctx, plan.ID.ValueString(), req.Private)...)
		return
	}
	a := attempt{body: plan.spec(), schema: req.Plan.Schema}
	resp.Diagnostics.Append(r.previewEdit(ctx, a, plan, req.Private)...)
}

// previewEdit asks the server what it would do with the edit. The plan never fails because of this preview. The apply asks
// the server again.
func (r *certificateProfileResource) previewEdit(ctx context.Context, a attempt, plan certificateProfileModel, private privateState) diag.Diagnostics {
	ctx, cancel := context.WithTimeout(ctx, previewTimeout)
	defer cancel()
	opts := []client.EditOption{r.editOptions()}
	if match, diags := ifMatch(ctx, private); !diags.HasError() {
		opts = append(opts, match)
	}
	id := plan.ID.ValueString()
	preview, err := r.client.PreviewProfile(ctx, plan.create(), opts...)
	switch problem, _ := errors.AsType[*api.Problem](err); {
	case problem != nil && problem.Code() == api.CodeInvalidRequest:
		return warnOfRefusal(ctx, a, id, problem)
	case err != nil:
		return asWarnings(fmt.Sprintf("Could not find out whether this edit of certificate profile %s needs an approval", id), a.explain(ctx, err))
	case preview.Outcome == api.EditWaits:
		return warnOfApproval(id, preview)
	case preview.Outcome == api.EditRefused && preview.Problem != nil:
		return warnOfRefusal(ctx, a, id, preview.Problem)
	}
	return warnOfEffects(id, preview)
}

// warnOfEffects warns of an edit that applies at once, if it affects open jobs or renewals.
func warnOfEffects(id string, p api.EditPreview) diag.Diagnostics {
	detail := describeEffects(p)
	if detail == "" {
		return nil
	}
	return diag.Diagnostics{diag.NewWarningDiagnostic(fmt.Sprintf("This edit of certificate profile %s affects jobs or renewals", id), detail)}
}

// describeEffects says how an edit affects open jobs and renewals; empty if it does not.
func describeEffects(p api.EditPreview) string {
	var lines []string
	if n := p.Effects.JobsCancelled; n > 0 {
		lines = append(lines, fmt.Sprintf("The edit would cancel %s.", countOf(n, "open job")))
	}
	if n := p.Effects.RenewalsBlocked; n > 0 {
		lines = append(lines, fmt.Sprintf("The edit would prevent the renewal of %s.", countOf(n, "certificate")))
	}
	if len(lines) == 0 {
		return ""
	}
	for _, w := range p.Warnings {
		lines = append(lines, capitalize(w)+".")
	}
	return strings.Join(lines, "\n")
}

func warnOfRefusal(ctx context.Context, a attempt, id string, p *api.Problem) diag.Diagnostics {
	return asWarnings(fmt.Sprintf("The server would refuse this edit of certificate profile %s", id), a.explainProblem(ctx, p))
}

// warnOfApproval shows the changes that a second person must approve, and says that the apply ends before that.
func warnOfApproval(id string, p api.EditPreview) diag.Diagnostics {
	detail := "The profile requires approval. An apply changes nothing yet. It asks for an approval of this edit, and ends with an error that names the approval."
	switch {
	case p.ApprovalID != nil:
		detail = fmt.Sprintf("The profile requires approval, and the same edit already awaits approval %s. Until that approval is decided, an apply changes nothing and ends with an error that names it.", *p.ApprovalID)
	case p.PreviousApprovalID != nil:
		detail += fmt.Sprintf(" The same edit was requested before: approval %s was not approved.", *p.PreviousApprovalID)
	}
	detail += "\n\nThe edit changes:\n"
	for _, c := range p.Changes {
		detail += fmt.Sprintf("\n  %s: %s -> %s", c.Pointer, shorten(c.Before), shorten(c.After))
	}
	if effects := describeEffects(p); effects != "" {
		detail += "\n\n" + effects
	}
	return diag.Diagnostics{diag.NewWarningDiagnostic(fmt.Sprintf("This edit of certificate profile %s needs an approval", id), detail)}
}

// maxShownValue is the number of characters of a value that a warning shows. The plan shows the whole value.
const maxShownValue = 200

func shorten(value json.RawMessage) string {
	if text := []rune(string(value)); len(text) > maxShownValue {
		return string(text[:maxShownValue]) + "..."
	}
	return string(value)
}

// warnOfPendingEdit warns of an edit that awaits approval although the configuration equals the stored profile. Terraform
// has nothing to apply, so no apply would withdraw the edit.
func (r *certificateProfileResource) warnOfPendingEdit(ctx context.Context, id string, private privateState) diag.Diagnostics {
	approval, diags := pendingApprovalID(ctx, private)
	if diags.HasError() || approval == "" {
		return diags
	}
	detail := fmt.Sprintf(`The configuration equals the profile, but an edit of the profile awaits approval %[1]s. If the edit is approved, it changes the profile, and the next plan would undo the change.

Read the edit, and withdraw it if it is no longer needed:

  curl "%[2]s/api/v1/approvals/%[1]s" -H "Authorization: Bearer $%[3]s"
  curl -X POST "%[2]s/api/v1/approvals/%[1]s/withdraw" -H "Authorization: Bearer $%[3]s"`,
		approval, r.client.Endpoint(), apiKeyVariable)
	diags.AddWarning(fmt.Sprintf("An edit of certificate profile %s is still pending", id), detail)
	return diags
}
