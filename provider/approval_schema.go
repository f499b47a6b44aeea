package provider

import (
	"maps"

	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

func approvalSchema() schema.Schema {
	attributes := approvalAttributes()
	maps.Copy(attributes, approvalOutcomeAttributes())
	attributes["id"] = schema.StringAttribute{
		Required:            true,
		MarkdownDescription: "Id of the approval, like `ar-abc123`.",
		Validators:          []validator.String{stringvalidator.LengthAtLeast(1)},
	}
	return schema.Schema{
		MarkdownDescription: "One approval, decided or not: its subject, its requester and its outcome. If no approval has the id, the read fails.",
		Attributes:          attributes,
	}
}

// approvalAttributes returns the attributes that every data source shows of an approval.
func approvalAttributes() map[string]schema.Attribute {
	return map[string]schema.Attribute{
		"id":             computedString("Id of the approval."),
		"kind":           computedString("`issuance` or `profile_edit`."),
		"profile_id":     computedString("The gated profile."),
		"profile_name":   computedString("Name of the profile."),
		"certificate_id": computedString("The certificate; null for a profile edit."),
		"common_name":    computedString("The certificate's common name; null for a profile edit."),
		"requested_by":   computedString("The principal that made the request."),
		"accountable":    computedString("The person who is accountable for the request. They may not decide."),
		"created_at":     computedTime("When the request was made."),
		"expires_at":     computedTime("When the approval expires unless it is decided."),
		"digest":         computedString("`sha256:` and the hash of the subject as RFC 8785 JSON."),
		"subject_json":   computedString("Everything that the decision covers, as JSON for `jsondecode`."),
	}
}

// approvalOutcomeAttributes returns the attributes that only the data source of one approval shows.
func approvalOutcomeAttributes() map[string]schema.Attribute {
	return map[string]schema.Attribute{
		"state":                computedString("`pending`, `approved`, `rejected`, `expired` or `cancelled`. All but the first are final."),
		"job_id":               computedString("The job that waits for the approval; null for a profile edit."),
		"excluded":             schema.SetAttribute{Computed: true, ElementType: types.StringType, MarkdownDescription: "The people who may not decide."},
		"reason":               computedString("The reason of the request; may be empty."),
		"previous_approval_id": computedString("An earlier approval of the same request that ended without approval; null without one."),
		"decided_by":           computedString("The approver; `system-reaper` if the approval expired, `system-bypass` if the bypass approved it. Null while it is pending, and if it was cancelled."),
		"decided_at":           computedTime("When the approval was decided or expired; null otherwise."),
		"cause":                computedString("Why the approval was cancelled, as a code such as `approval_withdrawn`; null otherwise."),
		"closed_by":            computedString("The principal whose call cancelled the approval; null otherwise."),
		"closed_at":            computedTime("When the approval was cancelled; null otherwise."),
		"also_excluded":        schema.SetAttribute{Computed: true, ElementType: types.StringType, MarkdownDescription: "People whom the requester excluded from the decision, such as the authors of the change."},
		"stands_for":           schema.SetAttribute{Computed: true, ElementType: types.StringType, MarkdownDescription: "Authors whose changes the requester took over. These authors may decide."},
		"context_json":         computedString("The differences from the certificate that a human approved last, as JSON for `jsondecode`. The digest does not cover them. Null for a profile edit."),
		"note":                 computedString("The note of the decision; may be empty."),
		"updated_at":           computedTime("When the approval last changed."),
	}
}
