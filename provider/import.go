package provider

import (
	"context"
	"fmt"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
)

// importable is a kind of object that Terraform imports by its id.
type importable struct {
	name   string // in words
	prefix string // of every id
	byName bool   // whether an import by name exists, too
}

var (
	importableCertificate = importable{name: "certificate", prefix: "mc-"}
	importableProfile     = importable{name: "certificate profile", prefix: "p-", byName: true}
)

// importByID imports an object by the id or the identity of a request. It refuses an argument that is no id of this kind:
// Terraform's own error for a missing object names no cause.
func (i importable) importByID(ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse) {
	if req.ID == "" && (req.Identity == nil || req.Identity.Raw.IsNull()) {
		resp.Diagnostics.Append(i.check("")...)
		return
	}
	resource.ImportStatePassthroughWithIdentity(ctx, path.Root("id"), path.Root("id"), req, resp)
	if resp.Diagnostics.HasError() {
		return
	}
	var id string
	resp.Diagnostics.Append(resp.State.GetAttribute(ctx, path.Root("id"), &id)...)
	if !resp.Diagnostics.HasError() {
		resp.Diagnostics.Append(i.check(id)...)
	}
}

// check returns an error if an argument is no id of this kind.
func (i importable) check(id string) (diags diag.Diagnostics) {
	switch {
	case id == "":
		diags.AddError("The import names no object", "The id is empty. "+i.help(""))
	case !strings.HasPrefix(id, i.prefix):
		diags.AddError("Could not import "+id, fmt.Sprintf("%q is no id of a %s. %s", id, i.name, i.help(id)))
	}
	return diags
}

// help says which arguments an import takes.
func (i importable) help(argument string) string {
	help := fmt.Sprintf("An id of a %s begins with %s.", i.name, i.prefix)
	switch {
	case !i.byName:
	case argument == "":
		help += " To import by name, write " + importByNamePrefix + " and the name."
	default:
		help += " To import by name, write " + importByNamePrefix + argument + "."
	}
	return help
}
