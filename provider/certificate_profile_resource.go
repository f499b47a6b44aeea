package provider

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"

	"github.com/certctl/terraform-provider-certctl/api"
)

type certificateProfileResource struct{ connection }

var (
	_ resource.ResourceWithConfigure   = (*certificateProfileResource)(nil)
	_ resource.ResourceWithImportState = (*certificateProfileResource)(nil)
	_ resource.ResourceWithModifyPlan  = (*certificateProfileResource)(nil)
	_ resource.ResourceWithIdentity    = (*certificateProfileResource)(nil)

	_ resource.ResourceWithValidateConfig = (*certificateProfileResource)(nil)
)

func newCertificateProfileResource() resource.Resource { return &certificateProfileResource{} }

func (r *certificateProfileResource) Metadata(_ context.Context, req resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_certificate_profile"
}

func (r *certificateProfileResource) Schema(_ context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	resp.Schema = certificateProfileSchema()
}

func (r *certificateProfileResource) Configure(_ context.Context, req resource.ConfigureRequest, _ *resource.ConfigureResponse) {
	r.connection = connectionOf(req.ProviderData)
}

func (r *certificateProfileResource) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	var plan certificateProfileModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	if resp.Diagnostics.HasError() {
		return
	}
	a := attempt{action: fmt.Sprintf("create certificate profile %q", plan.Name), body: plan.create(), schema: req.Plan.Schema}
	p, err := r.client.CreateProfile(uninterruptible(ctx), plan.create())
	if err != nil {
		resp.Diagnostics.Append(a.explain(ctx, err)...)
		return
	}
	resp.Diagnostics.Append(r.save(ctx, a, p, plan.ID.ValueString(), target{&resp.State, resp.Identity, resp.Private})...)
}

func (r *certificateProfileResource) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	var id string
	resp.Diagnostics.Append(req.State.GetAttribute(ctx, path.Root("id"), &id)...)
	// The framework wants an identity also for an object that is gone.
	resp.Diagnostics.Append(setIdentity(ctx, resp.Identity, id)...)
	if resp.Diagnostics.HasError() {
		return
	}
	a := attempt{action: "read certificate profile " + id, schema: req.State.Schema}
	p, err := r.client.GetProfile(ctx, id)
	if isGone(err, typeProfile, id) {
		resp.State.RemoveResource(ctx)
		return
	}
	if err != nil {
		resp.Diagnostics.Append(a.explain(ctx, err)...)
		return
	}
	resp.Diagnostics.Append(r.save(ctx, a, p, id, target{&resp.State, resp.Identity, resp.Private})...)
}

// Update does not set resp.State if it fails. The prior state stays, and the next plan shows the same change.
func (r *certificateProfileResource) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	var plan certificateProfileModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	match, diags := ifMatch(ctx, req.Private)
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	id := plan.ID.ValueString()
	a := attempt{action: "update certificate profile " + id, body: plan.spec(), schema: req.Plan.Schema}
	p, err := r.client.ReplaceProfile(uninterruptible(ctx), id, plan.spec(), r.editOptions(), match)
	if err != nil {
		resp.Diagnostics.Append(a.explain(ctx, err)...)
		return
	}
	resp.Diagnostics.Append(r.save(ctx, a, p.Profile, id, target{&resp.State, resp.Identity, resp.Private})...)
}

func (r *certificateProfileResource) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	var id string
	resp.Diagnostics.Append(req.State.GetAttribute(ctx, path.Root("id"), &id)...)
	match, diags := ifMatch(ctx, req.Private)
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	err := r.client.DeleteProfile(uninterruptible(ctx), id, match)
	if err != nil && !isGone(err, typeProfile, id) {
		a := attempt{action: "delete certificate profile " + id, schema: req.State.Schema}
		resp.Diagnostics.Append(a.explain(ctx, err)...)
	}
}

// pendingApprovalKey is the key of the id of a pending edit in private state. Read sets it for the next plan.
const pendingApprovalKey = "pending_approval_id"

// pendingApprovalID returns the approval that an edit awaited at the last read; empty without one.
func pendingApprovalID(ctx context.Context, private privateState) (approval string, diags diag.Diagnostics) {
	text, diags := private.GetKey(ctx, pendingApprovalKey)
	if text == nil || json.Unmarshal(text, &approval) != nil {
		return "", diags // no read has set the key yet
	}
	return approval, diags
}

// save stores the profile and its version. If an id was requested, the answer must have that id.
func (r *certificateProfileResource) save(ctx context.Context, a attempt, p api.Profile, id string, to target) diag.Diagnostics {
	if p.ID == "" || id != "" && p.ID != id {
		return a.wrongObject(typeProfile, p.ID)
	}
	diags := to.state.Set(ctx, newCertificateProfileModel(p))
	diags.Append(setIdentity(ctx, to.identity, p.ID)...)
	diags.Append(to.setPrivate(ctx, map[string]any{versionKey: p.Version, pendingApprovalKey: p.PendingApprovalID})...)
	return diags
}

func (r *certificateProfileResource) IdentitySchema(_ context.Context, _ resource.IdentitySchemaRequest, resp *resource.IdentitySchemaResponse) {
	resp.IdentitySchema = idIdentitySchema("Id of the certificate profile.")
}

// importByNamePrefix begins the argument of an import by name.
const importByNamePrefix = "name:"

// ImportState accepts an id, an identity, or the name of a profile.
func (r *certificateProfileResource) ImportState(ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse) {
	name, ok := strings.CutPrefix(req.ID, importByNamePrefix)
	if !ok {
		importableProfile.importByID(ctx, req, resp)
		return
	}
	a := attempt{action: "import " + req.ID, schema: resp.State.Schema}
	p, diags := r.profileByName(ctx, a, name)
	resp.Diagnostics.Append(diags...)
	if !diags.HasError() {
		resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root("id"), p.ID)...)
	}
}
