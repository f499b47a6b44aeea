package api

import "time"

// UngatedLists are the names and usages that may be signed without approval, in the words of a profile's allow-lists.
type UngatedLists struct {
	AllowedDNSNames     []string `json:"allowed_dns_names"`
	AllowedIPRanges     []string `json:"allowed_ip_ranges" doc:"IP addresses, as CIDR prefixes."`
	AllowedURIs         []string `json:"allowed_uris" doc:"URIs, as patterns of a profile."`
	AllowedEmailDomains []string `json:"allowed_email_domains" doc:"Domains of e-mail addresses: the part after @, equal."`
	AllowedEKUs         []string `json:"allowed_ekus" doc:"Extended key usages."`
}

// UngatedNames are what may be signed without a human's approval. Everything else needs a gated profile.
type UngatedNames struct {
	AllowAll bool `json:"allow_all" doc:"Whether everything may be signed without approval. The lists are then empty."`
	UngatedLists
	UpdatedAt time.Time `json:"updated_at" doc:"When the list was last written."`
}
