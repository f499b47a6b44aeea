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

func argument(description string) datasourceschema.StringAttribute {
	return datasourceschema.StringAttribute{
		Optional:            true,
		MarkdownDescription: description,
		Validators:          []validator.String{stringvalidator.LengthAtLeast(1)}, // empty would mean all
	}
}

func text(description string) datasourceschema.StringAttribute {
	return datasourceschema.StringAttribute{Computed: true, MarkdownDescription: description}
}

func moment(description string) datasourceschema.StringAttribute {
	return datasourceschema.StringAttribute{Computed: true, CustomType: timetypes.RFC3339Type{}, MarkdownDescription: description}
}

func readTexts(description string) datasourceschema.SetAttribute {
	return datasourceschema.SetAttribute{Computed: true, ElementType: types.StringType, MarkdownDescription: description}
}

func yesOrNo(description string) datasourceschema.BoolAttribute {
	return datasourceschema.BoolAttribute{Computed: true, MarkdownDescription: description}
}

func boolean(std bool, description string) schema.BoolAttribute {
	return schema.BoolAttribute{Optional: true, Computed: true, Default: booldefault.StaticBool(std), MarkdownDescription: description}
}

func number(std int64, description string, v validator.Int64) schema.Int64Attribute {
	return schema.Int64Attribute{
		Optional: true, Computed: true, Default: int64default.StaticInt64(std),
		MarkdownDescription: description, Validators: []validator.Int64{v},
	}
}

func labelsAttribute() schema.MapAttribute {
	return schema.MapAttribute{
		ElementType:         types.StringType,
		Optional:            true,
		Computed:            true,
		Default:             mapdefault.StaticValue(textMap(nil)),
		MarkdownDescription: "Labels of your own. Defaults to none.",
		Validators:          []validator.Map{mapvalidator.NoNullValues()},
	}
}

// texts is a set, since the server gives the order no meaning.
func texts(std []string, description string, more ...validator.Set) schema.SetAttribute {
	return schema.SetAttribute{
		ElementType: types.StringType,
		Optional:    true, Computed: true, Default: setdefault.StaticValue(textSet(std)),
		MarkdownDescription: description,
		Validators:          append(more, setvalidator.NoNullValues()),
	}
}

func output(description string) schema.StringAttribute {
	return schema.StringAttribute{Computed: true, MarkdownDescription: description}
}
