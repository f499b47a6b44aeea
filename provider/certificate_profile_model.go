package provider

import (
	"github.com/hashicorp/terraform-plugin-framework-timetypes/timetypes"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// certificateProfileModel is a profile in plan and state. Only the attributes that the server makes can be unknown. All
// others are plain values.
type certificateProfileModel struct {
	ID                   types.String           `tfsdk:"id"`
	Name                 string                 `tfsdk:"name"`
	Description          string                 `tfsdk:"description"`
	Enabled              bool                   `tfsdk:"enabled"`
	RequiresApproval     bool                   `tfsdk:"requires_approval"`
	IssuerID             string                 `tfsdk:"issuer_id"`
	AllowedKeyAlgorithms []keyAlgorithmModel    `tfsdk:"allowed_key_algorithms"`
	AllowedEKUs          []string               `tfsdk:"allowed_ekus"`
	AllowedDNSNames      []string               `tfsdk:"allowed_dns_names"`
	AllowWildcardNames   bool                   `tfsdk:"allow_wildcard_names"`
	AllowedIPRanges      []string               `tfsdk:"allowed_ip_ranges"`
	AllowedURIs          []string               `tfsdk:"allowed_uris"`
	AllowedEmailDomains  []string               `tfsdk:"allowed_email_domains"`
	MaxSANs              int                    `tfsdk:"max_sans"`
	MaxTTLSeconds        int64                  `tfsdk:"max_ttl_seconds"`
	SubjectAttributes    subjectAttributesModel `tfsdk:"subject_attributes"`
	AllowedCommonNames   []string               `tfsdk:"allowed_common_names"`
	KeyUsages            []string               `tfsdk:"key_usages"` // nil is null
	AllowUnderscores     bool                   `tfsdk:"allow_underscores"`
	CSRExtras            string                 `tfsdk:"csr_extras"`
	Labels               map[string]string      `tfsdk:"labels"`
	CreatedAt            timetypes.RFC3339      `tfsdk:"created_at"`
}

// keyAlgorithmModel has no size for an algorithm whose keys have one size.
type keyAlgorithmModel struct {
	Algorithm string `tfsdk:"algorithm"`
	MinSize   *int   `tfsdk:"min_size"`
}

// subjectAttributesModel has an empty set for an attribute that the subject does not have. In a configuration the set may
// also be null.
type subjectAttributesModel struct {
	Organization       []string `tfsdk:"organization"`
	OrganizationalUnit []string `tfsdk:"organizational_unit"`
	Country            []string `tfsdk:"country"`
	Province           []string `tfsdk:"province"`
	Locality           []string `tfsdk:"locality"`
	StreetAddress      []string `tfsdk:"street_address"`
	PostalCode         []string `tfsdk:"postal_code"`
}

// sets returns every set, to change it.
func (m *subjectAttributesModel) sets() []*[]string {
	return []*[]string{
		&m.Organization, &m.OrganizationalUnit, &m.Country, &m.Province, &m.Locality, &m.StreetAddress, &m.PostalCode,
	}
}
