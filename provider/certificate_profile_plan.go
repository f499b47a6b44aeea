package provider

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
)

// previewTimeout bounds the preview of an edit. The plan is right without the preview.
const previewTimeout = 10 * time.Second

// ModifyPlan changes no plan. It warns of an edit that would wait or be refused, and of a replaced profile. It also warns of a
// pending edit that the configuration no longer has. Only an update costs a request: Read left the id of the pending edit in
// private state.
func (r *certificateProfileResource) ModifyPlan(ctx context.Context, req resource.ModifyPlanRequest, resp *resource.ModifyPlanResponse) {
	if req.State.Raw.IsNull() || req.Plan.Raw.IsNull() {
		return
	}
	var state certificateProfileModel // in part: the state of an older provider lacks newer attributes
	resp.Diagnostics.Append(req.State.GetAttribute(ctx, path.Root("id"), &state.ID)...)
	resp.Diagnostics.Append(req.State.GetAttribute(ctx, path.Root("requires_approval"), &state.RequiresApproval)...)
	var id types.String
	resp.Diagnostics.Append(req.Plan.GetAttribute(ctx, path.Root("id"), &id)...)
	switch {
	case resp.Diagnostics.HasError():
	case !id.Equal(state.ID):
		resp.Diagnostics.Append(r.warnOfReplacement(ctx, state)...)
	case !req.Plan.Raw.IsFullyKnown():
		resp.Diagnostics.Append(warnOfUnknownEdit(state, unknownAttributes(req.Plan))...)
	case req.Plan.Raw.Equal(req.State.Raw):
		resp.Diagnostics.Append(r.warnOfPendingEdit(ctx, state.ID.ValueString(), req.Private)...)
	default:
		var plan certificateProfileModel
		resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
		if resp.Diagnostics.HasError() {
			return
		}
		a := attempt{body: plan.spec(), schema: req.Plan.Schema}
		resp.Diagnostics.Append(r.previewEdit(ctx, a, plan, req.Private)...)
	}
}

// maxNamedUsers is the number of certificates that the warning of a replacement names.
const maxNamedUsers = 5

// warnOfReplacement warns if a replaced profile is gated or in use. The server refuses to delete a profile in use.
func (r *certificateProfileResource) warnOfReplacement(ctx context.Context, state certificateProfileModel) diag.Diagnostics {
	id := state.ID.ValueString()
	var detail []string
	if state.RequiresApproval {
		detail = append(detail, "The profile requires approval. Its replacement is a new profile, and no second person approves its rules.")
	}
	if users := r.certificatesUnder(ctx, id); len(users) > 0 {
		named := strings.Join(users[:min(len(users), maxNamedUsers)], ", ")
		if len(users) > maxNamedUsers {
			named += " and others"
		}
		detail = append(detail, "The server refuses to delete a profile that certificates use. These use it: "+named+".")
	}
	if len(detail) == 0 {
		return nil
	}
	return diag.Diagnostics{diag.NewAttributeWarningDiagnostic(path.Root("id"), fmt.Sprintf("The new id replaces certificate profile %s", id), strings.Join(detail, "\n\n"))}
}

// certificatesUnder returns ids of certificates under a profile, at most one more than a warning names. If the server does
// not answer, it returns none: the apply asks the server again.
func (r *certificateProfileResource) certificatesUnder(ctx context.Context, profile string) (ids []string) {
	ctx, cancel := context.WithTimeout(ctx, previewTimeout)
	defer cancel()
	for c, err := range r.client.ListCertificates(ctx, client.ListCertificatesOptions{ProfileID: profile}) {
		if err != nil || len(ids) > maxNamedUsers {
			break
		}
		ids = append(ids, c.ID)
	}
	return ids
}

// unknownAttributes returns the names of the attributes that have unknown parts.
func unknownAttributes(plan tfsdk.Plan) (names []string) {
	var members map[string]tftypes.Value
	if plan.Raw.As(&members) != nil {
		return nil
	}
	for name, value := range members {
		if !value.IsFullyKnown() {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// warnOfUnknownEdit warns of an edit of a gated profile whose values are not all known. The server cannot preview such an edit.
func warnOfUnknownEdit(state certificateProfileModel, unknown []string) diag.Diagnostics {
	if !state.RequiresApproval {
		return nil
	}
	return diag.Diagnostics{diag.NewWarningDiagnostic(
		fmt.Sprintf("This edit of certificate profile %s may need an approval", state.ID.ValueString()),
		fmt.Sprintf("The profile requires approval, and these attributes are known only during the apply: %s. If the edit needs an approval, the apply changes nothing, and ends with an error that names the approval.",
			strings.Join(unknown, ", ")))}
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

// warnOfApproval names the changes that a second person must approve, and says that the apply ends before that.
func warnOfApproval(id string, p api.EditPreview) diag.Diagnostics {
	detail := "The profile requires approval. An apply changes nothing yet. It asks for an approval of this edit, and ends with an error that names the approval."
	switch {
	case p.ApprovalID != nil:
		detail = fmt.Sprintf("The profile requires approval, and the same edit already awaits approval %s. Until that approval is decided, an apply changes nothing and ends with an error that names it.", *p.ApprovalID)
	case p.PreviousApprovalID != nil:
		detail += fmt.Sprintf(" The same edit was requested before: approval %s was not approved.", *p.PreviousApprovalID)
	}
	detail += "\n\nThe edit changes: " + strings.Join(changedAttributes(p.Changes), ", ") + "."
	if effects := describeEffects(p); effects != "" {
		detail += "\n\n" + effects
	}
	return diag.Diagnostics{diag.NewWarningDiagnostic(fmt.Sprintf("This edit of certificate profile %s needs an approval", id), detail)}
}

// changedAttributes returns the names of the attributes that an edit changes. It returns no value, because the plan masks
// sensitive values and the provider cannot know which are sensitive.
func changedAttributes(changes []api.Change) (names []string) {
	for _, c := range changes {
		if parts := splitPointer(c.Pointer); len(parts) > 0 && !slices.Contains(names, parts[0]) {
			names = append(names, parts[0])
		}
	}
	return names
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
