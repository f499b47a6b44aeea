package provider

import (
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
				MarkdownDescription: "API key of the principal that Terraform acts as. The environment is safer than a file: `" + apiKeyVariable + "`.",
			},
			"ca_file": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "PEM file with the CAs to trust for the server's certificate, instead of the system's. Environment: `" + caFileVariable + "`.",
			},
			"ca_pem": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "The same CAs as PEM text, for runners without files. Not with `ca_file`. Environment: `" + caPEMVariable + "`.",
			},
			"client_certificate": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "Client certificate as PEM text, for a server or proxy that asks for one (mTLS). Certificates of its chain may follow. Needs `client_key`. Environment: `" + clientCertificateVariable + "`.",
			},
			"client_key": schema.StringAttribute{
				Optional:            true,
				Sensitive:           true,
				MarkdownDescription: "Private key of `client_certificate` as PEM text. The environment is safer than a file: `" + clientKeyVariable + "`.",
			},
			"change_reason": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "Reason of the changes, such as a ticket or the URL of a pull request; at most 500 characters. Approvers read it on the approval. Environment: `" + reasonVariable + "`.",
				Validators:          []validator.String{stringvalidator.UTF8LengthAtMost(maxReason)},
			},
			"resubmit_rejected": schema.BoolAttribute{
				Optional:            true,
				MarkdownDescription: "Whether to ask again for an unchanged edit of a gated profile that was rejected. Meant for a single run. Environment: `" + resubmitVariable + "`. Defaults to `false`.",
			},
			"request_timeout": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "How long one operation may take, retries included, like `45s`. Defaults to `30s`.",
				Validators:          []validator.String{positiveDuration{}},
			},
			"max_retries": schema.Int64Attribute{
				Optional:            true,
				MarkdownDescription: "How often a request without an answer is sent again. Defaults to `3`; `0` turns retries off. A server that has answered before and is away now, as in a restart, is waited for during `request_timeout`. A retried write has one effect.",
				Validators:          []validator.Int64{int64validator.Between(0, 100)},
			},
		},
	}
}
