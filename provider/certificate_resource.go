package provider

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
	"github.com/certctl/terraform-provider-certctl/rules"
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
	a := attempt{action: "create certificate " + describeCertificate(body), body: body, schema: req.Plan.Schema}
	c, err := r.client.CreateCertificate(uninterruptible(ctx), body, r.issueOptions())
	if err != nil {
		resp.Diagnostics.Append(a.explain(ctx, err)...)
		return
	}
	resp.Diagnostics.Append(warnOfIgnored(c)...)
	to := target{&resp.State, resp.Identity, resp.Private}
	resp.Diagnostics.Append(r.save(ctx, a, plan, c, "", to)...)
	if resp.Diagnostics.HasError() {
		return
	}
	_, diags = r.followRequest(ctx, plan, c, "", wait, to)
	resp.Diagnostics.Append(diags...)
}

// describeCertificate returns the id of a new certificate, or its first name if the server makes the id.
func describeCertificate(c api.CreateCertificate) string {
	return cmp.Or(c.ID, "of "+cmp.Or(append([]string{c.CommonName}, c.SANs...)...))
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
	renewalJob, diags := readPrivate[string](ctx, req.Private, renewalJobKey)
	resp.Diagnostics.Append(diags...)
	resp.Diagnostics.Append(r.save(ctx, a, state, c, renewalJob, target{&resp.State, resp.Identity, resp.Private})...)
}

// Update writes the changes, and requests the certificate if the plan says so. If the configuration says to wait, a request
// that brings no certificate is an error, so that nothing that depends on the certificate goes on. In an update an error
// taints nothing.
func (r *certificateResource) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	var plan, state certificateModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	resp.Diagnostics.Append(checkCSR(plan)...)
	match, diags := ifMatch(ctx, req.Private)
	resp.Diagnostics.Append(diags...)
	last, diags := readCertificateState(ctx, req.Private)
	resp.Diagnostics.Append(diags...)
	renewalJob, diags := readPrivate[string](ctx, req.Private, renewalJobKey)
	resp.Diagnostics.Append(diags...)
	wait, diags := plan.Timeouts.Update(ctx, defaultIssuanceTimeout)
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	a := attempt{action: "update certificate " + plan.ID.ValueString(), body: plan.spec(), schema: req.Plan.Schema}
	u := update{plan: plan, state: state, renews: !plan.hasSameTriggers(state, last), renewalJob: renewalJob}
	c, err := r.apply(uninterruptible(ctx), &u, match)
	if err != nil {
		resp.Diagnostics.Append(a.explain(ctx, err)...)
		return
	}
	if !plan.CSRPEM.Equal(state.CSRPEM) {
		resp.Diagnostics.Append(warnOfIgnored(c)...)
	}
	to := target{&resp.State, resp.Identity, resp.Private}
	resp.Diagnostics.Append(r.save(ctx, a, plan, c, u.renewalJob, to)...)
	if resp.Diagnostics.HasError() {
		return
	}
	mustIssue := plan.WaitForIssuance.ValueBool() && plan.Status.IsUnknown()
	isIssued, diags := r.followRequest(ctx, plan, c, u.renewalJob, wait, to)
	if mustIssue && !isIssued {
		diags = asErrors(diags)
	}
	resp.Diagnostics.Append(diags...)
}

// update is one apply of a changed plan.
type update struct {
	plan, state certificateModel
	renews      bool   // a trigger changed
	renewalJob  string // the job of a renewal that a trigger requested, if that job has not brought a leaf
}

// apply writes the changes and requests the certificate. The write requests the certificate in the same call if the leaf has
// other names or another key. If the leaf has them, the write requests nothing: people would decide on what is issued already.
func (r *certificateResource) apply(ctx context.Context, u *update, match client.RequestOption) (c api.Certificate, err error) {
	id, owes := u.plan.ID.ValueString(), u.renews || u.renewalJob != ""
	switch isChanged := !u.plan.hasSameContent(u.state); {
	case isChanged && !u.plan.isOnLeaf(u.state.CertificatePEM.ValueString()):
		c, err = r.client.ReplaceCertificate(ctx, id, u.plan.spec(), r.issueOptions(), match)
		if err == nil && owes && c.Job != nil {
			u.renewalJob = c.Job.ID
		}
		return c, err
	case !u.plan.hasSameSpec(u.state):
		c, err = r.client.ReplaceCertificate(ctx, id, u.plan.spec(), match)
	default:
		c, err = r.client.GetCertificate(ctx, id)
	}
	if err != nil || !u.mustRequest(c) {
		return c, err
	}
	// An open job counts as the renewal.
	if _, err := r.client.RenewCertificate(ctx, id, api.Renew{Reason: r.reason, AlsoExcluded: r.authors}); err != nil && !api.Is(err, api.CodeJobAlreadyOpen) {
		return c, err
	}
	if c, err = r.client.GetCertificate(ctx, id); err == nil && owes && c.Job != nil {
		u.renewalJob = c.Job.ID
	}
	return c, err
}

// mustRequest reports whether the certificate is to be requested after the write. The plan decides: if it keeps the outputs,
// the state could not have the request.
func (u *update) mustRequest(c api.Certificate) bool {
	switch {
	case u.renews:
		return true
	case !u.plan.Status.IsUnknown() || c.OpenJobID != nil:
		return false
	case !u.plan.hasSameContent(u.state):
		return !c.UpToDate || certificateStateOf(c, u.renewalJob) == stateUnmet
	default:
		return certificateStateOf(c, u.renewalJob) == stateUnmet
	}
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
	p := newPoll(timeout)
	for {
		err := r.client.DeleteCertificate(uninterruptible(ctx), id, match)
		if err == nil || isGone(err, typeCertificate, id) {
			return
		}
		if !api.Is(err, api.CodeInUse) || !p.pause(ctx) {
			a := attempt{action: "delete certificate " + id, schema: req.State.Schema}
			resp.Diagnostics.Append(a.explain(ctx, err)...)
			return
		}
	}
}

func (r *certificateResource) ImportState(ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse) {
	importableCertificate.importByID(ctx, req, resp)
}

// ValidateConfig refuses a certificate that has neither SANs nor a common name, and what no profile allows.
func (r *certificateResource) ValidateConfig(ctx context.Context, req resource.ValidateConfigRequest, resp *resource.ValidateConfigResponse) {
	var m certificateModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &m)...)
	if !resp.Diagnostics.HasError() {
		resp.Diagnostics.Append(checkForm(ctx, m, req.Config.Schema)...)
	}
}

// checkForm checks the names and the CSR as far as they are known.
func checkForm(ctx context.Context, m certificateModel, schema attributeTypes) (diags diag.Diagnostics) {
	if !isKnownSet(m.SANs) {
		return nil
	}
	if !m.CommonName.IsUnknown() && len(m.SANs.Elements()) == 0 && m.CommonName.ValueString() == "" {
		diags.AddAttributeError(path.Root("sans"), "The certificate has no name",
			"sans is empty, and common_name is not set. Give sans at least one name. If the profile has allowed_common_names, common_name alone is enough.")
		return diags
	}
	spec := api.CertificateSpec{SANs: stringsOf(m.SANs.Elements()), CommonName: m.CommonName.ValueString(), CSRPEM: m.CSRPEM.ValueString()}
	faults := rules.CheckSpelling(spec.SANs)
	if !m.CommonName.IsUnknown() && !m.CSRPEM.IsUnknown() && csrFault(spec.CSRPEM) == "" { // csrValidator explains any other text
		faults = rules.CheckForm(spec)
	}
	return explainFaults(ctx, attempt{body: spec, schema: schema}, "No profile allows this certificate", faults)
}

// explainFaults returns an error for each fault that the provider finds by itself, on its attribute.
func explainFaults(ctx context.Context, a attempt, summary string, faults []api.Fault) (diags diag.Diagnostics) {
	for _, f := range faults {
		at, place, _ := a.locate(ctx, f.Pointer)
		diags.AddAttributeError(at, summary, joinFault(place, f.Detail))
	}
	return diags
}

// checkCSR checks a CSR before it is sent or stored: during validation it may have been unknown.
func checkCSR(plan certificateModel) (diags diag.Diagnostics) {
	if fault := csrFault(plan.CSRPEM.ValueString()); fault != "" {
		diags.AddAttributeError(path.Root("csr_pem"), "Not a certificate request", fault)
	}
	return diags
}

// Keys of private state. Read sets the state for the next plan. An update sets the job of a renewal that a trigger requested.
const (
	stateKey      = "certificate_state"
	renewalJobKey = "renewal_job"
)

// save stores the certificate, its version and its state.
func (r *certificateResource) save(ctx context.Context, a attempt, m certificateModel, c api.Certificate, renewalJob string, to target) diag.Diagnostics {
	if !m.ID.IsUnknown() && c.ID != m.ID.ValueString() {
		return a.wrongObject(typeCertificate, c.ID)
	}
	diags := to.state.Set(ctx, m.withCertificate(c, time.Now()))
	diags.Append(setIdentity(ctx, to.identity, c.ID)...)
	diags.Append(to.setPrivate(ctx, map[string]any{
		versionKey: c.Version, stateKey: certificateStateOf(c, renewalJob), renewalJobKey: owedRenewal(c, renewalJob),
	})...)
	return diags
}

// followRequest follows the open job, saves the outcome, and warns if there is no certificate. It reports whether the
// certificate is issued. It returns no error: the certificate is in the state, and the next apply goes on.
func (r *certificateResource) followRequest(ctx context.Context, m certificateModel, c api.Certificate, renewalJob string, timeout time.Duration, to target) (isIssued bool, diags diag.Diagnostics) {
	waits := m.WaitForIssuance.ValueBool()
	if !waits {
		timeout = min(timeout, issuingTimeout)
	}
	if m.needsFollowing(c) {
		ended, err := r.waitForJob(ctx, c, waits, newPoll(timeout))
		c = ended
		if err != nil {
			diags.Append(warnOfStopped(c.ID, err))
		}
		a := attempt{action: "wait for certificate " + c.ID}
		m.ID = types.StringValue(c.ID)
		diags.Append(r.save(ctx, a, m, c, renewalJob, to)...)
	}
	state := certificateStateOf(c, renewalJob)
	diags.Append(r.warnOfOutcome(ctx, c, state)...)
	return state == stateIssued, diags
}

func warnOfStopped(id string, err error) diag.Diagnostic {
	return diag.NewWarningDiagnostic(summaryStopped, fmt.Sprintf("Certificate %s: %s. The request goes on by itself. A later apply reads its outcome.", id, err))
}

// issuingTimeout bounds how long an apply follows a job that waits for no person.
const issuingTimeout = 30 * time.Second

// needsFollowing reports whether an apply can show how the open job ends. If the plan keeps the leaf, it cannot.
func (m certificateModel) needsFollowing(c api.Certificate) bool {
	return c.OpenJobID != nil && m.CertificatePEM.IsUnknown()
}

// waitForJob polls until the open job has ended, and returns the last answer. It waits for a person only if waits is true.
func (r *certificateResource) waitForJob(ctx context.Context, c api.Certificate, waits bool, p poll) (api.Certificate, error) {
	for c.OpenJobID != nil && (waits || c.Status != api.CertificateAwaitingApproval) {
		if !p.pause(ctx) {
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
