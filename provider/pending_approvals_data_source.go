package provider

import (
	"context"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/diag"

	"github.com/certctl/terraform-provider-certctl/api"
)

type pendingApprovalsDataSource struct{ connection }

var _ datasource.DataSourceWithConfigure = (*pendingApprovalsDataSource)(nil)

func newPendingApprovalsDataSource() datasource.DataSource { return &pendingApprovalsDataSource{} }

func (d *pendingApprovalsDataSource) Metadata(_ context.Context, req datasource.MetadataRequest, resp *datasource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_pending_approvals"
}

func (d *pendingApprovalsDataSource) Schema(_ context.Context, _ datasource.SchemaRequest, resp *datasource.SchemaResponse) {
	resp.Schema = pendingApprovalsSchema()
}

func (d *pendingApprovalsDataSource) Configure(_ context.Context, req datasource.ConfigureRequest, _ *datasource.ConfigureResponse) {
	d.connection = connectionOf(req.ProviderData)
}

func (d *pendingApprovalsDataSource) Read(ctx context.Context, req datasource.ReadRequest, resp *datasource.ReadResponse) {
	var m pendingApprovalsModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &m)...)
	if resp.Diagnostics.HasError() {
		return
	}
	a := attempt{action: "read the pending approvals", schema: req.Config.Schema}
	s, err := d.client.GetApprovalSummary(ctx, m.options())
	if err != nil {
		resp.Diagnostics.Append(a.explain(ctx, err)...)
		return
	}
	if !isSummary(s) {
		resp.Diagnostics.Append(a.explainNoSummary(d.client.Endpoint())...)
		return
	}
	if err := m.setSummary(s, d.client.Endpoint()); err != nil {
		resp.Diagnostics.Append(a.explainSubject(err)...)
		return
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, m)...)
}

// isSummary reports whether the answer is a summary. Another JSON object would look like one without pending approvals.
func isSummary(s api.ApprovalSummary) bool {
	return !s.EvaluatedAt.IsZero() && s.CountByKind != nil && s.CountByProfile != nil && s.Approvals != nil
}

func (a attempt) explainNoSummary(endpoint string) diag.Diagnostics {
	return a.fail(fmt.Sprintf("The answer of %s is not a summary of approvals. The provider does not take it for an empty one. Check that endpoint (%s) is the address of a certctl server.", endpoint, endpointVariable))
}
