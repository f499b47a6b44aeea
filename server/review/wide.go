package review

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/certctl/terraform-provider-certctl/api"
)

// allowsMore reports whether an edit lets a rule allow what it refused. The gate has a sentence of its own. A field that is
// unknown here counts as one that allows more.
func allowsMore(field string, before, after api.ProfileSpec) bool {
	switch field {
	case "allowed_dns_names":
		return hasAdded(before.AllowedDNSNames, after.AllowedDNSNames)
	case "allowed_ip_ranges":
		return hasAdded(before.AllowedIPRanges, after.AllowedIPRanges)
	case "allowed_uris":
		return hasAdded(before.AllowedURIs, after.AllowedURIs)
	case "allowed_email_domains":
		return hasAdded(before.AllowedEmailDomains, after.AllowedEmailDomains)
	case "allowed_common_names":
		return hasAdded(before.AllowedCommonNames, after.AllowedCommonNames)
	case "allowed_ekus":
		return hasAdded(before.AllowedEKUs, after.AllowedEKUs)
	case "allowed_key_algorithms":
		return slices.ContainsFunc(after.AllowedKeyAlgorithms, func(a api.KeyAlgorithm) bool { return !allowsKey(before.AllowedKeyAlgorithms, a) })
	case "max_sans":
		return after.MaxSANs > before.MaxSANs
	case "max_ttl_seconds":
		return after.MaxTTLSeconds > before.MaxTTLSeconds
	case "enabled":
		return after.Enabled
	case "allow_wildcard_names":
		return after.AllowWildcardNames
	case "allow_underscores":
		return after.AllowUnderscores
	case "csr_extras":
		return after.CSRExtras != api.CSRExtrasRefuse
	case "requires_approval", "name":
		return false
	default:
		return true
	}
}

func hasAdded(before, after []string) bool { return len(without(after, before)) > 0 }

// allowsKey reports whether a list of algorithms allows every key that another entry allows.
func allowsKey(list []api.KeyAlgorithm, a api.KeyAlgorithm) bool {
	return slices.ContainsFunc(list, func(b api.KeyAlgorithm) bool {
		return b.Algorithm == a.Algorithm && b.MinSize <= a.MinSize
	})
}

// warnOfWideRules warns of new patterns that allow nearly everything, and of new usages beside those of TLS.
func warnOfWideRules(before, after api.ProfileSpec) []Warning {
	var warnings []Warning
	for _, pattern := range without(after.AllowedDNSNames, before.AllowedDNSNames) {
		first, rest, _ := strings.Cut(pattern, ".")
		switch {
		case pattern == "**":
			warnings = append(warnings, Warning{Text: "Every DNS name will be allowed."})
		case strings.HasPrefix(first, "*") && rest != "" && !strings.Contains(rest, "."):
			warnings = append(warnings, Warning{"%s allows names in all of the top-level domain %s.", []string{pattern, rest}})
		}
	}
	for _, text := range without(after.AllowedIPRanges, before.AllowedIPRanges) {
		if ipRange, err := netip.ParsePrefix(text); err == nil && ipRange.Bits() == 0 {
			warnings = append(warnings, Warning{"Every IP address of %s will be allowed.", []string{text}})
		}
	}
	for _, pattern := range without(after.AllowedCommonNames, before.AllowedCommonNames) {
		if strings.Trim(pattern, "*") == "" {
			warnings = append(warnings, Warning{Text: "Every common name will be allowed."})
		}
	}
	for _, usage := range without(after.AllowedEKUs, before.AllowedEKUs) {
		if usage != "serverAuth" && usage != "clientAuth" {
			warnings = append(warnings, Warning{"Certificates may be made for %s.", []string{usage}})
		}
	}
	return warnings
}
