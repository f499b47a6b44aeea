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
		Labels:              map[string]string{},
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
	CreatedAt         time.Time `json:"created_at"`
	UpdatedAt         time.Time `json:"updated_at"`
}
