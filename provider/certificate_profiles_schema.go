package provider

import (
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

func certificateProfilesSchema() schema.Schema {
	return schema.Schema{
		MarkdownDescription: "All certificate profiles of the server. If the server cannot be reached or refuses, the read fails; it never returns an empty list.",
		Attributes: map[string]schema.Attribute{
			"name": optionalFilter("Only the profile with exactly this name. If there is none, the list is empty."),
			"ids":  schema.ListAttribute{Computed: true, ElementType: types.StringType, MarkdownDescription: "Ids of the profiles listed."},
			"profiles": schema.ListNestedAttribute{
				Computed:            true,
				NestedObject:        schema.NestedAttributeObject{Attributes: certificateProfileDataAttributes()},
				MarkdownDescription: "The profiles, in the order of `ids`.",
			},
		},
	}
}
