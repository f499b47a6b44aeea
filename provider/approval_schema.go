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
		"id":                   computedString("Id of the approval."),
		"kind":                 computedString("`issuance` or `profile_edit`."),
		"profile_id":           computedString("The gated profile."),
		"profile_name":         computedString("Name of the profile."),
		"certificate_id":       computedString("The certificate; null for a profile edit."),
		"common_name":          computedString("The certificate's common name; null for a profile edit."),
		"job_id":               computedString("The job that waits for the approval; null for a profile edit."),
		"requested_by":         computedString("The principal that made the request."),
		"accountable":          computedString("The person who is accountable for the request. They may not decide."),
		"excluded":             computedStringSet("The people who may not decide."),
		"also_excluded":        computedStringSet("People whom the requester excluded from the decision, such as the authors of the change."),
		"stands_for":           computedStringSet("Authors whose changes the requester took over. These authors may decide."),
		"undecidable":          computedBool("Whether the request waits and nobody can decide it."),
		"reason":               computedString("The reason of the request; may be empty."),
		"created_at":           computedTime("When the request was made."),
		"expires_at":           computedTime("When the approval expires unless it is decided."),
		"digest":               computedString("`sha256:` and the hash of the subject as RFC 8785 JSON."),
		"subject_json":         computedString("Everything that the decision covers, as JSON for `jsondecode`."),
		"context":              computedContext(),
		"effects":              computedEffects(),
		"csr_ignored":          computedIgnored("Parts of the CSR that will not be signed. Empty for a profile edit."),
		"previous_approval_id": computedString("An earlier approval of the same request that ended without approval; null without one."),
		"previous":             computedPrevious(),
		"rejections":           computedRejections(),
	}
}

// approvalOutcomeAttributes returns the attributes that only the data source of one approval shows.
func approvalOutcomeAttributes() map[string]schema.Attribute {
	return map[string]schema.Attribute{
		"state":      computedString("`pending`, `approved`, `rejected`, `expired` or `cancelled`. All but the first are final."),
		"decided_by": computedString("The approver; `system-reaper` if the approval expired, `system-bypass` if the bypass approved it. Null while it is pending, and if it was cancelled."),
		"decided_at": computedTime("When the approval was decided or expired; null otherwise."),
		"note":       computedString("The note of the decision; may be empty."),
		"cause":      computedString("Why the approval was cancelled, as a code such as `approval_withdrawn`; null otherwise."),
		"closed_by":  computedString("The principal whose call cancelled the approval; null otherwise."),
		"closed_at":  computedTime("When the approval was cancelled; null otherwise."),
		"updated_at": computedTime("When the approval last changed."),
	}
}

func computedContext() schema.SingleNestedAttribute {
	return schema.SingleNestedAttribute{
		Computed: true,
		MarkdownDescription: "The differences from the certificate that a human approved last. Without one, everything is new. " +
			"The context is fixed when the request is made, and the digest does not cover it. Null for a profile edit.",
		Attributes: map[string]schema.Attribute{
			"request":       computedString("`first` without a current certificate, `renewal` if only the key may differ, else `reissue`."),
			"current":       computedCurrentLeaf(),
			"names_added":   computedStringSet("Names that the approved certificate does not have."),
			"names_removed": computedStringSet("Names that only the approved certificate has."),
			"key_changed":   computedBool("Whether the public key differs from that of the approved certificate."),
			"other_changes": schema.ListNestedAttribute{
				Computed:            true,
				MarkdownDescription: "Other differences.",
				NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
					"pointer":     computedString("JSON pointer into the subject."),
					"before_json": computedString("The approved value as JSON; null without one."),
					"after_json":  computedString("The requested value as JSON; null without one."),
				}},
			},
			"changed_by": schema.ListNestedAttribute{
				Computed:            true,
				MarkdownDescription: "Authors of the differences, oldest first.",
				NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
					"by":          computedString("The principal that made the change."),
					"accountable": computedString("The person who is accountable for the change."),
					"at":          computedTime("When the change was made."),
					"fields":      computedStringSet("Fields of the subject that the change wrote."),
					"seen_by":     computedString("The human who approved the change; null without one."),
				}},
			},
			"other_certificates": schema.SingleNestedAttribute{
				Computed:            true,
				MarkdownDescription: "Other certificates with one of the names, a name that a wildcard covers, or the same key.",
				Attributes: map[string]schema.Attribute{
					"count": schema.Int64Attribute{Computed: true, MarkdownDescription: "How many there are."},
					"ids":   schema.ListAttribute{Computed: true, ElementType: types.StringType, MarkdownDescription: "Ids of at most ten of them, those under gated profiles first."},
				},
			},
		},
	}
}

func computedEffects() schema.SingleNestedAttribute {
	return schema.SingleNestedAttribute{
		Computed:            true,
		MarkdownDescription: "What a profile edit would do to jobs and certificates, counted when it was requested; null for an issuance.",
		Attributes: map[string]schema.Attribute{
			"jobs_cancelled":   schema.Int64Attribute{Computed: true, MarkdownDescription: "How many open jobs could no longer be signed."},
			"renewals_blocked": schema.Int64Attribute{Computed: true, MarkdownDescription: "How many certificates can be renewed now, and could not after the edit."},
		},
	}
}

func computedCurrentLeaf() schema.SingleNestedAttribute {
	return schema.SingleNestedAttribute{
		Computed:            true,
		MarkdownDescription: "The certificate that the request would replace; null before the first.",
		Attributes: map[string]schema.Attribute{
			"serial_number": computedString("Its serial number, in lower-case hexadecimal."),
			"not_after":     computedTime("When it ends."),
			"sans":          computedStringSet("Its names."),
			"key": schema.SingleNestedAttribute{
				Computed:            true,
				MarkdownDescription: "Its public key.",
				Attributes: map[string]schema.Attribute{
					"algorithm":   computedString("`ECDSA`, `RSA` or `Ed25519`."),
					"size":        schema.Int64Attribute{Computed: true, MarkdownDescription: "Size in bits."},
					"spki_sha256": computedString("SHA-256 of the public key, in lower-case hexadecimal."),
				},
			},
			"approved": computedBool("Whether a human approved it."),
		},
	}
}

func computedPrevious() schema.SingleNestedAttribute {
	return schema.SingleNestedAttribute{
		Computed:            true,
		MarkdownDescription: "What became of the approval in `previous_approval_id`; null without one.",
		Attributes: map[string]schema.Attribute{
			"state":      computedString("How it ended: `approved`, `rejected`, `expired` or `cancelled`."),
			"decided_by": computedString("The principal that decided; null if it was cancelled."),
			"decided_at": computedTime("When it was decided; null if it was cancelled."),
			"note":       computedString("The note of the decision; may be empty."),
		},
	}
}

func computedRejections() schema.ListNestedAttribute {
	return schema.ListNestedAttribute{
		Computed:            true,
		MarkdownDescription: "At most twenty rejected requests for any of the names since a human last approved them, newest first. They may be of other certificates. Empty for a profile edit.",
		NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
			"approval_id":    computedString("The rejected approval."),
			"certificate_id": computedString("The certificate of that request."),
			"decided_by":     computedString("The approver who rejected the request."),
			"decided_at":     computedTime("When the request was rejected."),
			"note":           computedString("The note of the decision; may be empty."),
		}},
	}
}
