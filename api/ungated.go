package api

import "time"

// UngatedLists are the names and usages that may be signed without approval, in the words of a profile's allow-lists.
type UngatedLists struct {
	AllowedDNSNames     []string `json:"allowed_dns_names" doc:"patterns, as in a profile; a wildcard name needs one that begins with * or **"`
	AllowedIPRanges     []string `json:"allowed_ip_ranges" doc:"CIDR prefixes"`
	AllowedURIs         []string `json:"allowed_uris" doc:"patterns, as in a profile"`
	AllowedEmailDomains []string `json:"allowed_email_domains" doc:"the part after @, equal"`
	AllowedEKUs         []string `json:"allowed_ekus" doc:"extended key usages"`
}

// UngatedNames are what may be signed without a human's approval. Everything else needs a gated profile.
type UngatedNames struct {
	AllowAll bool `json:"allow_all" doc:"everything may be signed without approval; the lists are empty then"`
	UngatedLists
	UpdatedAt time.Time `json:"updated_at"`
}
