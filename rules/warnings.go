package rules

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"

	"github.com/certctl/terraform-provider-certctl/api"
)

const secondsPerDay = 24 * 60 * 60

// WarnOfProfile lists what clients will refuse of certificates under a profile, for people to read.
func WarnOfProfile(spec api.ProfileSpec) []string {
	days := spec.MaxTTLSeconds / secondsPerDay
	switch {
	case !slices.Contains(spec.AllowedEKUs, "serverAuth"):
	case days > 825:
		return []string{fmt.Sprintf("the certificates are valid for %d days; Apple's systems refuse server certificates of more than 825 days, also of a private CA", days)}
	case days > 398:
		return []string{fmt.Sprintf("the certificates are valid for %d days; some clients refuse server certificates of more than 398 days", days)}
	}
	return nil
}

// WarnOfNames lists the SANs that clients will refuse, for people to read.
func WarnOfNames(sans []string) []string {
	var warnings []string
	for _, s := range sans {
		name, err := ParseName(s)
		if err != nil || !name.isWildcard() {
			continue
		}
		if domain := name.text[2:]; isPublicSuffix(domain) {
			warnings = append(warnings, fmt.Sprintf("%s is a wildcard over the public suffix %s; browsers refuse it", quoteShort(s), domain))
		}
	}
	return warnings
}

// isPublicSuffix reports whether anyone can register names directly under a domain.
func isPublicSuffix(domain string) bool {
	suffix, official := publicsuffix.PublicSuffix(domain)
	listed := official || strings.Contains(suffix, ".") // of a domain that is not listed, the last label is returned
	return listed && suffix == domain
}
