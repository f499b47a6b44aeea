package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework-timeouts/resource/timeouts"
	"github.com/hashicorp/terraform-plugin-framework-validators/int64validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/mapvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/booldefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringdefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/rules"
)

func certificateSchema(ctx context.Context) schema.Schema {
	defaults := api.DefaultCertificateSpec()
	return schema.Schema{
		MarkdownDescription: "A certificate and its issuance: names, public key, profile. Under a gated profile every issuance waits for a second person.",
		Attributes: map[string]schema.Attribute{
			"id": schema.StringAttribute{
				Optional:            true,
				Computed:            true,
				MarkdownDescription: "`mc-` and a name of your choice, like `mc-www`. Without it the server makes one, and `create_before_destroy` is possible. Changing it replaces the certificate.",
				PlanModifiers:       []planmodifier.String{stringplanmodifier.UseStateForUnknown(), stringplanmodifier.RequiresReplace()},
				Validators:          []validator.String{chosenID{"mc-"}}, // for an empty id the server would make one
			},
			"profile_id": schema.StringAttribute{
				Required:            true,
				MarkdownDescription: "The certificate profile. Changing it replaces the certificate.",
				PlanModifiers:       []planmodifier.String{stringplanmodifier.RequiresReplace()},
				Validators:          []validator.String{stringvalidator.LengthAtLeast(1)},
			},
			"common_name": schema.StringAttribute{
				Optional:            true,
				Computed:            true,
				Default:             stringdefault.StaticString(defaults.CommonName),
				MarkdownDescription: "One of `sans`, or a name that matches `allowed_common_names` of the profile. At most 64 characters. Defaults to none.",
				Validators:          []validator.String{stringvalidator.UTF8LengthAtMost(rules.MaxCommonNameLength)},
			},
			"sans": optionalStringSet(defaults.SANs,
				"DNS names, IP addresses, URIs and e-mail addresses. The profile must allow each. Required without `common_name`, and under a profile without `allowed_common_names`. Defaults to none."),
			"csr_pem": schema.StringAttribute{
				Required:            true,
				MarkdownDescription: "Exactly one CSR in PEM. It gives the public key; the names come from `sans`. `csr_ignored` and a warning list parts of the CSR that are not signed. A private key is refused before anything is sent or stored.",
				Validators:          []validator.String{csrValidator{}},
			},
			"auto_renew": optionalBool(defaults.AutoRenew, "Whether the server asks for a renewal at `renew_at`. Defaults to `true`."),
			"renew_before_seconds": schema.Int64Attribute{
				Optional:            true,
				MarkdownDescription: "How many seconds before its end the certificate is due for renewal. Defaults to a third of its lifetime.",
				Validators:          []validator.Int64{int64validator.AtLeast(1)},
			},
			"labels": optionalLabels(),
			"renewal_triggers": schema.MapAttribute{
				ElementType:         types.StringType,
				Optional:            true,
				MarkdownDescription: "Any values. A changed value requests a renewal; an open request counts as that renewal. The first values of a certificate request nothing.",
				Validators:          []validator.Map{mapvalidator.NoNullValues()},
			},
			"wait_for_issuance": schema.BoolAttribute{
				Optional: true, Computed: true, Default: booldefault.StaticBool(false),
				MarkdownDescription: "Whether an apply also waits for the decision of a person, for at most the time in `timeouts`. If there is no certificate then, a create ends with a warning, and an update with an error. The next apply goes on waiting for the same request. Defaults to `false`.",
			},
			"timeouts": timeouts.Attributes(ctx, timeouts.Opts{
				Create: true, Update: true, Delete: true,
				CreateDescription: "How long to wait for issuance, like `1h`. Defaults to `10m`.",
				UpdateDescription: "How long to wait for issuance, like `1h`. Defaults to `10m`.",
				DeleteDescription: "How long to try while a job of the certificate is running. Defaults to `2m`.",
			}),
			"status":         outputString("`unissued`, `awaiting_approval`, `issuing`, `issued`, `rejected`, `expired`, `request_expired`, `failed` or `cancelled`. `issued` says nothing about the newest request: see `up_to_date`."),
			"job_id":         outputString("The newest job."),
			"approval_id":    outputString("The approval of the newest job; null if the job needed none."),
			"approval_state": outputString("`pending`, `approved`, `rejected`, `expired` or `cancelled`."),
			"up_to_date": schema.BoolAttribute{
				Computed: true, MarkdownDescription: "Whether the current certificate is what would be signed now: its names, its key, the signed rules of the profile and the CA are the same, and it has not expired. `false` without a certificate.",
			},
			"serial_number": outputString("Serial number of the current certificate, in lower-case hexadecimal; null without one."),
			"not_before":    outputTime("When the current certificate begins."),
			"not_after":     outputTime("When the current certificate ends."),
			"renew_at":      outputTime("When the current certificate is due for renewal."),
			"ready_for_renewal": schema.BoolAttribute{
				Computed: true, MarkdownDescription: "Whether `renew_at` had come at the last read.",
			},
			"fingerprint_sha256": outputString("SHA-256 of the current certificate in DER, in lower-case hexadecimal; null without one."),
			"spki_sha256":        outputString("SHA-256 of the public key of the current certificate, in lower-case hexadecimal; null without one."),
			"signed_sans": schema.SetAttribute{
				Computed: true, ElementType: types.StringType,
				MarkdownDescription: "The names in the current certificate; null without one. They differ from `sans` until a change of `sans` has been issued.",
			},
			"issuer_id":       outputString("The issuer that signed the current certificate; null without one."),
			"certificate_pem": outputString("The current certificate; null without one."),
			"chain_pem":       outputString("The issuers of the current certificate, without the certificate itself; null without one."),
			"full_chain_pem":  outputString("The current certificate, then its issuers, as many servers need them in one file; null without one."),
			"csr_ignored": schema.ListNestedAttribute{
				Computed:            true,
				MarkdownDescription: "Parts of the CSR that are not signed under the profile's current rules. Other names or another CSR change it at once; an edit of the profile shows at the next refresh.",
				NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
					"what":  outputString("The kind of part, like `key usage`."),
					"value": outputString("What the CSR asks for, shortened if it is long."),
				}},
			},
		},
	}
}
