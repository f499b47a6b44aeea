package provider

import (
	"context"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework-validators/datasourcevalidator"
	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
)

type certificateProfileDataSource struct{ connection }

var (
	_ datasource.DataSourceWithConfigure        = (*certificateProfileDataSource)(nil)
	_ datasource.DataSourceWithConfigValidators = (*certificateProfileDataSource)(nil)
)

func newCertificateProfileDataSource() datasource.DataSource { return &certificateProfileDataSource{} }

func (d *certificateProfileDataSource) Metadata(_ context.Context, req datasource.MetadataRequest, resp *datasource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_certificate_profile"
}

func (d *certificateProfileDataSource) Schema(_ context.Context, _ datasource.SchemaRequest, resp *datasource.SchemaResponse) {
	resp.Schema = certificateProfileDataSourceSchema()
}

func (d *certificateProfileDataSource) ConfigValidators(context.Context) []datasource.ConfigValidator {
	return []datasource.ConfigValidator{datasourcevalidator.ExactlyOneOf(path.MatchRoot("id"), path.MatchRoot("name"))}
}

func (d *certificateProfileDataSource) Configure(_ context.Context, req datasource.ConfigureRequest, _ *datasource.ConfigureResponse) {
	d.connection = connectionOf(req.ProviderData)
}

func (d *certificateProfileDataSource) Read(ctx context.Context, req datasource.ReadRequest, resp *datasource.ReadResponse) {
	var id, name types.String
	resp.Diagnostics.Append(req.Config.GetAttribute(ctx, path.Root("id"), &id)...)
	resp.Diagnostics.Append(req.Config.GetAttribute(ctx, path.Root("name"), &name)...)
	if resp.Diagnostics.HasError() {
		return
	}
	p, diags := d.profileByIDOrName(ctx, req.Config.Schema, id.ValueString(), name.ValueString())
	resp.Diagnostics.Append(diags...)
	if !resp.Diagnostics.HasError() {
		resp.Diagnostics.Append(resp.State.Set(ctx, newCertificateProfileDataModel(p))...)
	}
}

func (c connection) profileByIDOrName(ctx context.Context, schema attributeTypes, id, name string) (api.Profile, diag.Diagnostics) {
	if id == "" {
		return c.profileByName(ctx, attempt{action: fmt.Sprintf("read certificate profile %q", name), schema: schema}, name)
	}
	a := attempt{action: "read certificate profile " + id, schema: schema}
	p, err := c.client.GetProfile(ctx, id)
	switch {
	case isGone(err, typeProfile, id):
		return p, a.fail(c.client.Endpoint() + " has no certificate profile with this id.")
	case err != nil:
		return p, a.explain(ctx, err)
	case p.ID != id:
		return p, a.wrongObject(typeProfile, p.ID)
	}
	return p, nil
}

// profileByName returns the profile with a name, or an error if there is none.
func (c connection) profileByName(ctx context.Context, a attempt, name string) (api.Profile, diag.Diagnostics) {
	if name == "" {
		return api.Profile{}, a.fail("The name is empty. Give the name of a certificate profile, or its id.")
	}
	for p, err := range c.client.ListProfiles(ctx, client.ListProfilesOptions{Name: name}) {
		if err != nil {
			return p, a.explain(ctx, err)
		}
		if p.Name == name {
			return p, nil
		}
	}
	return api.Profile{}, a.fail(fmt.Sprintf("%s has no certificate profile with the name %q. Upper and lower case matter. This command lists the profiles: curl \"%s/api/v1/profiles\" -H \"Authorization: Bearer $%s\"",
		c.client.Endpoint(), name, c.client.Endpoint(), apiKeyVariable))
}
