package provider

import (
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework-validators/int64validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/certctl/terraform-provider-certctl/api"
)

// The limits of the list of approvals. The counts cover all approvals.
const (
	defaultApprovalLimit = 100
	maxApprovalLimit     = 500
)

// pendingApprovalsSchema repeats parts of the list as scalars, because some policy engines cannot iterate.
func pendingApprovalsSchema() schema.Schema {
	return schema.Schema{
		MarkdownDescription: "The approvals that await a decision, as input for policies. If the server cannot be reached or refuses, the read fails; it never returns an empty list.",
		Attributes: map[string]schema.Attribute{
			"kind": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "Only approvals of this kind: `issuance` or `profile_edit`.",
				Validators:          []validator.String{stringvalidator.OneOf(string(api.ApprovalIssuance), string(api.ApprovalProfileEdit))},
			},
			"profile_id":     optionalFilter("Only approvals under this certificate profile."),
			"certificate_id": optionalFilter("Only approvals for this certificate."),
			"requested_by":   optionalFilter("Only approvals that this principal requested."),
			"limit": schema.Int64Attribute{
				Optional:            true,
				MarkdownDescription: fmt.Sprintf("How many approvals to list, 1 to %d. Defaults to `%d`. The counts cover all approvals.", maxApprovalLimit, defaultApprovalLimit),
				Validators:          []validator.Int64{int64validator.Between(1, maxApprovalLimit)},
			},

			"total_count":         schema.Int64Attribute{Computed: true, MarkdownDescription: "How many approvals await a decision."},
			"truncated":           schema.BoolAttribute{Computed: true, MarkdownDescription: "Whether there are more approvals than `ids` and `approvals` list."},
			"oldest_requested_at": computedTime("When the oldest request was made; null without one."),
			"oldest_age_seconds":  schema.Int64Attribute{Computed: true, MarkdownDescription: "How long the oldest request has waited, by the server's clock; 0 without one."},
			"evaluated_at":        computedTime("When the server evaluated the approvals, by the server's clock."),
			"ids":                 schema.ListAttribute{Computed: true, ElementType: types.StringType, MarkdownDescription: "Ids of the approvals listed, the oldest first."},
			"count_by_kind":       schema.MapAttribute{Computed: true, ElementType: types.Int64Type, MarkdownDescription: "Number of approvals of each kind, 0 included."},
			"count_by_profile":    schema.MapAttribute{Computed: true, ElementType: types.Int64Type, MarkdownDescription: "Number of approvals under each profile that has any, by the id of the profile."},
			"approval_bypass":     schema.BoolAttribute{Computed: true, MarkdownDescription: "Whether the server approves every request by itself. Never true in production."},
			"endpoint":            computedString("Address of the server."),
			"server_version":      computedString("Version of the server."),
			"approvals": schema.ListNestedAttribute{
				Computed:            true,
				NestedObject:        schema.NestedAttributeObject{Attributes: pendingApprovalAttributes()},
				MarkdownDescription: "The approvals, the oldest first.",
			},
		},
	}
}

func pendingApprovalAttributes() map[string]schema.Attribute {
	attributes := approvalAttributes()
	attributes["age_seconds"] = schema.Int64Attribute{Computed: true, MarkdownDescription: "How long the approval had waited at `evaluated_at`."}
	return attributes
}
