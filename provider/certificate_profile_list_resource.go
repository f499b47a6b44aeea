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

// certificateProfileList finds profiles for terraform query, which can write import blocks for them.
type certificateProfileList struct{ connection }

var _ list.ListResourceWithConfigure = (*certificateProfileList)(nil)

func newCertificateProfileList() list.ListResource { return &certificateProfileList{} }

func (l *certificateProfileList) Metadata(_ context.Context, req resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_certificate_profile"
}

func (l *certificateProfileList) ListResourceConfigSchema(_ context.Context, _ list.ListResourceSchemaRequest, resp *list.ListResourceSchemaResponse) {
	resp.Schema = schema.Schema{
		MarkdownDescription: "Finds certificate profiles, to see them or to import them.",
		Attributes: map[string]schema.Attribute{
			"name": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "Only the profile of exactly this name.",
				Validators:          []validator.String{stringvalidator.LengthAtLeast(1)}, // empty would mean all
			},
		},
	}
}

func (l *certificateProfileList) Configure(_ context.Context, req resource.ConfigureRequest, _ *resource.ConfigureResponse) {
	l.connection = connectionFrom(req.ProviderData)
}

// List reads page after page, only as far as Terraform asks.
func (l *certificateProfileList) List(ctx context.Context, req list.ListRequest, stream *list.ListResultsStream) {
	var name types.String
	if diags := req.Config.GetAttribute(ctx, path.Root("name"), &name); diags.HasError() {
		stream.Results = list.ListResultsStreamDiagnostics(diags)
		return
	}
	a := attempt{what: "list the certificate profiles", schema: req.Config.Schema}
	stream.Results = func(push func(list.ListResult) bool) {
		left := req.Limit
		for p, err := range l.client.ListProfiles(ctx, client.ListProfilesOptions{Name: name.ValueString()}) {
			if err != nil {
				push(list.ListResult{Diagnostics: a.failed(ctx, err)})
				return
			}
			left--
			if !push(listed(ctx, req, p)) || left == 0 {
				return
			}
		}
	}
}

func listed(ctx context.Context, req list.ListRequest, p api.Profile) list.ListResult {
	result := req.NewListResult(ctx)
	result.DisplayName = p.Name
	result.Diagnostics.Append(identify(ctx, result.Identity, p.ID)...)
	if req.IncludeResource {
		result.Diagnostics.Append(result.Resource.Set(ctx, newCertificateProfileModel(p))...)
	}
	return result
}
