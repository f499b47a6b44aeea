package provider

import (
	"context"
	"time"

	"github.com/hashicorp/terraform-plugin-framework-timetypes/timetypes"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/list"
	"github.com/hashicorp/terraform-plugin-framework/list/schema"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"

	"github.com/certctl/terraform-provider-certctl/api"
)

// certificateList lists certificates for terraform query, which can write import blocks for them.
type certificateList struct{ connection }

var _ list.ListResourceWithConfigure = (*certificateList)(nil)

func newCertificateList() list.ListResource { return &certificateList{} }

func (l *certificateList) Metadata(_ context.Context, req resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_certificate"
}

func (l *certificateList) ListResourceConfigSchema(_ context.Context, _ list.ListResourceSchemaRequest, resp *list.ListResourceSchemaResponse) {
	attributes := map[string]schema.Attribute{
		"expires_before": schema.StringAttribute{Optional: true, CustomType: timetypes.RFC3339Type{}, MarkdownDescription: expiresBeforeDescription},
	}
	for name, description := range certificateFilterDescriptions {
		attributes[name] = schema.StringAttribute{Optional: true, MarkdownDescription: description, Validators: validateCertificateFilter(name)}
	}
	resp.Schema = schema.Schema{MarkdownDescription: "Lists certificates, to read or to import them.", Attributes: attributes}
}

func (l *certificateList) Configure(_ context.Context, req resource.ConfigureRequest, _ *resource.ConfigureResponse) {
	l.connection = connectionOf(req.ProviderData)
}

// List fetches a page when Terraform asks for its first certificate.
func (l *certificateList) List(ctx context.Context, req list.ListRequest, stream *list.ListResultsStream) {
	var filter certificateFilter
	diags := req.Config.Get(ctx, &filter)
	options, more := filter.options()
	diags.Append(more...)
	if diags.HasError() {
		stream.Results = list.ListResultsStreamDiagnostics(diags)
		return
	}
	a := attempt{action: "list the certificates", schema: req.Config.Schema}
	stream.Results = func(push func(list.ListResult) bool) {
		remaining := req.Limit
		for c, err := range l.client.ListCertificates(ctx, options) {
			if err != nil {
				push(list.ListResult{Diagnostics: a.explain(ctx, err)})
				return
			}
			remaining--
			if !push(newCertificateResult(ctx, req, c)) || remaining == 0 {
				return
			}
		}
	}
}

func newCertificateResult(ctx context.Context, req list.ListRequest, c api.Certificate) list.ListResult {
	result := req.NewListResult(ctx)
	result.DisplayName = c.ID
	result.Diagnostics.Append(setIdentity(ctx, result.Identity, c.ID)...)
	if req.IncludeResource {
		result.Diagnostics.Append(setListedCertificate(ctx, result.Resource, c)...)
	}
	return result
}

// setListedCertificate sets what a read after an import would. The attributes that only Terraform has are null.
func setListedCertificate(ctx context.Context, to *tfsdk.Resource, c api.Certificate) diag.Diagnostics {
	var m certificateModel
	diags := to.GetAttribute(ctx, path.Root("timeouts"), &m.Timeouts)
	diags.Append(to.GetAttribute(ctx, path.Root("renewal_triggers"), &m.RenewalTriggers)...)
	if diags.HasError() {
		return diags
	}
	m.issuanceOutputs, m.CSRIgnored = unknownOutputs(), unknownIgnored()
	diags.Append(to.Set(ctx, m.withCertificate(c, time.Now()))...)
	return diags
}
