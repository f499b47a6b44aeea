package provider

import (
	"github.com/hashicorp/terraform-plugin-framework-timetypes/timetypes"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/certctl/terraform-provider-certctl/api"
)

type pendingApprovalsModel struct {
	Kind          types.String `tfsdk:"kind"`
	ProfileID     types.String `tfsdk:"profile_id"`
	CertificateID types.String `tfsdk:"certificate_id"`
	RequestedBy   types.String `tfsdk:"requested_by"`
	Limit         types.Int64  `tfsdk:"limit"`

	TotalCount        types.Int64                `tfsdk:"total_count"`
	Truncated         types.Bool                 `tfsdk:"truncated"`
	OldestRequestedAt timetypes.RFC3339          `tfsdk:"oldest_requested_at"`
	OldestAgeSeconds  types.Int64                `tfsdk:"oldest_age_seconds"`
	EvaluatedAt       timetypes.RFC3339          `tfsdk:"evaluated_at"`
	IDs               []string                   `tfsdk:"ids"`
	CountByKind       map[api.ApprovalKind]int64 `tfsdk:"count_by_kind"`
	CountByProfile    map[string]int64           `tfsdk:"count_by_profile"`
	ApprovalBypass    types.Bool                 `tfsdk:"approval_bypass"`
	Endpoint          types.String               `tfsdk:"endpoint"`
	ServerVersion     types.String               `tfsdk:"server_version"`
	Approvals         []pendingApprovalModel     `tfsdk:"approvals"`
}

type pendingApprovalModel struct {
	approvalModel
	AgeSeconds int64 `tfsdk:"age_seconds"`
}
