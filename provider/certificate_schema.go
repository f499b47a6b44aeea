package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework-timeouts/resource/timeouts"
	"github.com/hashicorp/terraform-plugin-framework-timetypes/timetypes"
	"github.com/hashicorp/terraform-plugin-framework-validators/int64validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/mapvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/setvalidator"
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
	std := api.DefaultCertificateSpec()
	replaces := []planmodifier.String{stringplanmodifier.RequiresReplace()}
	return schema.Schema{
		MarkdownDescription: "A certificate that shall be kept issued: its names, its public key, its profile. Under a gated profile every issuance waits for a second person.",
		Attributes: map[string]schema.Attribute{
			"id": schema.StringAttribute{
				Required:            true,
				MarkdownDescription: "`mc-` and a name of your choice, like `mc-www`. Changing it replaces the certificate.",
				PlanModifiers:       replaces,
				Validators:          []validator.String{stringvalidator.LengthAtLeast(1)}, // empty would be left to the server
			},
			"profile_id": schema.StringAttribute{
				Required:            true,
				MarkdownDescription: "The certificate profile. Changing it replaces the certificate.",
				PlanModifiers:       replaces,
				Validators:          []validator.String{stringvalidator.LengthAtLeast(1)},
			},
			"common_name": schema.StringAttribute{
				Optional:            true,
				Computed:            true,
				Default:             stringdefault.StaticString(std.CommonName),
				MarkdownDescription: "One of `sans`, at most 64 characters. Defaults to none.",
				Validators:          []validator.String{stringvalidator.UTF8LengthAtMost(rules.MaxCommonNameLength)},
			},
			"sans": schema.SetAttribute{
				ElementType:         types.StringType,
				Required:            true,
				MarkdownDescription: "DNS names, IP addresses, URIs and e-mail addresses. The profile must allow each.",
				Validators:          []validator.Set{setvalidator.SizeAtLeast(1), setvalidator.NoNullValues()},
			},
			"csr_pem": schema.StringAttribute{
				Required:            true,
				MarkdownDescription: "Exactly one `CERTIFICATE REQUEST` block. It gives the public key; names come from `sans`. A private key has no place here: it is refused before anything is sent or stored.",
				Validators:          []validator.String{csrValidator{}},
			},
			"auto_renew": boolean(std.AutoRenew, "Whether the server asks for a renewal when `renew_at` has come. Defaults to `true`."),
			"renew_before_seconds": schema.Int64Attribute{
				Optional:            true,
				MarkdownDescription: "How long before its end the certificate is due. Unless given, a third of its lifetime.",
				Validators:          []validator.Int64{int64validator.AtLeast(1)},
			},
			"labels": labelsAttribute(),
			"renewal_triggers": schema.MapAttribute{
				ElementType:         types.StringType,
				Optional:            true,
				MarkdownDescription: "Values of your own. Changing one asks for a renewal; a request that is already under way is taken for it.",
				Validators:          []validator.Map{mapvalidator.NoNullValues()},
			},
			"wait_for_issuance": schema.BoolAttribute{
				Optional: true, Computed: true, Default: booldefault.StaticBool(false),
				MarkdownDescription: "Whether an apply waits until the request has ended, at most as long as `timeouts` allow. When the time is over the apply ends with a warning, and the next one goes on waiting for the same request. Defaults to `false`.",
			},
			"timeouts": timeouts.Attributes(ctx, timeouts.Opts{
				Create: true, Update: true, Delete: true,
				CreateDescription: "How long to wait for issuance, like `1h`. Defaults to `10m`.",
				UpdateDescription: "How long to wait for issuance, like `1h`. Defaults to `10m`.",
				DeleteDescription: "How long to try while a job of the certificate is running. Defaults to `2m`.",
			}),
			"status":         output("`unissued`, `awaiting_approval`, `issuing`, `issued`, `rejected`, `expired`, `failed` or `cancelled`."),
			"job_id":         output("The newest job."),
			"approval_id":    output("The approval of the newest job; null where the profile is not gated."),
			"approval_state": output("`pending`, `approved`, `rejected`, `expired` or `cancelled`."),
			"serial_number":  output("Of the current certificate, in lower-case hexadecimal; null without one."),
			"not_after": schema.StringAttribute{
				Computed: true, CustomType: timetypes.RFC3339Type{}, MarkdownDescription: "When the current certificate ends.",
			},
			"renew_at": schema.StringAttribute{
				Computed: true, CustomType: timetypes.RFC3339Type{}, MarkdownDescription: "When the current certificate is due for renewal.",
			},
			"ready_for_renewal": schema.BoolAttribute{
				Computed: true, MarkdownDescription: "Whether `renew_at` had come when this was read.",
			},
			"certificate_pem": output("The current certificate."),
			"chain_pem":       output("Its issuers, without the certificate itself."),
		},
	}
}

// csrValidator lets through one CSR and nothing else. It never repeats what it was given: that may be a private key.
type csrValidator struct{}

var _ validator.String = csrValidator{}

// Description implements validator.String.
func (csrValidator) Description(context.Context) string {
	return "exactly one PEM block of type CERTIFICATE REQUEST"
}

// MarkdownDescription implements validator.String.
func (v csrValidator) MarkdownDescription(ctx context.Context) string { return v.Description(ctx) }

// ValidateString implements validator.String.
func (csrValidator) ValidateString(_ context.Context, req validator.StringRequest, resp *validator.StringResponse) {
	if req.ConfigValue.IsNull() || req.ConfigValue.IsUnknown() {
		return
	}
	if fault := csrFault(req.ConfigValue.ValueString()); fault != "" {
		resp.Diagnostics.AddAttributeError(req.Path, "Not a certificate request", fault)
	}
}

// csrFault returns why a text is not exactly one CSR block; empty if it is. The server checks the content of the CSR.
func csrFault(text string) string {
	if _, err := rules.DecodeCSR(text); err != nil {
		return upperFirst(err.Error()) + ".\n\nNothing was sent or stored."
	}
	return ""
}
