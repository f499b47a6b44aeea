package provider

import (
	"github.com/hashicorp/terraform-plugin-framework-timetypes/timetypes"
	"github.com/hashicorp/terraform-plugin-framework-validators/mapvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/setvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	datasourceschema "github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/booldefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/int64default"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/mapdefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/setdefault"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

func optionalFilter(description string) datasourceschema.StringAttribute {
	return datasourceschema.StringAttribute{
		Optional:            true,
		MarkdownDescription: description,
		Validators:          []validator.String{stringvalidator.LengthAtLeast(1)}, // the server takes an empty value for no filter
	}
}

func computedString(description string) datasourceschema.StringAttribute {
	return datasourceschema.StringAttribute{Computed: true, MarkdownDescription: description}
}

func computedTime(description string) datasourceschema.StringAttribute {
	return datasourceschema.StringAttribute{Computed: true, CustomType: timetypes.RFC3339Type{}, MarkdownDescription: description}
}

func computedStringSet(description string) datasourceschema.SetAttribute {
	return datasourceschema.SetAttribute{Computed: true, ElementType: types.StringType, MarkdownDescription: description}
}

func computedBool(description string) datasourceschema.BoolAttribute {
	return datasourceschema.BoolAttribute{Computed: true, MarkdownDescription: description}
}

func optionalBool(value bool, description string) schema.BoolAttribute {
	return schema.BoolAttribute{Optional: true, Computed: true, Default: booldefault.StaticBool(value), MarkdownDescription: description}
}

func optionalInt64(value int64, description string, v validator.Int64) schema.Int64Attribute {
	return schema.Int64Attribute{
		Optional: true, Computed: true, Default: int64default.StaticInt64(value), CustomType: wholeNumberType{},
		MarkdownDescription: description, Validators: []validator.Int64{v},
	}
}

func optionalLabels() schema.MapAttribute {
	return schema.MapAttribute{
		ElementType:         types.StringType,
		Optional:            true,
		Computed:            true,
		Default:             mapdefault.StaticValue(newStringMap(nil)),
		MarkdownDescription: "Labels of your own. Defaults to none.",
		Validators:          []validator.Map{mapvalidator.NoNullValues()},
	}
}

// optionalStringSet returns a set, because the order has no meaning for the server.
func optionalStringSet(value []string, description string, more ...validator.Set) schema.SetAttribute {
	return schema.SetAttribute{
		ElementType: types.StringType,
		Optional:    true, Computed: true, Default: setdefault.StaticValue(newStringSet(value)),
		MarkdownDescription: description,
		Validators:          append(more, setvalidator.NoNullValues()),
	}
}

func outputString(description string) schema.StringAttribute {
	return schema.StringAttribute{Computed: true, MarkdownDescription: description}
}

func outputTime(description string) schema.StringAttribute {
	return schema.StringAttribute{Computed: true, CustomType: timetypes.RFC3339Type{}, MarkdownDescription: description}
}
