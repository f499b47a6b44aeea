package provider

import (
	"github.com/hashicorp/terraform-plugin-framework-timetypes/timetypes"
	"github.com/hashicorp/terraform-plugin-framework-validators/int64validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/provider/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
)

func providerSchema() schema.Schema {
	return schema.Schema{
		MarkdownDescription: "certctl issues X.509 certificates. Under a gated certificate profile nothing is signed until a second person has approved exactly that request.",
		Attributes: map[string]schema.Attribute{
			"endpoint": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "Address of the server without `/api/v1`, like `https://certctl.example.com`. `http://` is accepted for this machine only. Environment: `" + endpointVariable + "`.",
			},
			"api_key": schema.StringAttribute{
				Optional:            true,
				Sensitive:           true,
				MarkdownDescription: "API key of the principal that Terraform acts as. Prefer the environment, so that no file holds it: `" + apiKeyVariable + "`.",
			},
			"ca_file": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "PEM file with the CAs to trust for the server's certificate, instead of the system's. Environment: `" + caFileVariable + "`.",
			},
			"change_reason": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "Why these changes are made, such as a ticket or the URL of a pull request; at most 500 characters. Whoever decides on an edit of a gated profile reads it on the approval. Environment: `" + reasonVariable + "`.",
				Validators:          []validator.String{stringvalidator.UTF8LengthAtMost(maxReason)},
			},
			"resubmit_rejected": schema.BoolAttribute{
				Optional:            true,
				MarkdownDescription: "Ask again for an edit of a gated profile that was rejected, although nothing in it has changed. Meant for a single run. Environment: `" + resubmitVariable + "`. Defaults to `false`.",
			},
			"request_timeout": schema.StringAttribute{
				Optional:            true,
				CustomType:          timetypes.GoDurationType{},
				MarkdownDescription: "How long one operation may take, retries included, like `45s`. Defaults to `30s`.",
			},
			"max_retries": schema.Int64Attribute{
				Optional:            true,
				MarkdownDescription: "How often a request that failed on its way is sent again. Defaults to `3`; `0` turns retries off. Every write carries what the server needs to do it once.",
				Validators:          []validator.Int64{int64validator.Between(0, 100)},
			},
		},
	}
}
