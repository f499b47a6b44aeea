package provider

import (
	"context"
	"encoding/json"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"

	"github.com/certctl/terraform-provider-certctl/client"
)

// versionKey is the key of the object's version in private state. A read or a write sets it for the next write.
const versionKey = "version"

type privateState interface {
	GetKey(ctx context.Context, key string) ([]byte, diag.Diagnostics)
	SetKey(ctx context.Context, key string, value []byte) diag.Diagnostics
}

// ifMatch returns the option that makes a write fail if the object changed after the plan.
func ifMatch(ctx context.Context, private privateState) (client.RequestOption, diag.Diagnostics) {
	text, diags := private.GetKey(ctx, versionKey)
	var version int64
	if err := json.Unmarshal(text, &version); err != nil && !diags.HasError() {
		diags.AddError("The state has no version of the object",
			"Nothing was written, because a write could undo a change by somebody else. Run terraform apply -refresh-only, then try again.")
	}
	return client.IfMatch(version), diags
}

// target is the state of one object in a response.
type target struct {
	state    *tfsdk.State
	identity *tfsdk.ResourceIdentity
	private  privateState
}

// setPrivate sets values in private state, for the next plan or write.
func (to target) setPrivate(ctx context.Context, values map[string]any) (diags diag.Diagnostics) {
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
