package provider

import (
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

func certificateProfilesSchema() schema.Schema {
	return schema.Schema{
		MarkdownDescription: "All certificate profiles of the server. A server that cannot be reached or refuses is an error, never an empty list.",
		Attributes: map[string]schema.Attribute{
			"name": argument("Only the profile of exactly this name. There being none is an empty list."),
			"ids":  schema.ListAttribute{Computed: true, ElementType: types.StringType, MarkdownDescription: "Ids of the profiles listed."},
			"profiles": schema.ListNestedAttribute{
				Computed:            true,
				NestedObject:        schema.NestedAttributeObject{Attributes: certificateProfileAttributes()},
				MarkdownDescription: "The profiles, in the order of `ids`.",
			},
		},
	}
}
