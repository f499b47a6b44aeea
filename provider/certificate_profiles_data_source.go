package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/certctl/terraform-provider-certctl/client"
)

type certificateProfilesDataSource struct{ connection }

var _ datasource.DataSourceWithConfigure = (*certificateProfilesDataSource)(nil)

func newCertificateProfilesDataSource() datasource.DataSource {
	return &certificateProfilesDataSource{}
}

type certificateProfilesModel struct {
	Name     types.String              `tfsdk:"name"`
	IDs      []string                  `tfsdk:"ids"`
	Profiles []certificateProfileModel `tfsdk:"profiles"`
}

func (d *certificateProfilesDataSource) Metadata(_ context.Context, req datasource.MetadataRequest, resp *datasource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_certificate_profiles"
}

func (d *certificateProfilesDataSource) Schema(_ context.Context, _ datasource.SchemaRequest, resp *datasource.SchemaResponse) {
	resp.Schema = schema.Schema{
		MarkdownDescription: "All certificate profiles of the server. A server that cannot be reached or refuses is an error, never an empty list.",
		Attributes: map[string]schema.Attribute{
			"name": argument("Only the profile of exactly this name. There being none is an empty list."),
			"ids":  schema.ListAttribute{Computed: true, ElementType: types.StringType, MarkdownDescription: "Ids of the profiles listed."},
			"profiles": schema.ListNestedAttribute{
				Computed:            true,
				NestedObject:        schema.NestedAttributeObject{Attributes: certificateProfileAttributes()},
				MarkdownDescription: "The profiles, in the order of `ids`.",
			},
		},
	}
}

func (d *certificateProfilesDataSource) Configure(_ context.Context, req datasource.ConfigureRequest, _ *datasource.ConfigureResponse) {
	d.connection = connectionFrom(req.ProviderData)
}

func (d *certificateProfilesDataSource) Read(ctx context.Context, req datasource.ReadRequest, resp *datasource.ReadResponse) {
	m := certificateProfilesModel{IDs: []string{}, Profiles: []certificateProfileModel{}}
	resp.Diagnostics.Append(req.Config.GetAttribute(ctx, path.Root("name"), &m.Name)...)
	if resp.Diagnostics.HasError() {
		return
	}
	a := attempt{what: "read the certificate profiles", schema: req.Config.Schema}
	o := client.ListProfilesOptions{Page: client.Page{Limit: largestPage}, Name: m.Name.ValueString()}
	for p, err := range d.client.ListProfiles(ctx, o) {
		if err != nil {
			resp.Diagnostics.Append(a.failed(ctx, err)...)
			return
		}
		m.IDs = append(m.IDs, p.ID)
		m.Profiles = append(m.Profiles, newCertificateProfileModel(p))
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, m)...)
}

// largestPage is how many elements the server gives at once.
const largestPage = 500
