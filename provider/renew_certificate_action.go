package provider

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/action"
	"github.com/hashicorp/terraform-plugin-framework/diag"

	"github.com/certctl/terraform-provider-certctl/api"
)

// renewCertificateAction asks for a renewal and reports its progress. It never waits for a person.
type renewCertificateAction struct{ connection }

var _ action.ActionWithConfigure = (*renewCertificateAction)(nil)

func newRenewCertificateAction() action.Action { return &renewCertificateAction{} }

func (r *renewCertificateAction) Metadata(_ context.Context, req action.MetadataRequest, resp *action.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_renew_certificate"
}

func (r *renewCertificateAction) Schema(_ context.Context, _ action.SchemaRequest, resp *action.SchemaResponse) {
	resp.Schema = renewCertificateSchema()
}

func (r *renewCertificateAction) Configure(_ context.Context, req action.ConfigureRequest, _ *action.ConfigureResponse) {
	r.connection = connectionOf(req.ProviderData)
}

func (r *renewCertificateAction) Invoke(ctx context.Context, req action.InvokeRequest, resp *action.InvokeResponse) {
	var m renewCertificateModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &m)...)
	timeout := defaultIssuanceTimeout
	if !m.Timeout.IsNull() {
		given, diags := m.Timeout.ValueGoDuration()
		resp.Diagnostics.Append(diags...)
		timeout = given
	}
	if resp.Diagnostics.HasError() {
		return
	}
	report := func(format string, args ...any) {
		resp.SendProgress(action.InvokeProgressEvent{Message: fmt.Sprintf(format, args...)})
	}
	a := attempt{action: "renew certificate " + m.CertificateID.ValueString(), schema: req.Config.Schema}
	resp.Diagnostics.Append(r.renew(ctx, a, m, timeout, report)...)
}

func (r *renewCertificateAction) renew(ctx context.Context, a attempt, m renewCertificateModel, timeout time.Duration, report func(string, ...any)) (diags diag.Diagnostics) {
	id, reason := m.CertificateID.ValueString(), m.Reason.ValueString()
	if m.Reason.IsNull() {
		reason = r.reason
	}
	j, err := r.client.RenewCertificate(uninterruptible(ctx), id, api.Renew{Reason: reason, AlsoExcluded: r.authors})
	if p, open := jobAlreadyOpen(err); open {
		report("Job %s of %s is already open and counts as this renewal", p.JobID, id)
		j, err = r.client.GetJob(ctx, p.JobID)
	}
	if err != nil {
		return a.explain(ctx, err)
	}
	for p := newPoll(timeout); ; {
		report("Job %s is %s", j.ID, j.Status)
		switch {
		case j.Status == api.JobAwaitingApproval:
			diags.AddWarning(summaryAwaits, r.explainWait(ctx, id, *j.ApprovalID))
			return diags
		case j.Status == api.JobCompleted:
			return diags
		case j.FinishedAt != nil:
			return a.explainJob(j)
		case !p.pause(ctx):
			diags.Append(warnOfStoppedJob(id, j))
			return diags
		}
		if j, err = r.client.GetJob(ctx, j.ID); err != nil {
			return a.explain(ctx, err)
		}
	}
}

// explainJob says how a job ended without a certificate.
func (a attempt) explainJob(j api.Job) diag.Diagnostics {
	return a.fail(fmt.Sprintf("Job %s ended as %s: %s.", j.ID, j.Status, j.ErrorMessage))
}

func warnOfStoppedJob(certificate string, j api.Job) diag.Diagnostic {
	return diag.NewWarningDiagnostic(summaryStoppedJob, fmt.Sprintf("Job %s of certificate %s is %s, and goes on by itself.", j.ID, certificate, j.Status))
}
