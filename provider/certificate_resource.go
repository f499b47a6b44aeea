package provider

import (
	"context"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
)

type certificateResource struct{ connection }

var (
	_ resource.ResourceWithConfigure   = (*certificateResource)(nil)
	_ resource.ResourceWithImportState = (*certificateResource)(nil)
	_ resource.ResourceWithModifyPlan  = (*certificateResource)(nil)
	_ resource.ResourceWithIdentity    = (*certificateResource)(nil)
)

const (
	defaultWait   = 10 * time.Minute
	defaultDelete = 2 * time.Minute
)

func newCertificateResource() resource.Resource { return &certificateResource{} }

func (r *certificateResource) Metadata(_ context.Context, req resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_certificate"
}

func (r *certificateResource) Schema(ctx context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	resp.Schema = certificateSchema(ctx)
}

func (r *certificateResource) IdentitySchema(_ context.Context, _ resource.IdentitySchemaRequest, resp *resource.IdentitySchemaResponse) {
	resp.IdentitySchema = idAlone("Id of the certificate.")
}

func (r *certificateResource) Configure(_ context.Context, req resource.ConfigureRequest, _ *resource.ConfigureResponse) {
	r.connection = connectionFrom(req.ProviderData)
}

// Create makes the certificate and asks for it in one request. From then on there is something in the state, so nothing
// that waits for a person is an error: an error would taint it.
func (r *certificateResource) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	var plan certificateModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	resp.Diagnostics.Append(mustBeCSR(plan)...)
	wait, diags := plan.Timeouts.Create(ctx, defaultWait)
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	body := api.CreateCertificate{ID: plan.ID.ValueString(), CertificateSpec: plan.spec()}
	a := attempt{what: "create certificate " + body.ID, sent: body, schema: req.Plan.Schema}
	c, err := r.client.CreateCertificate(finish(ctx), body, r.issueOptions())
	if err != nil {
		resp.Diagnostics.Append(a.failed(ctx, err)...)
		return
	}
	resp.Diagnostics.Append(r.save(ctx, a, plan, c, place{&resp.State, resp.Identity, resp.Private})...)
	if resp.Diagnostics.HasError() {
		return
	}
	resp.Diagnostics.Append(r.follow(ctx, plan, c, wait, place{&resp.State, resp.Identity, resp.Private})...)
}

func (r *certificateResource) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	var state certificateModel
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	if resp.Diagnostics.HasError() {
		return
	}
	id := state.ID.ValueString()
	// First of all: also the state of something that is gone must have an identity, or the framework complains.
	resp.Diagnostics.Append(identify(ctx, resp.Identity, id)...)
	a := attempt{what: "read certificate " + id, schema: req.State.Schema}
	c, err := r.client.GetCertificate(ctx, id)
	if gone(err, aCertificate, id) {
		resp.State.RemoveResource(ctx)
		return
	}
	if err != nil {
		resp.Diagnostics.Append(a.failed(ctx, err)...)
		return
	}
	state.outputs = unknownOutputs() // any of them may have moved
	resp.Diagnostics.Append(r.save(ctx, a, state, c, place{&resp.State, resp.Identity, resp.Private})...)
}

// Update writes what changed, asks for issuance if the plan says so, and waits if it shall.
func (r *certificateResource) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	var plan, state certificateModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	resp.Diagnostics.Append(mustBeCSR(plan)...)
	match, diags := ifMatch(ctx, req.Private)
	resp.Diagnostics.Append(diags...)
	wait, diags := plan.Timeouts.Update(ctx, defaultWait)
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	a := attempt{what: "update certificate " + plan.ID.ValueString(), sent: plan.spec(), schema: req.Plan.Schema}
	c, err := r.update(finish(ctx), plan, state, match)
	if err != nil {
		resp.Diagnostics.Append(a.failed(ctx, err)...)
		return
	}
	resp.Diagnostics.Append(r.save(ctx, a, plan, c, place{&resp.State, resp.Identity, resp.Private})...)
	if resp.Diagnostics.HasError() {
		return
	}
	resp.Diagnostics.Append(r.follow(ctx, plan, c, wait, place{&resp.State, resp.Identity, resp.Private})...)
}

func (r *certificateResource) update(ctx context.Context, plan, state certificateModel, match client.RequestOption) (api.Certificate, error) {
	id := plan.ID.ValueString()
	if !plan.sameContent(state) {
		return r.client.ReplaceCertificate(ctx, id, plan.spec(), r.issueOptions(), match)
	}
	if !plan.sameSpec(state) {
		if _, err := r.client.ReplaceCertificate(ctx, id, plan.spec(), match); err != nil {
			return api.Certificate{}, err
		}
	}
	c, err := r.client.GetCertificate(ctx, id)
	if err != nil {
		return c, err
	}
	if plan.sameTriggers(state) && certificateStateOf(c) != stateUnmet {
		return c, nil
	}
	// A request that is under way already is the one that was wanted.
	if _, err := r.client.RenewCertificate(ctx, id, api.Renew{Reason: r.reason, AlsoExcluded: r.authors}); err != nil && !api.Is(err, api.CodeJobAlreadyOpen) {
		return c, err
	}
	return r.client.GetCertificate(ctx, id)
}

// Delete archives the certificate. A job that is signing ends by itself, so it is waited for.
func (r *certificateResource) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	var state certificateModel
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	match, diags := ifMatch(ctx, req.Private)
	resp.Diagnostics.Append(diags...)
	patience, diags := state.Timeouts.Delete(ctx, defaultDelete)
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	id := state.ID.ValueString()
	deadline := time.Now().Add(patience)
	for {
		err := r.client.DeleteCertificate(finish(ctx), id, match)
		if err == nil || gone(err, aCertificate, id) {
			return
		}
		if !api.Is(err, api.CodeInUse) || !pause(ctx, deadline) {
			a := attempt{what: "delete certificate " + id, schema: req.State.Schema}
			resp.Diagnostics.Append(a.failed(ctx, err)...)
			return
		}
	}
}

func (r *certificateResource) ImportState(ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse) {
	resource.ImportStatePassthroughWithIdentity(ctx, path.Root("id"), path.Root("id"), req, resp)
}

// mustBeCSR looks again at a CSR that was unknown when the configuration was validated, before it is sent or stored.
func mustBeCSR(plan certificateModel) (diags diag.Diagnostics) {
	if fault := csrFault(plan.CSRPEM.ValueString()); fault != "" {
		diags.AddAttributeError(path.Root("csr_pem"), "Not a certificate request", fault)
	}
	return diags
}

// stateKey is where Read leaves the certificate's state for the plan.
const stateKey = "certificate_state"

// save stores the certificate, its version and its state.
func (r *certificateResource) save(ctx context.Context, a attempt, m certificateModel, c api.Certificate, to place) diag.Diagnostics {
	if c.ID != m.ID.ValueString() {
		return a.wrongObject(aCertificate, c.ID)
	}
	diags := to.state.Set(ctx, m.stored(c, time.Now()))
	diags.Append(identify(ctx, to.identity, c.ID)...)
	diags.Append(to.remember(ctx, map[string]any{versionKey: c.Version, stateKey: certificateStateOf(c)})...)
	return diags
}

// follow waits for the open request if that is wanted, keeps what became of it, and tells of it. All that it has to say
// is a warning: the certificate is in the state, and the next apply goes on.
func (r *certificateResource) follow(ctx context.Context, m certificateModel, c api.Certificate, patience time.Duration, to place) (diags diag.Diagnostics) {
	if m.WaitForIssuance.ValueBool() && c.OpenJobID != nil {
		ended, err := r.wait(ctx, c, time.Now().Add(patience))
		switch c = ended; {
		case err != nil:
			diags.AddWarning("Stopped waiting for certificate "+c.ID, upperFirst(err.Error())+". The next apply goes on waiting.")
		case c.Status == api.CertificateIssuing:
			diags.AddWarning("Certificate "+c.ID+" is still being issued", "Job "+c.Job.ID+" is under way. The next apply goes on waiting.")
		}
		a := attempt{what: "wait for certificate " + c.ID}
		diags.Append(r.save(ctx, a, m, c, to)...)
	}
	diags.Append(r.outcome(ctx, c)...)
	return diags
}

// wait looks until the job that is open has ended, and gives what it saw last.
func (r *certificateResource) wait(ctx context.Context, c api.Certificate, deadline time.Time) (api.Certificate, error) {
	for c.OpenJobID != nil {
		if !pause(ctx, deadline) {
			return c, nil
		}
		now, err := r.client.GetCertificate(ctx, c.ID)
		if ctx.Err() != nil {
			return c, nil
		}
		if err != nil {
			return c, err
		}
		c = now
	}
	return c, nil
}

// outcome tells what a person has to do, or why there is no certificate.
func (r *certificateResource) outcome(ctx context.Context, c api.Certificate) (diags diag.Diagnostics) {
	switch state := certificateStateOf(c); {
	case c.Status == api.CertificateAwaitingApproval && c.ApprovalID != nil:
		diags.AddWarning("Certificate "+c.ID+" awaits approval "+*c.ApprovalID, r.request(ctx, *c.ApprovalID))
	case state == stateRejected || state == stateUnmet:
		reason := string(c.Status)
		if c.Job != nil && c.Job.ErrorMessage != "" {
			reason = c.Job.ErrorMessage
		}
		diags.AddWarning("Certificate "+c.ID+" was not issued", upperFirst(reason)+". The next plan says how to go on.")
	}
	return diags
}
