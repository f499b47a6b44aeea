package provider

import (
	"context"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
)

type certificatesDataSource struct{ connection }

var _ datasource.DataSourceWithConfigure = (*certificatesDataSource)(nil)

func newCertificatesDataSource() datasource.DataSource { return &certificatesDataSource{} }

func (d *certificatesDataSource) Metadata(_ context.Context, req datasource.MetadataRequest, resp *datasource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_certificates"
}

func (d *certificatesDataSource) Schema(_ context.Context, _ datasource.SchemaRequest, resp *datasource.SchemaResponse) {
	resp.Schema = certificatesSchema()
}

func (d *certificatesDataSource) Configure(_ context.Context, req datasource.ConfigureRequest, _ *datasource.ConfigureResponse) {
	d.connection = connectionOf(req.ProviderData)
}

func (d *certificatesDataSource) Read(ctx context.Context, req datasource.ReadRequest, resp *datasource.ReadResponse) {
	var m certificatesModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &m)...)
	options, diags := m.options()
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	m.IDs, m.Certificates = []string{}, []certificateDataModel{}
	options.Limit = maxPageLimit
	a := attempt{action: "read the certificates", schema: req.Config.Schema}
	now := time.Now()
	for c, err := range d.client.ListCertificates(ctx, options) {
		if err != nil {
			resp.Diagnostics.Append(a.explain(ctx, err)...)
			return
		}
		m.IDs = append(m.IDs, c.ID)
		m.Certificates = append(m.Certificates, newCertificateDataModel(c, now))
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, m)...)
}
