package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/list"
	"github.com/hashicorp/terraform-plugin-framework/list/schema"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
)

// certificateProfileList lists profiles for terraform query, which can write import blocks for them.
type certificateProfileList struct{ connection }

var _ list.ListResourceWithConfigure = (*certificateProfileList)(nil)

func newCertificateProfileList() list.ListResource { return &certificateProfileList{} }

func (l *certificateProfileList) Metadata(_ context.Context, req resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_certificate_profile"
}

func (l *certificateProfileList) ListResourceConfigSchema(_ context.Context, _ list.ListResourceSchemaRequest, resp *list.ListResourceSchemaResponse) {
	resp.Schema = schema.Schema{
		MarkdownDescription: "Lists certificate profiles, to read or to import them.",
		Attributes: map[string]schema.Attribute{
			"name": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "Only the profile with exactly this name.",
				Validators:          []validator.String{stringvalidator.LengthAtLeast(1)}, // the server takes an empty value for no filter
			},
		},
	}
}

func (l *certificateProfileList) Configure(_ context.Context, req resource.ConfigureRequest, _ *resource.ConfigureResponse) {
	l.connection = connectionOf(req.ProviderData)
}

// List fetches a page when Terraform asks for its first profile.
func (l *certificateProfileList) List(ctx context.Context, req list.ListRequest, stream *list.ListResultsStream) {
	var name types.String
	if diags := req.Config.GetAttribute(ctx, path.Root("name"), &name); diags.HasError() {
		stream.Results = list.ListResultsStreamDiagnostics(diags)
		return
	}
	a := attempt{action: "list the certificate profiles", schema: req.Config.Schema}
	stream.Results = func(push func(list.ListResult) bool) {
		remaining := req.Limit
		for p, err := range l.client.ListProfiles(ctx, client.ListProfilesOptions{Name: name.ValueString()}) {
			if err != nil {
				push(list.ListResult{Diagnostics: a.explain(ctx, err)})
				return
			}
			remaining--
			if !push(newListResult(ctx, req, p)) || remaining == 0 {
				return
			}
		}
	}
}

func newListResult(ctx context.Context, req list.ListRequest, p api.Profile) list.ListResult {
	result := req.NewListResult(ctx)
	result.DisplayName = p.Name
	result.Diagnostics.Append(setIdentity(ctx, result.Identity, p.ID)...)
	if req.IncludeResource {
		result.Diagnostics.Append(result.Resource.Set(ctx, newCertificateProfileModel(p))...)
	}
	return result
}
