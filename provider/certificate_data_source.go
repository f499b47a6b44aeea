package provider

import (
	"context"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"

	"github.com/certctl/terraform-provider-certctl/api"
)

type certificateDataSource struct{ connection }

var _ datasource.DataSourceWithConfigure = (*certificateDataSource)(nil)

func newCertificateDataSource() datasource.DataSource { return &certificateDataSource{} }

func (d *certificateDataSource) Metadata(_ context.Context, req datasource.MetadataRequest, resp *datasource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_certificate"
}

func (d *certificateDataSource) Schema(_ context.Context, _ datasource.SchemaRequest, resp *datasource.SchemaResponse) {
	resp.Schema = certificateDataSourceSchema()
}

func (d *certificateDataSource) Configure(_ context.Context, req datasource.ConfigureRequest, _ *datasource.ConfigureResponse) {
	d.connection = connectionOf(req.ProviderData)
}

func (d *certificateDataSource) Read(ctx context.Context, req datasource.ReadRequest, resp *datasource.ReadResponse) {
	var id string
	resp.Diagnostics.Append(req.Config.GetAttribute(ctx, path.Root("id"), &id)...)
	if resp.Diagnostics.HasError() {
		return
	}
	c, diags := d.certificateByID(ctx, req.Config.Schema, id)
	resp.Diagnostics.Append(diags...)
	if !resp.Diagnostics.HasError() {
		resp.Diagnostics.Append(resp.State.Set(ctx, newCertificateDataModel(c, time.Now()))...)
	}
}

// certificateByID returns a certificate, or an error on the attribute id if there is none.
func (c connection) certificateByID(ctx context.Context, schema attributeTypes, id string) (found api.Certificate, diags diag.Diagnostics) {
	a := attempt{action: "read certificate " + id, schema: schema}
	found, err := c.client.GetCertificate(ctx, id)
	switch {
	case isGone(err, typeCertificate, id):
		diags.AddAttributeError(path.Root("id"), a.summary(),
			c.client.Endpoint()+" has no certificate with this id. An archived certificate counts as absent.")
	case err != nil:
		diags.Append(a.explain(ctx, err)...)
	case found.ID != id:
		diags.Append(a.wrongObject(typeCertificate, found.ID)...)
	}
	return found, diags
}
