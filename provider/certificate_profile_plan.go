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

// foresight is how long a plan waits to be told what an apply would meet. The plan is right without it.
const foresight = 10 * time.Second

// ModifyPlan changes no plan. It warns of an edit that would wait or be refused, and of one that waits although the
// configuration has gone back. Only an update costs a request: what is pending is known from Read.
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
		resp.Diagnostics.Append(r.stillPending(ctx, plan.ID.ValueString(), req.Private)...)
		return
	}
	a := attempt{sent: plan.spec(), schema: req.Plan.Schema}
	resp.Diagnostics.Append(r.foresee(ctx, a, plan, req.Private)...)
}

// foresee asks the server what it would do with the edit. The plan never fails because of this preview. The apply asks
// the server again.
func (r *certificateProfileResource) foresee(ctx context.Context, a attempt, plan certificateProfileModel, private privateState) diag.Diagnostics {
	ctx, cancel := context.WithTimeout(ctx, foresight)
	defer cancel()
	opts := []client.EditOption{r.editOptions()}
	if match, diags := ifMatch(ctx, private); !diags.HasError() {
		opts = append(opts, match)
	}
	id := plan.ID.ValueString()
	preview, err := r.client.PreviewProfile(ctx, plan.create(), opts...)
	switch problem, _ := errors.AsType[*api.Problem](err); {
	case problem != nil && problem.Code() == api.CodeInvalidRequest:
		return willBeRefused(ctx, a, id, problem)
	case err != nil:
		return warnings(fmt.Sprintf("Could not find out whether this edit of certificate profile %s needs an approval", id), a.failed(ctx, err))
	case preview.Outcome == api.EditWaits:
		return needsApproval(id, preview)
	case preview.Outcome == api.EditRefused && preview.Problem != nil:
		return willBeRefused(ctx, a, id, preview.Problem)
	}
	return hasEffects(id, preview)
}

// hasEffects warns of an edit that applies at once, if open jobs or certificates feel it.
func hasEffects(id string, p api.EditPreview) diag.Diagnostics {
	detail := effects(p)
	if detail == "" {
		return nil
	}
	return diag.Diagnostics{diag.NewWarningDiagnostic(fmt.Sprintf("This edit of certificate profile %s has effects beyond it", id), detail)}
}

// effects says what open jobs and certificates feel of an edit, empty if nothing.
func effects(p api.EditPreview) string {
	var lines []string
	if n := p.Effects.JobsCancelled; n > 0 {
		lines = append(lines, fmt.Sprintf("As things are, it cancels open jobs: %d.", n))
	}
	if n := p.Effects.RenewalsBlocked; n > 0 {
		lines = append(lines, fmt.Sprintf("As things are, certificates that could not be renewed any more: %d.", n))
	}
	if len(lines) == 0 {
		return ""
	}
	for _, w := range p.Warnings {
		lines = append(lines, upperFirst(w)+".")
	}
	return strings.Join(lines, "\n")
}

func willBeRefused(ctx context.Context, a attempt, id string, p *api.Problem) diag.Diagnostics {
	return warnings(fmt.Sprintf("As things are, the server will refuse this edit of certificate profile %s", id), a.refused(ctx, p))
}

// needsApproval says what a second person will have to agree to, and that the apply ends before that.
func needsApproval(id string, p api.EditPreview) diag.Diagnostics {
	detail := "The profile requires approval. An apply changes nothing yet: it asks for the approval of this edit, and ends with an error that names it."
	switch {
	case p.ApprovalID != nil:
		detail = fmt.Sprintf("The profile requires approval, and this same edit awaits it already: approval %s. Until that is decided an apply changes nothing, and ends with an error that names it.", *p.ApprovalID)
	case p.PreviousApprovalID != nil:
		detail += fmt.Sprintf(" The same edit was asked for before: approval %s ended without it.", *p.PreviousApprovalID)
	}
	detail += "\n\nWhat the edit changes:\n"
	for _, c := range p.Changes {
		detail += fmt.Sprintf("\n  %s: %s -> %s", c.Pointer, brief(c.Before), brief(c.After))
	}
	if more := effects(p); more != "" {
		detail += "\n\n" + more
	}
	return diag.Diagnostics{diag.NewWarningDiagnostic(fmt.Sprintf("This edit of certificate profile %s needs an approval", id), detail)}
}

// mostOfAValue is how many characters of a value a warning shows. The plan shows all.
const mostOfAValue = 200

func brief(value json.RawMessage) string {
	if text := []rune(string(value)); len(text) > mostOfAValue {
		return string(text[:mostOfAValue]) + "..."
	}
	return string(value)
}

// stillPending warns of an edit that nobody may want any more. Terraform has nothing to apply, so nothing would
// take it back.
func (r *certificateProfileResource) stillPending(ctx context.Context, id string, private privateState) diag.Diagnostics {
	approval, diags := pendingEdit(ctx, private)
	if diags.HasError() || approval == "" {
		return diags
	}
	detail := fmt.Sprintf(`The configuration says what the profile is now, but an edit of it awaits approval %[1]s. Once approved it changes the profile, and the next plan would undo it.

See what it says, and withdraw it if nobody wants it any more:

  curl "%[2]s/api/v1/approvals/%[1]s" -H "Authorization: Bearer $%[3]s"
  curl -X POST "%[2]s/api/v1/approvals/%[1]s/withdraw" -H "Authorization: Bearer $%[3]s"`,
		approval, r.client.Endpoint(), apiKeyVariable)
	diags.AddWarning(fmt.Sprintf("An edit of certificate profile %s is still pending", id), detail)
	return diags
}
