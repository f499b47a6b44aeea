package rules

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"

	"github.com/certctl/terraform-provider-certctl/api"
)

const secondsPerDay = 24 * 60 * 60

// WarnOfProfile lists what clients will refuse of certificates under a profile, and what the server will not sign, for
// people to read.
func WarnOfProfile(spec api.ProfileSpec) []string {
	var warnings []string
	if !spec.RequiresApproval && (!spec.SubjectAttributes.IsZero() || len(spec.AllowedCommonNames) > 0) {
		warnings = append(warnings, "a profile with subject_attributes or allowed_common_names signs nothing without a human's approval; set requires_approval, unless the ungated names allow everything")
	}
	if spec.AllowUnderscores {
		warnings = append(warnings, "Java and some other programs refuse host names with an underscore")
	}
	if !slices.Contains(spec.AllowedEKUs, serverAuth) {
		return warnings
	}
	switch days := spec.MaxTTLSeconds / secondsPerDay; {
	case days > 825:
		warnings = append(warnings, fmt.Sprintf("the certificates are valid for %d days; Apple's systems refuse server certificates of more than 825 days, also of a private CA", days))
	case days > 398:
		warnings = append(warnings, fmt.Sprintf("the certificates are valid for %d days; some clients refuse server certificates of more than 398 days", days))
	}
	if spec.KeyUsages != nil && !slices.Contains(spec.KeyUsages, "digitalSignature") {
		warnings = append(warnings, "TLS 1.3 clients refuse server certificates without the key usage digitalSignature")
	}
	return warnings
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
