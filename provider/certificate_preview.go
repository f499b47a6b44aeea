package provider

import (
	"context"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/diag"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
)

// isKnownSpec reports whether all fields that a caller writes are known.
func (m certificateModel) isKnownSpec() bool {
	return !m.ProfileID.IsUnknown() && !m.CommonName.IsUnknown() && isKnownSet(m.SANs) && !m.CSRPEM.IsUnknown() &&
		!m.AutoRenew.IsUnknown() && !m.RenewBeforeSeconds.IsUnknown() && isKnownMap(m.Labels)
}

// previewCreate tells what the create of a plan would do. The preview has no id: the id of a replaced certificate still
// belongs to the old one.
func (r *certificateResource) previewCreate(ctx context.Context, a attempt, plan certificateModel) diag.Diagnostics {
	if !plan.isKnownSpec() {
		return nil
	}
	body := api.CreateCertificate{CertificateSpec: plan.spec()}
	preview, err := askPreview(ctx, r.previews, func(ctx context.Context) (api.CertificatePreview, error) {
		return r.client.PreviewCertificate(ctx, body, r.issueOptions())
	})
	a.body = body
	body.ID = plan.ID.ValueString()
	return a.explainPreview(ctx, "Certificate "+describeCertificate(body), preview, err)
}

// previewFields tells what the server would refuse in an update that requests nothing.
func (r *certificateResource) previewFields(ctx context.Context, a attempt, plan certificateModel) diag.Diagnostics {
	if !plan.isKnownSpec() {
		return nil
	}
	preview, err := askPreview(ctx, r.previews, func(ctx context.Context) (api.CertificatePreview, error) {
		return r.previewUpdate(ctx, plan)
	})
	a.body = plan.spec()
	return a.explainPreview(ctx, "Certificate "+plan.ID.ValueString(), preview, err)
}

func (r *certificateResource) previewUpdate(ctx context.Context, plan certificateModel, opts ...client.IssueOption) (api.CertificatePreview, error) {
	return r.client.PreviewCertificate(ctx, api.CreateCertificate{ID: plan.ID.ValueString(), CertificateSpec: plan.spec()}, opts...)
}

// explainPreview tells what the plan does not show. A refusal is a warning: the same plan may make or change the profile, and
// the provider sees no other resource of the plan. ValidateConfig has refused what no profile allows.
func (a attempt) explainPreview(ctx context.Context, object string, p api.CertificatePreview, err error) diag.Diagnostics {
	switch {
	case err != nil:
		return a.explainNoPreview(ctx, summaryRefusedNow, err)
	case p.Problem != nil:
		return a.warnOfRefused(ctx, summaryRefusedNow, object, adviseRefusedNow, p.Problem)
	}
	var diags diag.Diagnostics
	if p.Issuance == api.IssuanceWaits {
		diags.Append(warnOfWait(object))
	}
	diags.Append(warnOfServer(object, p.Warnings)...)
	return diags
}

const adviseRefusedNow = "The plan goes on, because it may also create or change the profile. If it does not, the apply fails."

// warnOfWait says that the apply requests a certificate that a second person must approve.
func warnOfWait(object string) diag.Diagnostic {
	return diag.NewWarningDiagnostic(summaryWillAwait, fmt.Sprintf(
		"%s:\n\nThe profile requires approval. The apply requests the certificate, and nothing is signed before a second person has approved the request.\n\nAfter the apply, the data source certctl_pending_approvals lists every request that waits.", object))
}
