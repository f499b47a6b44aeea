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
	maps.Copy(attributes, outcomeAttributes())
	attributes["id"] = schema.StringAttribute{
		Required:            true,
		MarkdownDescription: "Id of the approval, like `ar-abc123`.",
		Validators:          []validator.String{stringvalidator.LengthAtLeast(1)},
	}
	return schema.Schema{
		MarkdownDescription: "One approval, decided or not: what was asked for, who stood behind it, and what became of it. There being none with this id is an error.",
		Attributes:          attributes,
	}
}

// approvalAttributes belong to every approval, wherever it is read.
func approvalAttributes() map[string]schema.Attribute {
	return map[string]schema.Attribute{
		"id":             text("Id of the approval."),
		"kind":           text("`issuance` or `profile_edit`."),
		"profile_id":     text("The gated profile."),
		"profile_name":   text("Its name."),
		"certificate_id": text("The certificate; null for a profile edit."),
		"common_name":    text("The certificate's common name; null for a profile edit."),
		"requested_by":   text("The principal that asked."),
		"accountable":    text("The person behind it, who may not decide."),
		"created_at":     moment("When it was asked for."),
		"expires_at":     moment("When it expires undecided."),
		"digest":         text("`sha256:` and the hash of the subject as RFC 8785 JSON."),
		"subject_json":   text("Everything that the decision covers, as JSON; read it with `jsondecode`."),
	}
}

// outcomeAttributes tell how it ended, and what else one wants to know of a single one.
func outcomeAttributes() map[string]schema.Attribute {
	return map[string]schema.Attribute{
		"state":                text("`pending`, `approved`, `rejected`, `expired` or `cancelled`. All but the first are final."),
		"job_id":               text("The job that waits for it; null for a profile edit."),
		"excluded":             schema.SetAttribute{Computed: true, ElementType: types.StringType, MarkdownDescription: "The people who may not decide."},
		"reason":               text("Why it was asked for; empty when nothing was said."),
		"previous_approval_id": text("The approval that asked for the same before and ended without approval; null when there is none."),
		"decided_by":           text("The approver, or an actor of the server's own: `system-reaper` of an expired one, `system-bypass` of a bypassed one. Null while it is pending, and of a cancelled one."),
		"decided_at":           moment("When it was decided, or expired; null otherwise."),
		"cause":                text("Why it ended without a decision, as a code such as `approval_withdrawn`; null otherwise."),
		"closed_by":            text("The principal whose call cancelled it; null otherwise."),
		"closed_at":            moment("When it was cancelled; null otherwise."),
		"also_excluded":        schema.SetAttribute{Computed: true, ElementType: types.StringType, MarkdownDescription: "The people whom the requester excluded from the decision, such as the authors of the change."},
		"stands_for":           schema.SetAttribute{Computed: true, ElementType: types.StringType, MarkdownDescription: "The authors whose changes the requester took over, so that they may decide."},
		"context_json":         text("What differs from the certificate that a human approved last, as JSON; read it with `jsondecode`. It is no part of the digest. Null for a profile edit."),
		"note":                 text("What was said with the decision; empty when nothing was."),
		"updated_at":           moment("When it last changed."),
	}
}
