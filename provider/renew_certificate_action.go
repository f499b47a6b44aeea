package provider

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/action"
	"github.com/hashicorp/terraform-plugin-framework/diag"

	"github.com/certctl/terraform-provider-certctl/api"
)

// renewCertificateAction asks for a renewal and tells how it goes. It never waits for a person.
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
	r.connection = connectionFrom(req.ProviderData)
}

func (r *renewCertificateAction) Invoke(ctx context.Context, req action.InvokeRequest, resp *action.InvokeResponse) {
	var m renewCertificateModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &m)...)
	patience := defaultWait
	if !m.Timeout.IsNull() {
		given, diags := m.Timeout.ValueGoDuration()
		resp.Diagnostics.Append(diags...)
		patience = given
	}
	if resp.Diagnostics.HasError() {
		return
	}
	say := func(format string, args ...any) {
		resp.SendProgress(action.InvokeProgressEvent{Message: fmt.Sprintf(format, args...)})
	}
	a := attempt{what: "renew certificate " + m.CertificateID.ValueString(), schema: req.Config.Schema}
	resp.Diagnostics.Append(r.renew(ctx, a, m, patience, say)...)
}

func (r *renewCertificateAction) renew(ctx context.Context, a attempt, m renewCertificateModel, patience time.Duration, say func(string, ...any)) (diags diag.Diagnostics) {
	id, reason := m.CertificateID.ValueString(), m.Reason.ValueString()
	if m.Reason.IsNull() {
		reason = r.reason
	}
	j, err := r.client.RenewCertificate(finish(ctx), id, api.Renew{Reason: reason, AlsoExcluded: r.authors})
	if p, open := openJob(err); open {
		say("Job %s of %s is under way already: taking it for this renewal", p.JobID, id)
		j, err = r.client.GetJob(ctx, p.JobID)
	}
	if err != nil {
		return a.failed(ctx, err)
	}
	for deadline := time.Now().Add(patience); ; {
		say("Job %s is %s", j.ID, j.Status)
		switch {
		case j.Status == api.JobAwaitingApproval:
			diags.AddWarning("Certificate "+id+" awaits approval "+*j.ApprovalID, r.request(ctx, *j.ApprovalID))
			return diags
		case j.Status == api.JobCompleted:
			return diags
		case j.FinishedAt != nil:
			return a.plain(fmt.Sprintf("Job %s ended as %s: %s.", j.ID, j.Status, j.ErrorMessage))
		case !pause(ctx, deadline):
			diags.AddWarning("Stopped following job "+j.ID, fmt.Sprintf("It is %s, and goes on by itself.", j.Status))
			return diags
		}
		if j, err = r.client.GetJob(ctx, j.ID); err != nil {
			return a.failed(ctx, err)
		}
	}
}
