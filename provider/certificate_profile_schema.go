package provider

import (
	"strings"

	"github.com/hashicorp/terraform-plugin-framework-timetypes/timetypes"
	"github.com/hashicorp/terraform-plugin-framework-validators/int64validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/setvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	datasourceschema "github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/objectdefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/setdefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringdefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/rules"
)

// certificateProfileSchema takes its defaults from the wire types, so that a plan shows the values that the server would
// store.
func certificateProfileSchema() schema.Schema {
	defaults := api.DefaultProfileSpec()
	return schema.Schema{
		MarkdownDescription: "A certificate profile: the rules for what may be signed. Names are denied by default, so an empty set allows none.",
		Attributes: map[string]schema.Attribute{
			"id": schema.StringAttribute{
				Optional:            true,
				Computed:            true,
				MarkdownDescription: "`p-` and a name of your choice, like `p-prod-cdn`. Without it the server makes one. Changing it replaces the profile.",
				PlanModifiers:       []planmodifier.String{stringplanmodifier.UseStateForUnknown(), stringplanmodifier.RequiresReplace()},
				Validators:          []validator.String{chosenID{"p-"}}, // for an empty id the server would make one
			},
			"name": schema.StringAttribute{
				Required:            true,
				MarkdownDescription: "Unique name, for people. At most 255 characters.",
				Validators:          []validator.String{stringvalidator.UTF8LengthBetween(1, 255)},
			},
			"description": schema.StringAttribute{
				Optional:            true,
				Computed:            true,
				Default:             stringdefault.StaticString(defaults.Description),
				MarkdownDescription: "What the profile is for. At most 2,000 characters. Defaults to an empty text.",
				Validators:          []validator.String{stringvalidator.UTF8LengthAtMost(2000)},
			},
			"enabled": optionalBool(defaults.Enabled, "A disabled profile signs nothing. Defaults to `true`."),
			"requires_approval": schema.BoolAttribute{
				Required:            true,
				MarkdownDescription: "The gate. If `true`, nothing is signed until a second person has approved exactly that request. It has no default, so no gate is off by omission.",
			},
			"issuer_id": schema.StringAttribute{
				Optional:            true,
				Computed:            true,
				Default:             stringdefault.StaticString(defaults.IssuerID),
				MarkdownDescription: "The issuer that signs. Defaults to `iss-local`, the server's own CA.",
				Validators:          []validator.String{stringvalidator.LengthAtLeast(1)},
			},
			"allowed_key_algorithms": keyAlgorithmsAttribute(defaults.AllowedKeyAlgorithms),
			"allowed_ekus": optionalStringSet(defaults.AllowedEKUs, "Extended key usages that every certificate gets, like `serverAuth`, at least one. Defaults to `[\"serverAuth\"]`.",
				setvalidator.SizeAtLeast(1)),
			"allowed_dns_names": optionalStringSet(defaults.AllowedDNSNames,
				"Patterns of DNS names, in lower case. `*` as the first label stands for exactly one label, `**` for one or more, `**` alone for any name. Defaults to none."),
			"allow_wildcard_names": optionalBool(defaults.AllowWildcardNames,
				"Whether a certificate may hold a wildcard name. A pattern whose first label is `*` or `**` must match it too. Defaults to `false`."),
			"allowed_ip_ranges": optionalStringSet(defaults.AllowedIPRanges, "IP addresses as CIDR prefixes, like `10.0.0.0/8`. Defaults to none."),
			"allowed_uris": optionalStringSet(defaults.AllowedURIs,
				"Patterns of URIs. Scheme and host are literal; in the path `*` is one whole segment, and `**` at the end is one or more. Defaults to none."),
			"allowed_email_domains": optionalStringSet(defaults.AllowedEmailDomains, "Domains of e-mail addresses: the part after the `@`. Defaults to none."),
			"max_sans":              optionalInt64(int64(defaults.MaxSANs), "The largest number of names in one certificate, 1 to 1000. Defaults to `100`.", int64validator.Between(1, rules.MaxListLength)),
			"max_ttl_seconds": optionalInt64(defaults.MaxTTLSeconds, "Validity of every certificate in seconds, one hour to ten years. Defaults to `7776000`, 90 days.",
				int64validator.Between(rules.MinTTLSeconds, rules.MaxTTLSeconds)),
			"subject_attributes": subjectAttributesAttribute(),
			"allowed_common_names": optionalStringSet(defaults.AllowedCommonNames,
				"Patterns of common names that need not be among the `sans`, like `node-*`. `*` is any run of characters, also an empty one. Not with `serverAuth` in `allowed_ekus`. Defaults to none."),
			"key_usages": schema.SetAttribute{
				ElementType:         types.StringType,
				Optional:            true,
				MarkdownDescription: "Key usages of every certificate: " + "`" + strings.Join(rules.KeyUsageNames(), "`, `") + "`. By default they follow from the key: `digitalSignature`, and for RSA `keyEncipherment` too.",
				Validators:          []validator.Set{setvalidator.NoNullValues()},
			},
			"allow_underscores": optionalBool(defaults.AllowUnderscores,
				"Whether DNS names and their patterns may have underscores, like `_sip.example.com`. Many programs, Java among them, refuse such a host name. Defaults to `false`."),
			"csr_extras": schema.StringAttribute{
				Optional:            true,
				Computed:            true,
				Default:             stringdefault.StaticString(string(defaults.CSRExtras)),
				MarkdownDescription: "What happens to parts of a CSR that are not signed: `list` shows them in `csr_ignored` of the certificate, `refuse` refuses the CSR. Defaults to `list`.",
			},
			"labels": optionalLabels(),
			"created_at": schema.StringAttribute{
				Computed:            true,
				CustomType:          timetypes.RFC3339Type{},
				MarkdownDescription: "When the profile was made, in UTC.",
				PlanModifiers:       []planmodifier.String{stringplanmodifier.UseStateForUnknown()},
			},
		},
	}
}

func keyAlgorithmsAttribute(defaults []api.KeyAlgorithm) schema.SetNestedAttribute {
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
		Default:             setdefault.StaticValue(newKeyAlgorithmSet(defaults)),
		MarkdownDescription: "Kinds of public key that may be certified, at least one. Defaults to ECDSA from 256 bits, RSA from 2048 bits, and Ed25519.",
		Validators:          []validator.Set{setvalidator.SizeAtLeast(1), setvalidator.NoNullValues()},
	}
}

func newKeyAlgorithmSet(algorithms []api.KeyAlgorithm) types.Set {
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

// subjectAttributeDescriptions describes each attribute of subject_attributes.
var subjectAttributeDescriptions = map[string]string{
	"organization":        "Organisations (O).",
	"organizational_unit": "Organisational units (OU).",
	"country":             "Country codes of two upper-case letters (C), like `DE`.",
	"province":            "States or provinces (ST).",
	"locality":            "Localities (L).",
	"street_address":      "Street addresses.",
	"postal_code":         "Postal codes.",
}

func subjectAttributesAttribute() schema.SingleNestedAttribute {
	attributes, kinds, none := map[string]schema.Attribute{}, map[string]attr.Type{}, map[string]attr.Value{}
	for name, description := range subjectAttributeDescriptions {
		attributes[name] = optionalStringSet(nil, description+" Defaults to none.")
		kinds[name], none[name] = types.SetType{ElemType: types.StringType}, newStringSet(nil)
	}
	return schema.SingleNestedAttribute{
		Optional:            true,
		Computed:            true,
		Attributes:          attributes,
		Default:             objectdefault.StaticValue(types.ObjectValueMust(kinds, none)),
		MarkdownDescription: "Constants in the subject of every certificate. They are never copied from a CSR. Each set has at most 16 values. Defaults to none.",
	}
}

func computedSubjectAttributes() datasourceschema.SingleNestedAttribute {
	attributes := map[string]datasourceschema.Attribute{}
	for name, description := range subjectAttributeDescriptions {
		attributes[name] = computedStringSet(description)
	}
	return datasourceschema.SingleNestedAttribute{
		Computed:            true,
		Attributes:          attributes,
		MarkdownDescription: "Constants in the subject of every certificate.",
	}
}

func certificateProfileDataSourceSchema() datasourceschema.Schema {
	attributes := certificateProfileDataAttributes()
	attributes["id"] = lookupArgument("Id of the profile, like `p-prod-cdn`. Give this or `name`.")
	attributes["name"] = lookupArgument("Name of the profile. Give this or `id`.")
	return datasourceschema.Schema{
		MarkdownDescription: "A certificate profile that is managed elsewhere. If there is none, the read fails.",
		Attributes:          attributes,
	}
}

// lookupArgument returns an argument that is read from the server if it is not set.
func lookupArgument(description string) datasourceschema.StringAttribute {
	a := optionalFilter(description)
	a.Computed = true
	return a
}

// certificateProfileAttributes returns the attributes of the resource as a data source shows them.
func certificateProfileAttributes() map[string]datasourceschema.Attribute {
	return map[string]datasourceschema.Attribute{
		"id":                     computedString("Id of the profile."),
		"name":                   computedString("Unique name."),
		"description":            computedString("What the profile is for."),
		"enabled":                computedBool("Whether certificates are signed under the profile."),
		"requires_approval":      computedBool("The gate. If `true`, nothing is signed until a second person has approved exactly that request."),
		"issuer_id":              computedString("The issuer that signs."),
		"allowed_key_algorithms": computedKeyAlgorithms(),
		"allowed_ekus":           computedStringSet("Extended key usages that every certificate gets."),
		"allowed_dns_names":      computedStringSet("Patterns of DNS names. `*` as the first label stands for exactly one label, `**` for one or more, `**` alone for any name."),
		"allow_wildcard_names":   computedBool("Whether a certificate may hold a wildcard name."),
		"allowed_ip_ranges":      computedStringSet("IP addresses as CIDR prefixes."),
		"allowed_uris":           computedStringSet("Patterns of URIs. In the path `*` is one whole segment, and `**` at the end is one or more."),
		"allowed_email_domains":  computedStringSet("Domains of e-mail addresses: the part after the `@`."),
		"max_sans":               datasourceschema.Int64Attribute{Computed: true, MarkdownDescription: "The largest number of names in one certificate."},
		"max_ttl_seconds":        datasourceschema.Int64Attribute{Computed: true, MarkdownDescription: "Validity of every certificate in seconds."},
		"subject_attributes":     computedSubjectAttributes(),
		"allowed_common_names":   computedStringSet("Patterns of common names that need not be among the `sans`. `*` is any run of characters."),
		"key_usages":             computedStringSet("Key usages of every certificate; null if they follow from the key."),
		"allow_underscores":      computedBool("Whether DNS names and their patterns may have underscores."),
		"csr_extras":             computedString("What happens to parts of a CSR that are not signed: `list` or `refuse`."),
		"labels":                 datasourceschema.MapAttribute{Computed: true, ElementType: types.StringType, MarkdownDescription: "Labels of the profile."},
		"created_at":             computedTime("When the profile was made, in UTC."),
	}
}

func computedKeyAlgorithms() datasourceschema.SetNestedAttribute {
	return datasourceschema.SetNestedAttribute{
		Computed:            true,
		MarkdownDescription: "Kinds of public key that may be certified.",
		NestedObject: datasourceschema.NestedAttributeObject{Attributes: map[string]datasourceschema.Attribute{
			"algorithm": computedString("`ECDSA`, `RSA` or `Ed25519`."),
			"min_size":  datasourceschema.Int64Attribute{Computed: true, MarkdownDescription: "Smallest size in bits; null for `Ed25519`."},
		}},
	}
}
