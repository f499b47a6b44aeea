package provider

import (
	"context"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
)

type certificateResource struct{ connection }

var (
	_ resource.ResourceWithConfigure   = (*certificateResource)(nil)
	_ resource.ResourceWithImportState = (*certificateResource)(nil)
	_ resource.ResourceWithModifyPlan  = (*certificateResource)(nil)
	_ resource.ResourceWithIdentity    = (*certificateResource)(nil)

	_ resource.ResourceWithValidateConfig = (*certificateResource)(nil)
)

const (
	defaultIssuanceTimeout = 10 * time.Minute
	defaultDeleteTimeout   = 2 * time.Minute
)

func newCertificateResource() resource.Resource { return &certificateResource{} }

func (r *certificateResource) Metadata(_ context.Context, req resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_certificate"
}

func (r *certificateResource) Schema(ctx context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	resp.Schema = certificateSchema(ctx)
}

func (r *certificateResource) IdentitySchema(_ context.Context, _ resource.IdentitySchemaRequest, resp *resource.IdentitySchemaResponse) {
	resp.IdentitySchema = idIdentitySchema("Id of the certificate.")
}

func (r *certificateResource) Configure(_ context.Context, req resource.ConfigureRequest, _ *resource.ConfigureResponse) {
	r.connection = connectionOf(req.ProviderData)
}

// Create makes the certificate and asks for issuance in one request. A waiting request is a warning: an error would taint
// the resource.
func (r *certificateResource) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	var plan certificateModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	resp.Diagnostics.Append(checkCSR(plan)...)
	wait, diags := plan.Timeouts.Create(ctx, defaultIssuanceTimeout)
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	body := api.CreateCertificate{ID: plan.ID.ValueString(), CertificateSpec: plan.spec()}
	a := attempt{action: "create certificate " + body.ID, body: body, schema: req.Plan.Schema}
	c, err := r.client.CreateCertificate(uninterruptible(ctx), body, r.issueOptions())
	if err != nil {
		resp.Diagnostics.Append(a.explain(ctx, err)...)
		return
	}
	resp.Diagnostics.Append(warnOfIgnored(c)...)
	resp.Diagnostics.Append(r.save(ctx, a, plan, c, target{&resp.State, resp.Identity, resp.Private})...)
	if resp.Diagnostics.HasError() {
		return
	}
	resp.Diagnostics.Append(r.followRequest(ctx, plan, c, wait, target{&resp.State, resp.Identity, resp.Private})...)
}

func (r *certificateResource) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	var state certificateModel
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	if resp.Diagnostics.HasError() {
		return
	}
	id := state.ID.ValueString()
	// The framework wants an identity also for an object that is gone.
	resp.Diagnostics.Append(setIdentity(ctx, resp.Identity, id)...)
	a := attempt{action: "read certificate " + id, schema: req.State.Schema}
	c, err := r.client.GetCertificate(ctx, id)
	if isGone(err, typeCertificate, id) {
		resp.State.RemoveResource(ctx)
		return
	}
	if err != nil {
		resp.Diagnostics.Append(a.explain(ctx, err)...)
		return
	}
	state.issuanceOutputs, state.CSRIgnored = unknownOutputs(), unknownIgnored() // any of them may have changed
	resp.Diagnostics.Append(r.save(ctx, a, state, c, target{&resp.State, resp.Identity, resp.Private})...)
}

// Update writes the changes, asks for issuance if the plan says so, and waits if the configuration says so.
func (r *certificateResource) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	var plan, state certificateModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	resp.Diagnostics.Append(checkCSR(plan)...)
	match, diags := ifMatch(ctx, req.Private)
	resp.Diagnostics.Append(diags...)
	wait, diags := plan.Timeouts.Update(ctx, defaultIssuanceTimeout)
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	a := attempt{action: "update certificate " + plan.ID.ValueString(), body: plan.spec(), schema: req.Plan.Schema}
	c, err := r.update(uninterruptible(ctx), plan, state, match)
	if err != nil {
		resp.Diagnostics.Append(a.explain(ctx, err)...)
		return
	}
	if !plan.CSRPEM.Equal(state.CSRPEM) {
		resp.Diagnostics.Append(warnOfIgnored(c)...)
	}
	resp.Diagnostics.Append(r.save(ctx, a, plan, c, target{&resp.State, resp.Identity, resp.Private})...)
	if resp.Diagnostics.HasError() {
		return
	}
	resp.Diagnostics.Append(r.followRequest(ctx, plan, c, wait, target{&resp.State, resp.Identity, resp.Private})...)
}

func (r *certificateResource) update(ctx context.Context, plan, state certificateModel, match client.RequestOption) (api.Certificate, error) {
	id := plan.ID.ValueString()
	if !plan.hasSameContent(state) {
		return r.client.ReplaceCertificate(ctx, id, plan.spec(), r.issueOptions(), match)
	}
	if !plan.hasSameSpec(state) {
		if _, err := r.client.ReplaceCertificate(ctx, id, plan.spec(), match); err != nil {
			return api.Certificate{}, err
		}
	}
	c, err := r.client.GetCertificate(ctx, id)
	if err != nil {
		return c, err
	}
	if plan.hasSameTriggers(state) && certificateStateOf(c) != stateUnmet {
		return c, nil
	}
	// An open job counts as the renewal.
	if _, err := r.client.RenewCertificate(ctx, id, api.Renew{Reason: r.reason, AlsoExcluded: r.authors}); err != nil && !api.Is(err, api.CodeJobAlreadyOpen) {
		return c, err
	}
	return r.client.GetCertificate(ctx, id)
}

// Delete archives the certificate. If a job is running, Delete tries again until the job has ended.
func (r *certificateResource) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	var state certificateModel
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	match, diags := ifMatch(ctx, req.Private)
	resp.Diagnostics.Append(diags...)
	timeout, diags := state.Timeouts.Delete(ctx, defaultDeleteTimeout)
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	id := state.ID.ValueString()
	deadline := time.Now().Add(timeout)
	for {
		err := r.client.DeleteCertificate(uninterruptible(ctx), id, match)
		if err == nil || isGone(err, typeCertificate, id) {
			return
		}
		if !api.Is(err, api.CodeInUse) || !pause(ctx, deadline) {
			a := attempt{action: "delete certificate " + id, schema: req.State.Schema}
			resp.Diagnostics.Append(a.explain(ctx, err)...)
			return
		}
	}
}

func (r *certificateResource) ImportState(ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse) {
	importable{name: "certificate", prefix: "mc-"}.importByID(ctx, req, resp)
}

// ValidateConfig refuses a certificate that has neither SANs nor a common name.
func (r *certificateResource) ValidateConfig(ctx context.Context, req resource.ValidateConfigRequest, resp *resource.ValidateConfigResponse) {
	var sans types.Set
	var commonName types.String
	resp.Diagnostics.Append(req.Config.GetAttribute(ctx, path.Root("sans"), &sans)...)
	resp.Diagnostics.Append(req.Config.GetAttribute(ctx, path.Root("common_name"), &commonName)...)
	if sans.IsUnknown() || commonName.IsUnknown() || len(sans.Elements()) > 0 || commonName.ValueString() != "" {
		return
	}
	resp.Diagnostics.AddAttributeError(path.Root("sans"), "The certificate has no name",
		"sans is empty, and common_name is not set. Give sans at least one name. If the profile has allowed_common_names, common_name alone is enough.")
}

// checkCSR checks a CSR before it is sent or stored: during validation it may have been unknown.
func checkCSR(plan certificateModel) (diags diag.Diagnostics) {
	if fault := csrFault(plan.CSRPEM.ValueString()); fault != "" {
		diags.AddAttributeError(path.Root("csr_pem"), "Not a certificate request", fault)
	}
	return diags
}

// stateKey is the key of the certificateState in private state. Read sets it for the next plan.
const stateKey = "certificate_state"

// save stores the certificate, its version and its state.
func (r *certificateResource) save(ctx context.Context, a attempt, m certificateModel, c api.Certificate, to target) diag.Diagnostics {
	if c.ID != m.ID.ValueString() {
		return a.wrongObject(typeCertificate, c.ID)
	}
	diags := to.state.Set(ctx, m.withCertificate(c, time.Now()))
	diags.Append(setIdentity(ctx, to.identity, c.ID)...)
	diags.Append(to.setPrivate(ctx, map[string]any{versionKey: c.Version, stateKey: certificateStateOf(c)})...)
	return diags
}

// followRequest waits for the open job if the configuration says so, saves the outcome, and warns of it. It returns no
// error: the certificate is in the state, and the next apply goes on.
func (r *certificateResource) followRequest(ctx context.Context, m certificateModel, c api.Certificate, timeout time.Duration, to target) (diags diag.Diagnostics) {
	if m.WaitForIssuance.ValueBool() && c.OpenJobID != nil {
		ended, err := r.waitForJob(ctx, c, time.Now().Add(timeout))
		switch c = ended; {
		case err != nil:
			diags.AddWarning("Stopped waiting for certificate "+c.ID, capitalize(err.Error())+". The next apply goes on waiting.")
		case c.Status == api.CertificateIssuing:
			diags.AddWarning("Certificate "+c.ID+" is still being issued", "Job "+c.Job.ID+" is running. The next apply goes on waiting.")
		}
		a := attempt{action: "wait for certificate " + c.ID}
		diags.Append(r.save(ctx, a, m, c, to)...)
	}
	diags.Append(r.warnOfOutcome(ctx, c)...)
	return diags
}

// waitForJob polls until the open job has ended, and returns the last answer.
func (r *certificateResource) waitForJob(ctx context.Context, c api.Certificate, deadline time.Time) (api.Certificate, error) {
	for c.OpenJobID != nil {
		if !pause(ctx, deadline) {
			return c, nil
		}
		next, err := r.client.GetCertificate(ctx, c.ID)
		if ctx.Err() != nil {
			return c, nil
		}
		if err != nil {
			return c, err
		}
		c = next
	}
	return c, nil
}

// warnOfOutcome says what a person has to do, or why there is no certificate.
func (r *certificateResource) warnOfOutcome(ctx context.Context, c api.Certificate) (diags diag.Diagnostics) {
	switch state := certificateStateOf(c); {
	case c.Status == api.CertificateAwaitingApproval && c.ApprovalID != nil:
		diags.AddWarning("Certificate "+c.ID+" awaits approval "+*c.ApprovalID, r.howToDecideOn(ctx, *c.ApprovalID))
	case state == stateRejected || state == stateUnmet:
		reason := string(c.Status)
		if c.Job != nil && c.Job.ErrorMessage != "" {
			reason = c.Job.ErrorMessage
		}
		diags.AddWarning("Certificate "+c.ID+" was not issued", capitalize(reason)+". The next plan says what to do.")
	}
	return diags
}
