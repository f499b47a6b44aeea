package provider

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
)

// ModifyPlan changes no plan. It returns errors for what the server would refuse in any case. It warns of an edit that would
// wait or be refused, of a replaced profile, and of a pending edit that the configuration no longer has. Only a change costs a
// request: Read left the id of the pending edit in private state.
func (r *certificateProfileResource) ModifyPlan(ctx context.Context, req resource.ModifyPlanRequest, resp *resource.ModifyPlanResponse) {
	if r.client == nil {
		return // Terraform plans without a server, in tests
	}
	if !req.Plan.Raw.Equal(req.State.Raw) {
		resp.Diagnostics.Append(r.warnOfMissingRole()...)
	}
	a := attempt{schema: req.Plan.Schema}
	switch {
	case req.Plan.Raw.IsNull():
	case req.State.Raw.IsNull():
		resp.Diagnostics.Append(r.previewCreate(ctx, a, req.Plan)...)
	default:
		resp.Diagnostics.Append(r.planUpdate(ctx, a, req)...)
	}
}

// planUpdate explains the plan of a profile that exists.
func (r *certificateProfileResource) planUpdate(ctx context.Context, a attempt, req resource.ModifyPlanRequest) (diags diag.Diagnostics) {
	var state certificateProfileModel // the state of an older provider lacks newer attributes, so only these are read
	diags.Append(req.State.GetAttribute(ctx, path.Root("id"), &state.ID)...)
	diags.Append(req.State.GetAttribute(ctx, path.Root("requires_approval"), &state.RequiresApproval)...)
	var id types.String
	diags.Append(req.Plan.GetAttribute(ctx, path.Root("id"), &id)...)
	if diags.HasError() {
		return diags
	}
	switch unknown := unknownAttributes(req.Plan); {
	case !id.Equal(state.ID):
		return r.warnOfReplacement(ctx, state)
	case len(unknown) > 0:
		return warnOfUnknownEdit(state, unknown)
	case req.Plan.Raw.Equal(req.State.Raw):
		return r.warnOfPendingEdit(ctx, state.ID.ValueString(), req.Private)
	}
	var plan certificateProfileModel
	if diags.Append(req.Plan.Get(ctx, &plan)...); diags.HasError() {
		return diags
	}
	a.body = plan.spec()
	return r.previewEdit(ctx, a, plan, req.Private)
}

// previewCreate asks the server what it would do with a new profile. The preview has no id: the id of a replaced profile
// still belongs to the old one.
func (r *certificateProfileResource) previewCreate(ctx context.Context, a attempt, planned tfsdk.Plan) (diags diag.Diagnostics) {
	made := []string{"id", "created_at"} // by the server
	if slices.ContainsFunc(unknownAttributes(planned), func(name string) bool { return !slices.Contains(made, name) }) {
		return nil
	}
	var plan certificateProfileModel
	if diags.Append(planned.Get(ctx, &plan)...); diags.HasError() {
		return diags
	}
	body := api.CreateProfile{ProfileSpec: plan.spec()}
	preview, err := askPreview(ctx, r.previews, func(ctx context.Context) (api.EditPreview, error) {
		return r.client.PreviewProfile(ctx, body)
	})
	a.body = plan.create()
	object := fmt.Sprintf("Certificate profile %q", plan.Name)
	switch {
	case err != nil:
		return a.explainNoPreview(ctx, summaryRefused, err)
	case preview.Problem != nil:
		return a.explainRefusal(ctx, summaryRefused, object, preview.Problem)
	}
	return warnOfServer(object, preview.Warnings)
}

// explainRefusal returns errors for broken rules: nothing else in the plan can mend them. Any other refusal depends on what
// the server has stored, which the same plan may change: it is a warning.
func (a attempt) explainRefusal(ctx context.Context, summary, object string, problem *api.Problem) diag.Diagnostics {
	if problem.Code() == api.CodeInvalidRequest {
		return a.explainRefused(ctx, summary, problem)
	}
	return a.warnOfRefused(ctx, summary, object,
		"The plan goes on, because it may also change what is in the way. If it does not, the apply fails.", problem)
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
	return diag.Diagnostics{diag.NewAttributeWarningDiagnostic(path.Root("id"), summaryNewProfile, "Certificate profile "+id+":\n\n"+strings.Join(detail, "\n\n"))}
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
	return diag.Diagnostics{diag.NewWarningDiagnostic(summaryEditMayWait, fmt.Sprintf(
		"Certificate profile %s requires approval, and these attributes are known only during the apply: %s. If the edit needs an approval, the apply changes nothing, and ends with an error that names the approval.",
		state.ID.ValueString(), strings.Join(unknown, ", ")))}
}

// previewEdit asks the server what it would do with an edit.
func (r *certificateProfileResource) previewEdit(ctx context.Context, a attempt, plan certificateProfileModel, private privateState) diag.Diagnostics {
	opts := []client.EditOption{r.editOptions()}
	if match, diags := ifMatch(ctx, private); !diags.HasError() {
		opts = append(opts, match)
	}
	preview, err := askPreview(ctx, r.previews, func(ctx context.Context) (api.EditPreview, error) {
		return r.client.PreviewProfile(ctx, plan.create(), opts...)
	})
	id := plan.ID.ValueString()
	switch {
	case err != nil:
		return a.explainNoPreview(ctx, summaryRefusedEdit, err)
	case preview.Outcome == api.EditWaits:
		return warnOfApproval(id, preview)
	case preview.Outcome == api.EditRefused && preview.Problem != nil:
		return a.explainRefusal(ctx, summaryRefusedEdit, "Certificate profile "+id, preview.Problem)
	}
	return warnOfEffects(id, preview)
}

// warnOfEffects warns of an edit that applies at once, if it affects open jobs or renewals, or if the server warns of it.
func warnOfEffects(id string, p api.EditPreview) diag.Diagnostics {
	detail := describeEffects(p)
	if detail == "" {
		return warnOfServer("Certificate profile "+id, p.Warnings)
	}
	return diag.Diagnostics{diag.NewWarningDiagnostic(summaryEditEffects, "Certificate profile "+id+":\n\n"+detail)}
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

// warnOfApproval names the changes that a second person must approve, and says that the apply ends before that.
func warnOfApproval(id string, p api.EditPreview) diag.Diagnostics {
	detail := fmt.Sprintf("Certificate profile %s requires approval. An apply changes nothing yet. It asks for an approval of this edit, and ends with an error that names the approval.", id)
	switch {
	case p.ApprovalID != nil:
		detail = fmt.Sprintf("Certificate profile %s requires approval, and the same edit already awaits approval %s. Until that approval is decided, an apply changes nothing and ends with an error that names it.", id, *p.ApprovalID)
	case p.PreviousApprovalID != nil:
		detail += fmt.Sprintf(" The same edit was requested before: approval %s was not approved.", *p.PreviousApprovalID)
	}
	detail += "\n\nThe edit changes: " + strings.Join(changedAttributes(p.Changes), ", ") + "."
	if effects := describeEffects(p); effects != "" {
		detail += "\n\n" + effects
	}
	return diag.Diagnostics{diag.NewWarningDiagnostic(summaryEditWaits, detail)}
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
	detail := fmt.Sprintf(`The configuration equals certificate profile %[4]s, but an edit of the profile awaits approval %[1]s. If the edit is approved, it changes the profile, and the next plan would undo the change.

Read the edit, and withdraw it if it is no longer needed:

  curl "%[2]s/api/v1/approvals/%[1]s" -H "Authorization: Bearer $%[3]s"
  curl -X POST "%[2]s/api/v1/approvals/%[1]s/withdraw" -H "Authorization: Bearer $%[3]s"`,
		approval, r.client.Endpoint(), apiKeyVariable, id)
	diags.AddWarning(summaryEditPending, detail)
	return diags
}
