package provider

import (
	"github.com/hashicorp/terraform-plugin-framework-timetypes/timetypes"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// certificateProfileModel is a profile in plan and state. Only the attributes that the server makes can be unknown. All
// others are plain values.
type certificateProfileModel struct {
	ID                   types.String        `tfsdk:"id"`
	Name                 string              `tfsdk:"name"`
	Description          string              `tfsdk:"description"`
	Enabled              bool                `tfsdk:"enabled"`
	RequiresApproval     bool                `tfsdk:"requires_approval"`
	IssuerID             string              `tfsdk:"issuer_id"`
	AllowedKeyAlgorithms []keyAlgorithmModel `tfsdk:"allowed_key_algorithms"`
	AllowedEKUs          []string            `tfsdk:"allowed_ekus"`
	AllowedDNSNames      []string            `tfsdk:"allowed_dns_names"`
	AllowWildcardNames   bool                `tfsdk:"allow_wildcard_names"`
	AllowedIPRanges      []string            `tfsdk:"allowed_ip_ranges"`
	AllowedURIs          []string            `tfsdk:"allowed_uris"`
	AllowedEmailDomains  []string            `tfsdk:"allowed_email_domains"`
	MaxSANs              int                 `tfsdk:"max_sans"`
	MaxTTLSeconds        int64               `tfsdk:"max_ttl_seconds"`
	Labels               map[string]string   `tfsdk:"labels"`
	CreatedAt            timetypes.RFC3339   `tfsdk:"created_at"`
}

// keyAlgorithmModel has no size for an algorithm whose keys have one size.
type keyAlgorithmModel struct {
	Algorithm string `tfsdk:"algorithm"`
	MinSize   *int   `tfsdk:"min_size"`
}
