package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/path"

	"github.com/certctl/terraform-provider-certctl/client"
)

type certificateProfilesDataSource struct{ connection }

var _ datasource.DataSourceWithConfigure = (*certificateProfilesDataSource)(nil)

func newCertificateProfilesDataSource() datasource.DataSource {
	return &certificateProfilesDataSource{}
}

func (d *certificateProfilesDataSource) Metadata(_ context.Context, req datasource.MetadataRequest, resp *datasource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_certificate_profiles"
}

func (d *certificateProfilesDataSource) Schema(_ context.Context, _ datasource.SchemaRequest, resp *datasource.SchemaResponse) {
	resp.Schema = certificateProfilesSchema()
}

func (d *certificateProfilesDataSource) Configure(_ context.Context, req datasource.ConfigureRequest, _ *datasource.ConfigureResponse) {
	d.connection = connectionOf(req.ProviderData)
}

func (d *certificateProfilesDataSource) Read(ctx context.Context, req datasource.ReadRequest, resp *datasource.ReadResponse) {
	m := certificateProfilesModel{IDs: []string{}, Profiles: []certificateProfileDataModel{}}
	resp.Diagnostics.Append(req.Config.GetAttribute(ctx, path.Root("name"), &m.Name)...)
	if resp.Diagnostics.HasError() {
		return
	}
	a := attempt{action: "read the certificate profiles", schema: req.Config.Schema}
	o := client.ListProfilesOptions{Page: client.Page{Limit: maxPageLimit}, Name: m.Name.ValueString()}
	for p, err := range d.client.ListProfiles(ctx, o) {
		if err != nil {
			resp.Diagnostics.Append(a.explain(ctx, err)...)
			return
		}
		m.IDs = append(m.IDs, p.ID)
		m.Profiles = append(m.Profiles, newCertificateProfileDataModel(p))
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, m)...)
}

// maxPageLimit is the largest page that the server returns.
const maxPageLimit = 500
