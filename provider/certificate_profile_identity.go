package provider

import (
	"context"
	"fmt"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
)

func (r *certificateProfileResource) IdentitySchema(_ context.Context, _ resource.IdentitySchemaRequest, resp *resource.IdentitySchemaResponse) {
	resp.IdentitySchema = idAlone("Id of the certificate profile.")
}

// byName is what an import gives instead of an id, followed by the name.
const byName = "name:"

// ImportState takes an id, an identity, or the name of a profile.
func (r *certificateProfileResource) ImportState(ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse) {
	name, ok := strings.CutPrefix(req.ID, byName)
	if !ok {
		resource.ImportStatePassthroughWithIdentity(ctx, path.Root("id"), path.Root("id"), req, resp)
		return
	}
	a := attempt{what: "import " + req.ID, schema: resp.State.Schema}
	p, diags := r.profileNamed(ctx, a, name)
	resp.Diagnostics.Append(diags...)
	if !diags.HasError() {
		resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root("id"), p.ID)...)
	}
}

// profileNamed finds the one profile of a name.
func (c connection) profileNamed(ctx context.Context, a attempt, name string) (api.Profile, diag.Diagnostics) {
	if name == "" {
		return api.Profile{}, a.plain("The name is empty. Give the name of a certificate profile, or its id.")
	}
	for p, err := range c.client.ListProfiles(ctx, client.ListProfilesOptions{Name: name}) {
		if err != nil {
			return p, a.failed(ctx, err)
		}
		if p.Name == name {
			return p, nil
		}
	}
	return api.Profile{}, a.plain(fmt.Sprintf("%s has no certificate profile with the name %q. Upper and lower case matter; the command curl \"%s/api/v1/profiles\" -H \"Authorization: Bearer $%s\" lists what there is.",
		c.client.Endpoint(), name, c.client.Endpoint(), apiKeyVariable))
}
