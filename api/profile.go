package api

import "time"

// Key algorithms of a KeyAlgorithm.
const (
	AlgorithmECDSA   = "ECDSA"
	AlgorithmRSA     = "RSA"
	AlgorithmEd25519 = "Ed25519"
)

// KeyAlgorithm is a kind of public key that a profile allows.
type KeyAlgorithm struct {
	Algorithm string `json:"algorithm" enum:"ECDSA,RSA,Ed25519" doc:"Algorithm of the public key."`
	MinSize   int    `json:"min_size,omitempty" minimum:"1"`
}

// SubjectAttributes are constants that a profile puts into the subject of every certificate. Each list is a set.
type SubjectAttributes struct {
	Organization       []string `json:"organization,omitzero" required:"false"`
	OrganizationalUnit []string `json:"organizational_unit,omitzero" required:"false"`
	Country            []string `json:"country,omitzero" required:"false"`
	Province           []string `json:"province,omitzero" required:"false"`
	Locality           []string `json:"locality,omitzero" required:"false"`
	StreetAddress      []string `json:"street_address,omitzero" required:"false"`
	PostalCode         []string `json:"postal_code,omitzero" required:"false"`
}

// IsZero reports whether there is no attribute.
func (a SubjectAttributes) IsZero() bool {
	return len(a.Organization)+len(a.OrganizationalUnit)+len(a.Country)+len(a.Province)+len(a.Locality)+len(a.StreetAddress)+len(a.PostalCode) == 0
}

// CSRExtras is what a profile does with parts of a CSR that will not be signed and only make the certificate able to do
// less.
type CSRExtras string

// The values of CSRExtras.
const (
	CSRExtrasList   CSRExtras = "list"   // list them in csr_ignored
	CSRExtrasRefuse CSRExtras = "refuse" // refuse the CSR
)

// ProfileSpec is what a caller writes of a certificate profile: the rules for what may be signed.
// Names are denied by default: an empty list allows none.
type ProfileSpec struct {
	Name                 string            `json:"name" minLength:"1" maxLength:"255"`
	Description          string            `json:"description" required:"false" maxLength:"2000"`
	Enabled              bool              `json:"enabled" required:"false"`
	RequiresApproval     bool              `json:"requires_approval" required:"false"`
	IssuerID             string            `json:"issuer_id" required:"false"`
	AllowedKeyAlgorithms []KeyAlgorithm    `json:"allowed_key_algorithms" required:"false"`
	AllowedEKUs          []string          `json:"allowed_ekus" required:"false"`
	AllowedDNSNames      []string          `json:"allowed_dns_names" required:"false"`
	AllowWildcardNames   bool              `json:"allow_wildcard_names" required:"false"`
	AllowedIPRanges      []string          `json:"allowed_ip_ranges" required:"false"`
	AllowedURIs          []string          `json:"allowed_uris" required:"false"`
	AllowedEmailDomains  []string          `json:"allowed_email_domains" required:"false"`
	MaxSANs              int               `json:"max_sans" required:"false"`
	MaxTTLSeconds        int64             `json:"max_ttl_seconds" required:"false"`
	SubjectAttributes    SubjectAttributes `json:"subject_attributes" required:"false"`
	AllowedCommonNames   []string          `json:"allowed_common_names" required:"false"`
	KeyUsages            []string          `json:"key_usages" required:"false" nullable:"true"`
	AllowUnderscores     bool              `json:"allow_underscores" required:"false"`
	CSRExtras            CSRExtras         `json:"csr_extras" required:"false" enum:"list,refuse"`
	Labels               map[string]string `json:"labels" required:"false"`
}

// DefaultProfileSpec is what a profile has in the fields that its writer leaves out.
func DefaultProfileSpec() ProfileSpec {
	return ProfileSpec{
		Enabled:  true,
		IssuerID: "iss-local",
		AllowedKeyAlgorithms: []KeyAlgorithm{
			{Algorithm: AlgorithmECDSA, MinSize: 256}, {Algorithm: AlgorithmRSA, MinSize: 2048}, {Algorithm: AlgorithmEd25519},
		},
		AllowedEKUs:         []string{"serverAuth"},
		AllowedDNSNames:     []string{},
		AllowedIPRanges:     []string{},
		AllowedURIs:         []string{},
		AllowedEmailDomains: []string{},
		MaxSANs:             100,
		MaxTTLSeconds:       7776000,
		AllowedCommonNames:  []string{},
		CSRExtras:           CSRExtrasList,
		Labels:              map[string]string{},
	}
}

// FillMissing sets the fields to their defaults that a profile lacks if it was stored before they existed.
func (s *ProfileSpec) FillMissing() {
	if s.AllowedCommonNames == nil {
		s.AllowedCommonNames = []string{}
	}
	if s.CSRExtras == "" {
		s.CSRExtras = CSRExtrasList
	}
}

// CreateProfile is the body of POST /profiles.
type CreateProfile struct {
	ID string `json:"id,omitempty" minLength:"1"`
	ProfileSpec
}

// Profile is a certificate profile as it is stored.
type Profile struct {
	ID string `json:"id"`
	ProfileSpec
	Version           int64     `json:"version"`
	PendingApprovalID *string   `json:"pending_approval_id"`
	Undecidable       bool      `json:"undecidable" doc:"Whether the profile is gated and there are not two enabled people, one of them an approver, to request and to decide."`
	CreatedAt         time.Time `json:"created_at"`
	UpdatedAt         time.Time `json:"updated_at"`
}
