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
)

func newCertificateProfileResource() resource.Resource { return &certificateProfileResource{} }

func (r *certificateProfileResource) Metadata(_ context.Context, req resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_certificate_profile"
}

func (r *certificateProfileResource) Schema(_ context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	resp.Schema = certificateProfileSchema()
}

func (r *certificateProfileResource) Configure(_ context.Context, req resource.ConfigureRequest, _ *resource.ConfigureResponse) {
	r.connection = connectionFrom(req.ProviderData)
}

func (r *certificateProfileResource) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	var plan certificateProfileModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	if resp.Diagnostics.HasError() {
		return
	}
	a := attempt{what: fmt.Sprintf("create certificate profile %q", plan.Name), sent: plan.create(), schema: req.Plan.Schema}
	p, err := r.client.CreateProfile(finish(ctx), plan.create())
	if err != nil {
		resp.Diagnostics.Append(a.failed(ctx, err)...)
		return
	}
	resp.Diagnostics.Append(r.save(ctx, a, p, plan.ID.ValueString(), place{&resp.State, resp.Identity, resp.Private})...)
}

func (r *certificateProfileResource) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	var id string
	resp.Diagnostics.Append(req.State.GetAttribute(ctx, path.Root("id"), &id)...)
	// First of all: also the state of something that is gone must have an identity, or the framework complains.
	resp.Diagnostics.Append(identify(ctx, resp.Identity, id)...)
	if resp.Diagnostics.HasError() {
		return
	}
	a := attempt{what: "read certificate profile " + id, schema: req.State.Schema}
	p, err := r.client.GetProfile(ctx, id)
	if gone(err, aProfile, id) {
		resp.State.RemoveResource(ctx)
		return
	}
	if err != nil {
		resp.Diagnostics.Append(a.failed(ctx, err)...)
		return
	}
	resp.Diagnostics.Append(r.save(ctx, a, p, id, place{&resp.State, resp.Identity, resp.Private})...)
}

// Update leaves resp.State alone when it fails: the prior state stays, and the next plan shows the same change.
func (r *certificateProfileResource) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	var plan certificateProfileModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	match, diags := ifMatch(ctx, req.Private)
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	id := plan.ID.ValueString()
	a := attempt{what: "update certificate profile " + id, sent: plan.spec(), schema: req.Plan.Schema}
	p, err := r.client.ReplaceProfile(finish(ctx), id, plan.spec(), r.editOptions(), match)
	if err != nil {
		resp.Diagnostics.Append(a.failed(ctx, err)...)
		return
	}
	resp.Diagnostics.Append(r.save(ctx, a, p.Profile, id, place{&resp.State, resp.Identity, resp.Private})...)
}

func (r *certificateProfileResource) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	var id string
	resp.Diagnostics.Append(req.State.GetAttribute(ctx, path.Root("id"), &id)...)
	match, diags := ifMatch(ctx, req.Private)
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	err := r.client.DeleteProfile(finish(ctx), id, match)
	if err != nil && !gone(err, aProfile, id) {
		a := attempt{what: "delete certificate profile " + id, schema: req.State.Schema}
		resp.Diagnostics.Append(a.failed(ctx, err)...)
	}
}

// pendingKey is where Read leaves, for the next plan, the edit that awaits approval.
const pendingKey = "pending_approval_id"

// pendingEdit is the approval that an edit awaited when the profile was read, empty if none did.
func pendingEdit(ctx context.Context, private privateState) (approval string, diags diag.Diagnostics) {
	text, diags := private.GetKey(ctx, pendingKey)
	if text == nil || json.Unmarshal(text, &approval) != nil {
		return "", diags // a state of before the key was kept
	}
	return approval, diags
}

// save keeps what the server stored, and the version of it. The id must be the one that was asked for, if any.
func (r *certificateProfileResource) save(ctx context.Context, a attempt, p api.Profile, id string, to place) diag.Diagnostics {
	if p.ID == "" || id != "" && p.ID != id {
		return a.wrongObject(aProfile, p.ID)
	}
	diags := to.state.Set(ctx, newCertificateProfileModel(p))
	diags.Append(identify(ctx, to.identity, p.ID)...)
	diags.Append(to.remember(ctx, map[string]any{versionKey: p.Version, pendingKey: p.PendingApprovalID})...)
	return diags
}

func (r *certificateProfileResource) IdentitySchema(_ context.Context, _ resource.IdentitySchemaRequest, resp *resource.IdentitySchemaResponse) {
	resp.IdentitySchema = idAlone("Id of the certificate profile.")
}

// byName is what an import gives instead of an id, followed by the name.
const byName = "name:"

// ImportState takes an id, an identity, or the name of a profile.
func (r *certificateProfileResource) ImportState(ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse) {
	name, ok := strings.CutPrefix(req.ID, byName)
	if !ok {
		resource.ImportStatePassthroughWithIdentity(ctx, path.Root("id"), path.Root("id"), req, resp)
		return
	}
	a := attempt{what: "import " + req.ID, schema: resp.State.Schema}
	p, diags := r.profileNamed(ctx, a, name)
	resp.Diagnostics.Append(diags...)
	if !diags.HasError() {
		resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root("id"), p.ID)...)
	}
}
