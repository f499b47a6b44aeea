package provider

import (
	"github.com/hashicorp/terraform-plugin-framework-timetypes/timetypes"
	"github.com/hashicorp/terraform-plugin-framework-validators/int64validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/setvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	datasourceschema "github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/setdefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringdefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/rules"
)

// certificateProfileSchema takes its defaults from the wire types, so that a plan shows what the server would store.
func certificateProfileSchema() schema.Schema {
	std := api.DefaultProfileSpec()
	return schema.Schema{
		MarkdownDescription: "A certificate profile: the rules for what may be signed. Names are denied by default, so an empty set allows none.",
		Attributes: map[string]schema.Attribute{
			"id": schema.StringAttribute{
				Optional:            true,
				Computed:            true,
				MarkdownDescription: "`p-` and a name of your choice, like `p-prod-cdn`; the server makes one unless given. Changing it replaces the profile.",
				PlanModifiers:       []planmodifier.String{stringplanmodifier.UseStateForUnknown(), stringplanmodifier.RequiresReplace()},
				Validators:          []validator.String{stringvalidator.LengthAtLeast(1)}, // empty would be left to the server
			},
			"name": schema.StringAttribute{
				Required:            true,
				MarkdownDescription: "Unique name, for people. At most 255 characters.",
				Validators:          []validator.String{stringvalidator.UTF8LengthBetween(1, 255)},
			},
			"description": schema.StringAttribute{
				Optional:            true,
				Computed:            true,
				Default:             stringdefault.StaticString(std.Description),
				MarkdownDescription: "What the profile is for. At most 2,000 characters. Defaults to an empty text.",
				Validators:          []validator.String{stringvalidator.UTF8LengthAtMost(2000)},
			},
			"enabled": boolean(std.Enabled, "A disabled profile signs nothing. Defaults to `true`."),
			"requires_approval": schema.BoolAttribute{
				Required:            true,
				MarkdownDescription: "The gate: `true` means that nothing is signed until a second person has approved exactly that request. It has no default, so that no gate is ever off by omission.",
			},
			"issuer_id": schema.StringAttribute{
				Optional:            true,
				Computed:            true,
				Default:             stringdefault.StaticString(std.IssuerID),
				MarkdownDescription: "The issuer that signs. Defaults to `iss-local`, the server's own CA.",
				Validators:          []validator.String{stringvalidator.LengthAtLeast(1)},
			},
			"allowed_key_algorithms": keyAlgorithmsAttribute(std.AllowedKeyAlgorithms),
			"allowed_ekus": texts(std.AllowedEKUs, "Extended key usages that every certificate gets, like `serverAuth`, at least one. Defaults to `[\"serverAuth\"]`.",
				setvalidator.SizeAtLeast(1)),
			"allowed_dns_names": texts(std.AllowedDNSNames,
				"Patterns of DNS names, in lower case. `*` as the first label stands for exactly one label, `**` for one or more, `**` alone for any name. Defaults to none."),
			"allow_wildcard_names": boolean(std.AllowWildcardNames,
				"Whether a certificate may hold a wildcard name. A pattern whose first label is `*` or `**` must match it too. Defaults to `false`."),
			"allowed_ip_ranges": texts(std.AllowedIPRanges, "IP addresses as CIDR prefixes, like `10.0.0.0/8`. Defaults to none."),
			"allowed_uris": texts(std.AllowedURIs,
				"Patterns of URIs. Scheme and host are literal; in the path `*` is one whole segment, and `**` at the end is one or more. Defaults to none."),
			"allowed_email_domains": texts(std.AllowedEmailDomains, "What may stand after the `@` of an e-mail address. Defaults to none."),
			"max_sans":              number(int64(std.MaxSANs), "Most names in one certificate. Defaults to `100`.", int64validator.Between(1, rules.MaxListLength)),
			"max_ttl_seconds": number(std.MaxTTLSeconds, "Validity of every certificate in seconds, one hour to ten years. Defaults to `7776000`, 90 days.",
				int64validator.Between(rules.MinTTLSeconds, rules.MaxTTLSeconds)),
			"labels": labelsAttribute(),
			"created_at": schema.StringAttribute{
				Computed:            true,
				CustomType:          timetypes.RFC3339Type{},
				MarkdownDescription: "When the profile was made, in UTC.",
				PlanModifiers:       []planmodifier.String{stringplanmodifier.UseStateForUnknown()},
			},
		},
	}
}

func keyAlgorithmsAttribute(std []api.KeyAlgorithm) schema.SetNestedAttribute {
	object := schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
		"algorithm": schema.StringAttribute{
			Required:            true,
			MarkdownDescription: "`ECDSA`, `RSA` or `Ed25519`.",
			Validators:          []validator.String{stringvalidator.OneOf(api.AlgorithmECDSA, api.AlgorithmRSA, api.AlgorithmEd25519)},
		},
		"min_size": schema.Int64Attribute{
			Optional:            true,
			MarkdownDescription: "Smallest size in bits. Required for `RSA` and `ECDSA`, absent for `Ed25519`.",
			Validators:          []validator.Int64{int64validator.AtLeast(1)},
		},
	}}
	return schema.SetNestedAttribute{
		Optional:            true,
		Computed:            true,
		NestedObject:        object,
		Default:             setdefault.StaticValue(keyAlgorithmSet(std)),
		MarkdownDescription: "Kinds of public key that may be certified, at least one. Defaults to ECDSA from 256 bits, RSA from 2048 bits, and Ed25519.",
		Validators:          []validator.Set{setvalidator.SizeAtLeast(1), setvalidator.NoNullValues()},
	}
}

func keyAlgorithmSet(algorithms []api.KeyAlgorithm) types.Set {
	object := map[string]attr.Type{"algorithm": types.StringType, "min_size": types.Int64Type}
	elements := make([]attr.Value, len(algorithms))
	for i, a := range algorithms {
		size := types.Int64Null()
		if a.MinSize != 0 {
			size = types.Int64Value(int64(a.MinSize))
		}
		elements[i] = types.ObjectValueMust(object, map[string]attr.Value{"algorithm": types.StringValue(a.Algorithm), "min_size": size})
	}
	return types.SetValueMust(types.ObjectType{AttrTypes: object}, elements)
}

func certificateProfileDataSourceSchema() datasourceschema.Schema {
	attributes := certificateProfileAttributes()
	attributes["id"] = alternative("Id of the profile, like `p-prod-cdn`. Give this or `name`.")
	attributes["name"] = alternative("Name of the profile. Give this or `id`.")
	return datasourceschema.Schema{
		MarkdownDescription: "A certificate profile that is managed elsewhere. There being none is an error.",
		Attributes:          attributes,
	}
}

// alternative is an argument that is read from the server where it is not given.
func alternative(description string) datasourceschema.StringAttribute {
	a := argument(description)
	a.Computed = true
	return a
}

// certificateProfileAttributes is a profile as a data source shows it: what the resource has, all of it read.
func certificateProfileAttributes() map[string]datasourceschema.Attribute {
	return map[string]datasourceschema.Attribute{
		"id":                     text("Id of the profile."),
		"name":                   text("Its name, which no other profile has."),
		"description":            text("What it is for."),
		"enabled":                yesOrNo("Whether anything is signed under it."),
		"requires_approval":      yesOrNo("The gate: whether nothing is signed until a second person has approved exactly that request."),
		"issuer_id":              text("The issuer that signs."),
		"allowed_key_algorithms": readKeyAlgorithms(),
		"allowed_ekus":           readTexts("Extended key usages that every certificate gets."),
		"allowed_dns_names":      readTexts("Patterns of DNS names. `*` as the first label stands for exactly one label, `**` for one or more, `**` alone for any name."),
		"allow_wildcard_names":   yesOrNo("Whether a certificate may hold a wildcard name."),
		"allowed_ip_ranges":      readTexts("IP addresses as CIDR prefixes."),
		"allowed_uris":           readTexts("Patterns of URIs. In the path `*` is one whole segment, and `**` at the end is one or more."),
		"allowed_email_domains":  readTexts("What may stand after the `@` of an e-mail address."),
		"max_sans":               datasourceschema.Int64Attribute{Computed: true, MarkdownDescription: "Most names in one certificate."},
		"max_ttl_seconds":        datasourceschema.Int64Attribute{Computed: true, MarkdownDescription: "Validity of every certificate in seconds."},
		"labels":                 datasourceschema.MapAttribute{Computed: true, ElementType: types.StringType, MarkdownDescription: "Its labels."},
		"created_at":             moment("When it was made, in UTC."),
	}
}

func readKeyAlgorithms() datasourceschema.SetNestedAttribute {
	return datasourceschema.SetNestedAttribute{
		Computed:            true,
		MarkdownDescription: "Kinds of public key that may be certified.",
		NestedObject: datasourceschema.NestedAttributeObject{Attributes: map[string]datasourceschema.Attribute{
			"algorithm": text("`ECDSA`, `RSA` or `Ed25519`."),
			"min_size":  datasourceschema.Int64Attribute{Computed: true, MarkdownDescription: "Smallest size in bits; null for `Ed25519`."},
		}},
	}
}
