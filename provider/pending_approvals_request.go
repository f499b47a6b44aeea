package provider

import (
	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
)

func (m pendingApprovalsModel) options() client.GetApprovalSummaryOptions {
	o := client.GetApprovalSummaryOptions{Limit: defaultApprovalLimit}
	if !m.Limit.IsNull() {
		o.Limit = int(m.Limit.ValueInt64())
	}
	o.States = []api.ApprovalState{api.ApprovalPending}
	o.Kind = api.ApprovalKind(m.Kind.ValueString())
	o.ProfileID = m.ProfileID.ValueString()
	o.CertificateID = m.CertificateID.ValueString()
	o.RequestedBy = m.RequestedBy.ValueString()
	return o
}
