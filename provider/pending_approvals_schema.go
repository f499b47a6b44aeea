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

// How many approvals the data source lists. It counts all of them.
const (
	defaultApprovalLimit = 100
	maxApprovalLimit     = 500
)

// pendingApprovalsSchema repeats what a policy needs as scalars, since not every policy engine can walk a list.
func pendingApprovalsSchema() schema.Schema {
	return schema.Schema{
		MarkdownDescription: "The approvals that await a decision, as input for policies. A server that cannot be reached or refuses is an error, never an empty list.",
		Attributes: map[string]schema.Attribute{
			"kind": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "Only approvals of this kind: `issuance` or `profile_edit`.",
				Validators:          []validator.String{stringvalidator.OneOf(string(api.ApprovalIssuance), string(api.ApprovalProfileEdit))},
			},
			"profile_id":     argument("Only approvals under this certificate profile."),
			"certificate_id": argument("Only approvals for this certificate."),
			"requested_by":   argument("Only approvals that this principal asked for."),
			"limit": schema.Int64Attribute{
				Optional:            true,
				MarkdownDescription: fmt.Sprintf("How many approvals to list, 1 to %d. Defaults to `%d`. All are counted, whatever the limit.", maxApprovalLimit, defaultApprovalLimit),
				Validators:          []validator.Int64{int64validator.Between(1, maxApprovalLimit)},
			},

			"total_count":         schema.Int64Attribute{Computed: true, MarkdownDescription: "How many approvals await a decision."},
			"truncated":           schema.BoolAttribute{Computed: true, MarkdownDescription: "Whether there are more than `ids` and `approvals` list."},
			"oldest_requested_at": moment("When the oldest was asked for; null when there is none."),
			"oldest_age_seconds":  schema.Int64Attribute{Computed: true, MarkdownDescription: "How long the oldest has waited, by the server's clock; 0 when there is none."},
			"evaluated_at":        moment("When the server took this reading, by its clock."),
			"ids":                 schema.ListAttribute{Computed: true, ElementType: types.StringType, MarkdownDescription: "Ids of the approvals listed, the oldest first."},
			"count_by_kind":       schema.MapAttribute{Computed: true, ElementType: types.Int64Type, MarkdownDescription: "How many of each kind, 0 included."},
			"count_by_profile":    schema.MapAttribute{Computed: true, ElementType: types.Int64Type, MarkdownDescription: "How many under each profile that has any, by its id."},
			"approval_bypass":     schema.BoolAttribute{Computed: true, MarkdownDescription: "Whether the server approves everything by itself. Never true in production."},
			"endpoint":            text("The server that was asked."),
			"server_version":      text("Version of that server."),
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
	attributes["age_seconds"] = schema.Int64Attribute{Computed: true, MarkdownDescription: "How long it has waited at `evaluated_at`."}
	return attributes
}
