package provider

import (
	"context"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
)

type approvalDataSource struct{ connection }

var _ datasource.DataSourceWithConfigure = (*approvalDataSource)(nil)

func newApprovalDataSource() datasource.DataSource { return &approvalDataSource{} }

func (d *approvalDataSource) Metadata(_ context.Context, req datasource.MetadataRequest, resp *datasource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_approval"
}

func (d *approvalDataSource) Schema(_ context.Context, _ datasource.SchemaRequest, resp *datasource.SchemaResponse) {
	resp.Schema = approvalSchema()
}

func (d *approvalDataSource) Configure(_ context.Context, req datasource.ConfigureRequest, _ *datasource.ConfigureResponse) {
	d.connection = connectionOf(req.ProviderData)
}

func (d *approvalDataSource) Read(ctx context.Context, req datasource.ReadRequest, resp *datasource.ReadResponse) {
	var id string
	resp.Diagnostics.Append(req.Config.GetAttribute(ctx, path.Root("id"), &id)...)
	if resp.Diagnostics.HasError() {
		return
	}
	a := attempt{action: "read approval " + id, schema: req.Config.Schema}
	found, err := d.client.GetApproval(ctx, id)
	switch {
	case isGone(err, typeApproval, id):
		resp.Diagnostics.Append(a.explainNoApproval(id, d.client.Endpoint()))
		return
	case err != nil:
		resp.Diagnostics.Append(a.explain(ctx, err)...)
		return
	case found.ID != id:
		resp.Diagnostics.Append(a.wrongObject(typeApproval, found.ID)...)
		return
	}
	m, err := newFullApprovalModel(found)
	if err != nil {
		resp.Diagnostics.Append(a.explainSubject(fmt.Errorf("approval %s: %w", id, err))...)
		return
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, m)...)
}

func (a attempt) explainNoApproval(id, endpoint string) diag.Diagnostic {
	return diag.NewAttributeErrorDiagnostic(path.Root("id"), a.summary(),
		fmt.Sprintf("There is no approval %q on %s. Check that the id is that of an approval (ar-...), and that endpoint (%s) is the right server.", id, endpoint, endpointVariable))
}

// explainSubject returns the error of a subject that the provider does not know.
func (a attempt) explainSubject(err error) diag.Diagnostics {
	return a.fail(fmt.Sprintf("The provider cannot read a subject: %s. The server may be newer than this provider: use a newer version of the provider.", err))
}
