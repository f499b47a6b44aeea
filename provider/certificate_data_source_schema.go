package provider

import (
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

func certificateDataSourceSchema() schema.Schema {
	attributes := certificateDataAttributes()
	attributes["id"] = schema.StringAttribute{
		Required:            true,
		MarkdownDescription: "Id of the certificate, like `mc-www`.",
		Validators:          []validator.String{stringvalidator.LengthAtLeast(1)},
	}
	return schema.Schema{
		MarkdownDescription: "A certificate that is managed elsewhere: the current certificate and its chain, its newest request, and its next renewal. If there is none, the read fails.",
		Attributes:          attributes,
	}
}

// certificateDataAttributes returns the attributes that every data source shows of a certificate.
func certificateDataAttributes() map[string]schema.Attribute {
	return map[string]schema.Attribute{
		"id":                   computedString("Id of the certificate."),
		"profile_id":           computedString("The certificate profile."),
		"common_name":          computedString("The common name; empty without one."),
		"sans":                 computedStringSet("The requested DNS names, IP addresses, URIs and e-mail addresses."),
		"csr_pem":              computedString("The CSR in PEM. It gives the public key."),
		"auto_renew":           computedBool("Whether the server asks for a renewal at `renew_at`."),
		"renew_before_seconds": schema.Int64Attribute{Computed: true, MarkdownDescription: "How many seconds before its end the certificate is due for renewal. Null means a third of its lifetime."},
		"labels":               schema.MapAttribute{Computed: true, ElementType: types.StringType, MarkdownDescription: "Labels of the certificate."},
		"status":               computedString("`unissued`, `awaiting_approval`, `issuing`, `issued`, `rejected`, `expired`, `request_expired`, `failed` or `cancelled`."),
		"up_to_date":           computedBool("Whether the current certificate is the one that would be signed now, and has not expired. `false` without one."),
		"serial_number":        computedString("Serial number of the current certificate, in lower-case hexadecimal; null without one."),
		"not_before":           computedTime("When the current certificate begins; null without one."),
		"not_after":            computedTime("When the current certificate ends; null without one."),
		"fingerprint_sha256":   computedString("SHA-256 of the current certificate in DER, in lower-case hexadecimal; null without one."),
		"spki_sha256":          computedString("SHA-256 of the public key of the current certificate, in lower-case hexadecimal; null without one."),
		"signed_sans":          computedStringSet("The names in the current certificate; null without one. They differ from `sans` until a change of `sans` has been issued."),
		"issuer_id":            computedString("The issuer that signed the current certificate; null without one."),
		"certificate_pem":      computedString("The current certificate; null without one."),
		"chain_pem":            computedString("The issuers of the current certificate, without the certificate itself; null without one."),
		"full_chain_pem":       computedString("The current certificate, then its issuers, as many servers need them in one file; null without one."),
		"renew_at":             computedTime("When the current certificate is due for renewal; null without one."),
		"ready_for_renewal":    computedBool("Whether `renew_at` had come at the read."),
		"renewal":              computedRenewal(),
		"job_id":               computedString("The newest job; null without one."),
		"open_job_id":          computedString("The job that has not ended; null without one."),
		"job":                  computedJob(),
		"approval_id":          computedString("The approval of the newest job; null if the job needed none."),
		"approval_state":       computedString("`pending`, `approved`, `rejected`, `expired` or `cancelled`; null without an approval."),
		"csr_ignored":          computedIgnored("Parts of the CSR that are not signed under the profile's current rules."),
		"created_at":           computedTime("When the certificate was created, in UTC."),
		"updated_at":           computedTime("When the certificate last changed, in UTC."),
	}
}

func computedRenewal() schema.SingleNestedAttribute {
	return schema.SingleNestedAttribute{
		Computed:            true,
		MarkdownDescription: "The next renewal by the server, and what is in its way.",
		Attributes: map[string]schema.Attribute{
			"due_at":     computedTime("When the server asks for the renewal; null without a current certificate, and without `auto_renew`."),
			"blocked_by": computedString("Why the server cannot renew: `person_disabled`, `profile_disabled`, `rules`, `approval_required`, `issuer` or `undecidable`. Null if nothing is in the way."),
			"since":      computedTime("Since when the renewal is blocked for this reason; null if it is not."),
			"detail":     computedString("What is in the way and what to do, for people to read; empty if nothing is."),
		},
	}
}

func computedJob() schema.SingleNestedAttribute {
	return schema.SingleNestedAttribute{
		Computed:            true,
		MarkdownDescription: "The newest job, open or not; null without one.",
		Attributes: map[string]schema.Attribute{
			"id":            computedString("Id of the job."),
			"status":        computedString("`AwaitingApproval`, `Pending`, `Running`, `Completed`, `Failed` or `Cancelled`."),
			"type":          computedString("`Issuance` for the first certificate, else `Renewal`."),
			"cause":         computedString("Why the job made no certificate, as a code such as `approval_rejected`; null otherwise."),
			"error_message": computedString("The same for people to read; may be empty."),
		},
	}
}

func computedIgnored(description string) schema.ListNestedAttribute {
	return schema.ListNestedAttribute{
		Computed:            true,
		MarkdownDescription: description,
		NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
			"what":  computedString("The kind of part, like `key usage`."),
			"value": computedString("What the CSR asks for, shortened if it is long."),
		}},
	}
}
