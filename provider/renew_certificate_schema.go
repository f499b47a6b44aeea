package provider

import (
	"github.com/hashicorp/terraform-plugin-framework-timetypes/timetypes"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/action/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
)

func renewCertificateSchema() schema.Schema {
	return schema.Schema{
		MarkdownDescription: "Asks for the renewal of a certificate, and follows the job until it ends or waits for a second person.",
		Attributes: map[string]schema.Attribute{
			"certificate_id": schema.StringAttribute{Required: true, MarkdownDescription: "The certificate, like `mc-www`."},
			"reason": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "Reason of the renewal, for the approvers; at most 500 characters. Defaults to the provider's `change_reason`.",
				Validators:          []validator.String{stringvalidator.UTF8LengthAtMost(maxReason)},
			},
			"timeout": schema.StringAttribute{
				Optional:            true,
				CustomType:          timetypes.GoDurationType{},
				MarkdownDescription: "How long to follow a job that waits for no approval, like `5m`. Defaults to `10m`.",
			},
		},
	}
}
