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
	Algorithm string `json:"algorithm" enum:"ECDSA,RSA,Ed25519"`
	MinSize   int    `json:"min_size,omitempty" minimum:"1" doc:"smallest size in bits; required for RSA and ECDSA, absent for Ed25519"`
}

// ProfileSpec is what a caller writes of a certificate profile: the rules for what may be signed.
// Names are denied by default: an empty list allows none.
type ProfileSpec struct {
	Name                 string            `json:"name" minLength:"1" maxLength:"255" doc:"unique name"`
	Description          string            `json:"description" required:"false" maxLength:"2000"`
	Enabled              bool              `json:"enabled" required:"false" doc:"true unless given; a disabled profile signs nothing"`
	RequiresApproval     bool              `json:"requires_approval" required:"false" doc:"gate: nothing is signed until a second person approved it"`
	IssuerID             string            `json:"issuer_id" required:"false" doc:"iss-local unless given"`
	AllowedKeyAlgorithms []KeyAlgorithm    `json:"allowed_key_algorithms" required:"false" doc:"ECDSA 256, RSA 2048 and Ed25519 unless given"`
	AllowedEKUs          []string          `json:"allowed_ekus" required:"false" doc:"extended key usages of every certificate; serverAuth unless given"`
	AllowedDNSNames      []string          `json:"allowed_dns_names" required:"false" doc:"patterns; * as first label is one label, ** one or more"`
	AllowWildcardNames   bool              `json:"allow_wildcard_names" required:"false"`
	AllowedIPRanges      []string          `json:"allowed_ip_ranges" required:"false" doc:"CIDR prefixes"`
	AllowedURIs          []string          `json:"allowed_uris" required:"false" doc:"patterns; in the path * is one segment, ** at the end one or more"`
	AllowedEmailDomains  []string          `json:"allowed_email_domains" required:"false" doc:"the part after @, equal"`
	MaxSANs              int               `json:"max_sans" required:"false" doc:"100 unless given"`
	MaxTTLSeconds        int64             `json:"max_ttl_seconds" required:"false" doc:"validity of every certificate; 7776000 unless given"`
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
	ID string `json:"id,omitempty" minLength:"1" doc:"p- and a name of your choice; the server makes one unless given"`
	ProfileSpec
}

// Profile is a certificate profile as it is stored.
type Profile struct {
	ID string `json:"id"`
	ProfileSpec
	Version           int64     `json:"version" doc:"counts changes of the written fields; also the ETag"`
	PendingApprovalID *string   `json:"pending_approval_id" doc:"the edit that awaits approval"`
	CreatedAt         time.Time `json:"created_at"`
	UpdatedAt         time.Time `json:"updated_at"`
}
