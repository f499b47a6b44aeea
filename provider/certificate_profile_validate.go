package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/rules"
)

// describing are the attributes that describe a certificate beyond its SANs, and those with which they must agree.
var describing = []string{
	"subject_attributes", "allowed_common_names", "key_usages", "csr_extras", "allowed_ekus", "allowed_key_algorithms",
}

// ValidateConfig finds what the server would refuse in the attributes that describe a certificate. Their rules compare
// attributes with one another, so validators of one attribute cannot check them. If a value is not known yet, Terraform
// validates again during the apply.
func (r *certificateProfileResource) ValidateConfig(ctx context.Context, req resource.ValidateConfigRequest, resp *resource.ValidateConfigResponse) {
	if !isKnown(req.Config, describing) {
		return
	}
	spec, diags := describedSpec(ctx, req.Config)
	if diags.HasError() {
		return // the validators of the attribute explain it
	}
	a := attempt{body: spec, schema: req.Config.Schema}
	resp.Diagnostics.Append(explainFaults(ctx, a, summaryRefused, rules.CheckDescription(spec))...)
}

func isKnown(config tfsdk.Config, names []string) bool {
	var members map[string]tftypes.Value
	if config.Raw.As(&members) != nil {
		return false
	}
	for _, name := range names {
		if !members[name].IsFullyKnown() {
			return false
		}
	}
	return true
}

// describedSpec returns a profile with the describing attributes of a configuration, and with defaults for all others.
func describedSpec(ctx context.Context, config tfsdk.Config) (spec api.ProfileSpec, diags diag.Diagnostics) {
	spec = api.DefaultProfileSpec()
	spec.SubjectAttributes = api.SubjectAttributes(given(ctx, config, "subject_attributes", subjectAttributesModel{}, &diags))
	spec.AllowedCommonNames = given(ctx, config, "allowed_common_names", spec.AllowedCommonNames, &diags)
	spec.KeyUsages = given(ctx, config, "key_usages", spec.KeyUsages, &diags)
	spec.CSRExtras = api.CSRExtras(given(ctx, config, "csr_extras", string(spec.CSRExtras), &diags))
	spec.AllowedEKUs = given(ctx, config, "allowed_ekus", spec.AllowedEKUs, &diags)
	algorithms := given(ctx, config, "allowed_key_algorithms", keyAlgorithmModels(spec.AllowedKeyAlgorithms), &diags)
	spec.AllowedKeyAlgorithms = keyAlgorithms(algorithms)
	return spec, diags
}

// given returns the value of an attribute in a configuration, or another value if the attribute is null.
func given[T any](ctx context.Context, config tfsdk.Config, name string, otherwise T, diags *diag.Diagnostics) T {
	var value *T
	diags.Append(config.GetAttribute(ctx, path.Root(name), &value)...)
	if value == nil {
		return otherwise
	}
	return *value
}
