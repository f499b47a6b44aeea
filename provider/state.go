package provider

import (
	"context"
	"encoding/json"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"

	"github.com/certctl/terraform-provider-certctl/client"
)

// versionKey is where the version of the stored object lives between Read and the next write.
const versionKey = "version"

type privateState interface {
	GetKey(ctx context.Context, key string) ([]byte, diag.Diagnostics)
	SetKey(ctx context.Context, key string, value []byte) diag.Diagnostics
}

// ifMatch makes a write apply only to the version that was planned on.
func ifMatch(ctx context.Context, private privateState) (client.RequestOption, diag.Diagnostics) {
	text, diags := private.GetKey(ctx, versionKey)
	var version int64
	if err := json.Unmarshal(text, &version); err != nil && !diags.HasError() {
		diags.AddError("The state does not say which version it shows",
			"Nothing was written, since that could undo the work of somebody else. Run terraform apply -refresh-only, then try again.")
	}
	return client.IfMatch(version), diags
}

// place is where Terraform keeps an object.
type place struct {
	state    *tfsdk.State
	identity *tfsdk.ResourceIdentity
	private  privateState
}

// remember leaves values in private state, for the next plan or write.
func (to place) remember(ctx context.Context, values map[string]any) (diags diag.Diagnostics) {
	for key, value := range values {
		text, err := json.Marshal(value)
		if err != nil {
			diags.AddError("The state could not be written", err.Error())
			continue
		}
		diags.Append(to.private.SetKey(ctx, key, text)...)
	}
	return diags
}
