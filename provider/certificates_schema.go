package provider

import (
	"github.com/hashicorp/terraform-plugin-framework-timetypes/timetypes"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

func certificatesSchema() schema.Schema {
	attributes := map[string]schema.Attribute{
		"expires_before": schema.StringAttribute{Optional: true, CustomType: timetypes.RFC3339Type{}, MarkdownDescription: expiresBeforeDescription},
		"ids":            schema.ListAttribute{Computed: true, ElementType: types.StringType, MarkdownDescription: "Ids of the certificates listed."},
		"certificates": schema.ListNestedAttribute{
			Computed:            true,
			NestedObject:        schema.NestedAttributeObject{Attributes: certificateDataAttributes()},
			MarkdownDescription: "The certificates, in the order of `ids`.",
		},
	}
	for name, description := range certificateFilterDescriptions {
		attributes[name] = schema.StringAttribute{Optional: true, MarkdownDescription: description, Validators: validateCertificateFilter(name)}
	}
	return schema.Schema{
		MarkdownDescription: "The certificates that match every argument; without arguments all of them. Archived certificates are never listed. If the server cannot be reached or refuses, the read fails; it never returns an empty list.",
		Attributes:          attributes,
	}
}
