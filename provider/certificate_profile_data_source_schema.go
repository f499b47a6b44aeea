package provider

import (
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// certificateProfileAttributes is a profile as a data source shows it: what the resource has, all of it read.
func certificateProfileAttributes() map[string]schema.Attribute {
	return map[string]schema.Attribute{
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
		"max_sans":               schema.Int64Attribute{Computed: true, MarkdownDescription: "Most names in one certificate."},
		"max_ttl_seconds":        schema.Int64Attribute{Computed: true, MarkdownDescription: "Validity of every certificate in seconds."},
		"labels":                 schema.MapAttribute{Computed: true, ElementType: types.StringType, MarkdownDescription: "Its labels."},
		"created_at":             moment("When it was made, in UTC."),
	}
}

func readKeyAlgorithms() schema.SetNestedAttribute {
	return schema.SetNestedAttribute{
		Computed:            true,
		MarkdownDescription: "Kinds of public key that may be certified.",
		NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
			"algorithm": text("`ECDSA`, `RSA` or `Ed25519`."),
			"min_size":  schema.Int64Attribute{Computed: true, MarkdownDescription: "Smallest size in bits; null for `Ed25519`."},
		}},
	}
}

func readTexts(description string) schema.SetAttribute {
	return schema.SetAttribute{Computed: true, ElementType: types.StringType, MarkdownDescription: description}
}

func yesOrNo(description string) schema.BoolAttribute {
	return schema.BoolAttribute{Computed: true, MarkdownDescription: description}
}
