// Command provider-schema prints the provider's schemas as `terraform providers schema -json` does, taken
// from the provider itself. The documentation generator reads that: it needs no Terraform then, and knows
// what an older Terraform would leave out (identities, list resources, actions).
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"

	"github.com/certctl/terraform-provider-certctl/provider"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "provider-schema:", err)
		os.Exit(1)
	}
}

// object is a JSON object. Terraform leaves out what is false, empty or zero; so does set.
type object map[string]any

func (o object) set(name string, value any, present bool) {
	if present {
		o[name] = value
	}
}

func run() error {
	ctx := context.Background()
	server := providerserver.NewProtocol6(provider.New("dev")())()

	schemas, err := server.GetProviderSchema(ctx, &tfprotov6.GetProviderSchemaRequest{})
	if err != nil {
		return err
	}
	identities, err := server.GetResourceIdentitySchemas(ctx, &tfprotov6.GetResourceIdentitySchemasRequest{})
	if err != nil {
		return err
	}
	for _, d := range append(schemas.Diagnostics, identities.Diagnostics...) {
		if d.Severity == tfprotov6.DiagnosticSeverityError {
			return fmt.Errorf("%s: %s", d.Summary, d.Detail)
		}
	}
	if len(schemas.Functions) > 0 || len(schemas.StateStoreSchemas) > 0 {
		return errors.New("the provider has functions or state stores: teach this program to print them")
	}

	actions := object{}
	for name, a := range schemas.ActionSchemas {
		actions[name] = object{"block": block(a.Schema.Block)}
	}
	identitySchemas := object{}
	for name, s := range identities.IdentitySchemas {
		identitySchemas[name] = identity(s)
	}
	out := object{
		"format_version": "1.0",
		"provider_schemas": object{"certctl": object{
			"provider":                   schema(schemas.Provider),
			"resource_schemas":           all(schemas.ResourceSchemas),
			"data_source_schemas":        all(schemas.DataSourceSchemas),
			"ephemeral_resource_schemas": all(schemas.EphemeralResourceSchemas),
			"list_resource_schemas":      all(schemas.ListResourceSchemas),
			"action_schemas":             actions,
			"resource_identity_schemas":  identitySchemas,
		}},
	}
	enc := json.NewEncoder(os.Stdout)
	enc.SetIndent("", "  ")
	return enc.Encode(out)
}

func all(schemas map[string]*tfprotov6.Schema) object {
	o := object{}
	for name, s := range schemas {
		o[name] = schema(s)
	}
	return o
}

func schema(s *tfprotov6.Schema) object {
	return object{"version": s.Version, "block": block(s.Block)}
}

func block(b *tfprotov6.SchemaBlock) object {
	o := object{"description_kind": kind(b.DescriptionKind)}
	o.set("description", b.Description, b.Description != "")
	o.set("deprecated", true, b.Deprecated)
	o.set("attributes", attributes(b.Attributes), len(b.Attributes) > 0)
	nested := object{}
	for _, n := range b.BlockTypes {
		t := object{"nesting_mode": nestedBlockModes[n.Nesting], "block": block(n.Block)}
		t.set("min_items", n.MinItems, n.MinItems != 0)
		t.set("max_items", n.MaxItems, n.MaxItems != 0)
		nested[n.TypeName] = t
	}
	o.set("block_types", nested, len(nested) > 0)
	return o
}

func attributes(list []*tfprotov6.SchemaAttribute) object {
	o := object{}
	for _, a := range list {
		at := object{"description_kind": kind(a.DescriptionKind)}
		if a.NestedType != nil {
			at["nested_type"] = object{
				"attributes":   attributes(a.NestedType.Attributes),
				"nesting_mode": objectModes[a.NestedType.Nesting],
			}
		} else {
			at["type"] = a.Type // knows how to write itself
		}
		at.set("description", a.Description, a.Description != "")
		at.set("deprecated", true, a.Deprecated)
		at.set("required", true, a.Required)
		at.set("optional", true, a.Optional)
		at.set("computed", true, a.Computed)
		at.set("sensitive", true, a.Sensitive)
		at.set("write_only", true, a.WriteOnly)
		o[a.Name] = at
	}
	return o
}

func identity(s *tfprotov6.ResourceIdentitySchema) object {
	o := object{}
	for _, a := range s.IdentityAttributes {
		at := object{"type": a.Type}
		at.set("description", a.Description, a.Description != "")
		at.set("required_for_import", true, a.RequiredForImport)
		at.set("optional_for_import", true, a.OptionalForImport)
		o[a.Name] = at
	}
	return object{"version": s.Version, "attributes": o}
}

func kind(k tfprotov6.StringKind) string {
	if k == tfprotov6.StringKindMarkdown {
		return "markdown"
	}
	return "plain"
}

var nestedBlockModes = map[tfprotov6.SchemaNestedBlockNestingMode]string{
	tfprotov6.SchemaNestedBlockNestingModeSingle: "single",
	tfprotov6.SchemaNestedBlockNestingModeList:   "list",
	tfprotov6.SchemaNestedBlockNestingModeSet:    "set",
	tfprotov6.SchemaNestedBlockNestingModeMap:    "map",
	tfprotov6.SchemaNestedBlockNestingModeGroup:  "group",
}

var objectModes = map[tfprotov6.SchemaObjectNestingMode]string{
	tfprotov6.SchemaObjectNestingModeSingle: "single",
	tfprotov6.SchemaObjectNestingModeList:   "list",
	tfprotov6.SchemaObjectNestingModeSet:    "set",
	tfprotov6.SchemaObjectNestingModeMap:    "map",
}
