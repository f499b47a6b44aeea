package provider

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"

	"github.com/certctl/terraform-provider-certctl/api"
)

// warnOfOutcome says what a person has to do, or why there is no certificate.
func (r *certificateResource) warnOfOutcome(ctx context.Context, c api.Certificate, state certificateState) (diags diag.Diagnostics) {
	object := "Certificate " + c.ID + ":\n\n"
	switch {
	case c.Status == api.CertificateAwaitingApproval && c.ApprovalID != nil:
		diags.AddWarning(summaryAwaits, r.explainWait(ctx, c.ID, *c.ApprovalID))
	case c.OpenJobID != nil:
		diags.AddWarning(summaryIssuing, object+"Job "+*c.OpenJobID+" is not finished. A later refresh reads the certificate.")
	case state == stateRejected:
		diags.AddWarning(summaryNotIssued, object+r.explainRejection(ctx, *c.ApprovalID)+howToAskAgain)
	case state == stateUnmet:
		diags.AddWarning(summaryNotIssued, object+r.describeEnd(ctx, c)+"\n\nThe next apply requests the certificate again.")
	}
	return diags
}

const howToAskAgain = "\n\nTerraform does not ask again by itself. To ask again, change the names, the CSR or a value of renewal_triggers."

// warnOfRejection warns that a person rejected the newest request.
func (r *certificateResource) warnOfRejection(ctx context.Context, state certificateModel) (diags diag.Diagnostics) {
	diags.AddWarning(summaryRejected, "Certificate "+state.ID.ValueString()+":\n\n"+r.explainRejection(ctx, state.ApprovalID.ValueString())+howToAskAgain)
	return diags
}

// explainRejection says who rejected a request, and why.
func (r *certificateResource) explainRejection(ctx context.Context, id string) string {
	a, err := r.client.GetApproval(context.WithoutCancel(ctx), id)
	if err != nil || a.DecidedBy == nil {
		return "Approval " + id + " was rejected."
	}
	text := fmt.Sprintf("%s rejected approval %s.", *a.DecidedBy, id)
	if a.Note != "" {
		text += fmt.Sprintf("\n\nThe note of %s: %s", *a.DecidedBy, a.Note)
	}
	return text
}

// explainUnmet says why a certificate is requested again.
func (r *certificateResource) explainUnmet(ctx context.Context, id string) string {
	c, err := r.client.GetCertificate(ctx, id)
	if err != nil {
		return "The current certificate is not the one that was requested."
	}
	return r.describeEnd(ctx, c)
}

// describeEnd says how the newest request ended without the leaf that was requested, or why its leaf is not enough.
func (r *certificateResource) describeEnd(ctx context.Context, c api.Certificate) string {
	switch j := c.Job; {
	case j == nil:
		return "Nobody has requested the certificate yet."
	case j.Status == api.JobCompleted && c.Current != nil && c.Status == api.CertificateExpired:
		return fmt.Sprintf("The current certificate expired on %s.", c.Current.NotAfter.Format(time.RFC3339))
	case j.Status == api.JobCompleted:
		return "The current certificate is not what would be signed now. Its names, its key, a signed rule of the profile or the CA changed."
	case j.Cause != nil && c.ApprovalID != nil:
		return r.describeClosed(ctx, *c.ApprovalID, *j.Cause)
	default:
		return fmt.Sprintf("Job %s ended without a certificate: %s.", j.ID, j.ErrorMessage)
	}
}

// describeClosed says when a request expired, or who closed it.
func (r *certificateResource) describeClosed(ctx context.Context, id string, cause api.Cause) string {
	a, err := r.client.GetApproval(context.WithoutCancel(ctx), id)
	switch {
	case err == nil && a.State == api.ApprovalExpired:
		return fmt.Sprintf("Nobody decided on approval %s before it expired on %s.", id, a.ExpiresAt.Format(time.RFC3339))
	case err == nil && a.ClosedBy != nil:
		return fmt.Sprintf("%s closed approval %s: %s.", *a.ClosedBy, id, cause.Words())
	default:
		return fmt.Sprintf("Approval %s ended without a certificate: %s.", id, cause.Words())
	}
}

// asErrors turns warnings into errors.
func asErrors(diags diag.Diagnostics) (out diag.Diagnostics) {
	for _, d := range diags {
		out.AddError(d.Summary(), d.Detail())
	}
	return out
}
