package rules

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/certctl/terraform-provider-certctl/api"
)

// NamePatterns are the patterns of a profile, prepared for fast matching. The server matches under locks, and both a
// certificate and a profile can have a thousand entries.
type NamePatterns struct {
	wildcards   bool // the profile allows wildcard names
	underscores bool // the profile allows underscores in DNS names

	exactDNS  map[string]bool
	oneLabel  map[string]bool // the labels after a first *
	manyLabel map[string]bool // the labels after a first **
	anyDNS    bool
	ranges    []netip.Prefix
	uris      map[string][][]string // the segments of the path, by scheme and authority
	domains   map[string]bool
}

// NewNamePatterns prepares a profile's patterns. A malformed pattern matches no name.
func NewNamePatterns(spec api.ProfileSpec) *NamePatterns {
	n := &NamePatterns{
		wildcards: spec.AllowWildcardNames, underscores: spec.AllowUnderscores, exactDNS: map[string]bool{}, oneLabel: map[string]bool{}, manyLabel: map[string]bool{},
		uris: map[string][][]string{}, domains: map[string]bool{},
	}
	for _, pattern := range spec.AllowedDNSNames {
		n.addDNS(pattern)
	}
	for _, pattern := range spec.AllowedIPRanges {
		if prefix, err := netip.ParsePrefix(pattern); err == nil {
			n.ranges = append(n.ranges, prefix)
		}
	}
	for _, pattern := range spec.AllowedURIs {
		root, path := cutRoot(pattern)
		n.uris[root] = append(n.uris[root], path)
	}
	for _, domain := range spec.AllowedEmailDomains {
		n.domains[domain] = true
	}
	return n
}

func (n *NamePatterns) addDNS(pattern string) {
	switch first, rest, _ := strings.Cut(pattern, "."); {
	case pattern == "**":
		n.anyDNS = true
	case first == "**":
		n.manyLabel[rest] = true
	case first == "*":
		n.oneLabel[rest] = true
	default:
		n.exactDNS[pattern] = true
	}
}

// CheckName returns an error if the profile does not allow a name. A name needs a pattern that matches. A wildcard name
// also needs allow_wildcard_names, because it covers names that the profile does not list. A DNS name with an underscore
// also needs allow_underscores.
func (n *NamePatterns) CheckName(name Name) error {
	if name.isWildcard() && !n.wildcards {
		return fmt.Errorf("%s is a wildcard name, and the profile does not set allow_wildcard_names", quoteShort(name.text))
	}
	if name.kind == DNS && strings.Contains(name.text, "_") && !n.underscores {
		return fmt.Errorf("%s has an underscore, which many programs refuse in a host name, and the profile does not set allow_underscores", quoteShort(name.text))
	}
	field, matches := n.findMatch(name)
	if matches {
		return nil
	}
	if field == "" {
		return fmt.Errorf("%s is a name of unknown kind", quoteShort(name.text))
	}
	return fmt.Errorf("the %s %s matches nothing in the profile's %s", name.kind, quoteShort(name.text), field)
}

// findMatch returns the field of the profile for this kind of name, and whether a pattern in that field matches.
func (n *NamePatterns) findMatch(name Name) (field string, matches bool) {
	switch name.kind {
	case DNS:
		return "allowed_dns_names", n.matchDNS(name.text)
	case IP:
		return "allowed_ip_ranges", slices.ContainsFunc(n.ranges, func(p netip.Prefix) bool { return p.Contains(name.addr) })
	case URI:
		return "allowed_uris", n.matchURI(name.text)
	case Email:
		_, domain, _ := strings.Cut(name.text, "@")
		return "allowed_email_domains", n.domains[domain]
	}
	return "", false
}

func (n Name) isWildcard() bool { return n.kind == DNS && strings.HasPrefix(n.text, "*.") }

// matchDNS compares whole labels, so a part of a label never matches. The * of a wildcard name counts as a label. Only a
// pattern that begins with * or ** matches it, because no other pattern has a *.
func (n *NamePatterns) matchDNS(name string) bool {
	_, rest, _ := strings.Cut(name, ".")
	if n.anyDNS || n.exactDNS[name] || n.oneLabel[rest] {
		return true
	}
	for more := rest != ""; more; _, rest, more = strings.Cut(rest, ".") {
		if n.manyLabel[rest] {
			return true
		}
	}
	return false
}

// cutRoot cuts a URI into scheme and authority, which are literal, and the segments of its path. Of a URN the namespace
// is literal, and colons separate the segments.
func cutRoot(uri string) (root string, path []string) {
	if isURN(uri) {
		parts := strings.Split(uri, ":")
		return strings.Join(parts[:2], ":"), parts[2:]
	}
	parts := strings.Split(uri, "/")
	start := min(pathStart, len(parts))
	return strings.Join(parts[:start], "/"), parts[start:]
}

// pathStart is the index of the path in a URI that is split at slashes. The scheme, an empty text and the authority come
// before it.
const pathStart = 3

func (n *NamePatterns) matchURI(name string) bool {
	root, have := cutRoot(name)
	return slices.ContainsFunc(n.uris[root], func(want []string) bool { return matchPath(want, have) })
}

func matchPath(want, have []string) bool {
	if last := len(want) - 1; last >= 0 && want[last] == "**" {
		if len(have) <= last {
			return false
		}
		want, have = want[:last], have[:last]
	}
	return slices.EqualFunc(want, have, func(w, h string) bool { return w == "*" || w == h })
}

// checkDNSPattern accepts ** alone, or a DNS name whose first label may be * or **. Labels may have underscores.
func checkDNSPattern(s string) error {
	return checkSpelling(s, dnsPatternFault, suggestDNSPattern(s))
}

// dnsPatternCheck returns checkDNSPattern for a profile. Without allow_underscores a pattern with an underscore would match
// nothing, so it is refused.
func dnsPatternCheck(allowUnderscores bool) func(string) error {
	return func(s string) error {
		if !allowUnderscores && strings.Contains(s, "_") {
			return fmt.Errorf("%s has an underscore, which many programs refuse in a host name; set allow_underscores to allow it", quoteShort(s))
		}
		return checkDNSPattern(s)
	}
}

func dnsPatternFault(s string) string {
	_, rest := cutStars(s)
	switch {
	case s == "*" || s == "**":
		return ""
	case len(s) > maxDNSLength:
		return "is longer than 253 characters"
	}
	return dnsHostFault(rest)
}

// cutStars cuts a first label of * or **, with its dot.
func cutStars(s string) (stars, rest string) {
	for _, stars := range []string{"*.", "**."} {
		if rest, ok := strings.CutPrefix(s, stars); ok {
			return stars, rest
		}
	}
	return "", s
}

func suggestDNSPattern(s string) string {
	stars, rest := cutStars(s)
	return stars + suggestDNS(rest)
}

// checkIPRange accepts a CIDR prefix without host bits. It refuses 10.0.0.1/8, which may mean one address or a range.
func checkIPRange(s string) error {
	return checkSpelling(s, ipRangeFault, suggestRange(s))
}

func ipRangeFault(s string) string {
	prefix, err := netip.ParsePrefix(s)
	switch {
	case err != nil:
		return "is not a CIDR prefix such as 10.0.0.0/8 or 2001:db8::/32"
	case prefix.Addr().Is4In6():
		return "is an IPv4 range in IPv6 form"
	case prefix.Masked() != prefix:
		return "has bits set after its prefix"
	case prefix.String() != s:
		return "is not the canonical spelling of the range"
	}
	return ""
}

// suggestRange returns the range that was probably meant. For an address, the range is that address alone.
func suggestRange(s string) string {
	if addr, err := netip.ParseAddr(s); err == nil {
		return netip.PrefixFrom(addr, addr.BitLen()).String()
	}
	prefix, err := netip.ParsePrefix(s)
	if err != nil {
		return s
	}
	return prefix.Masked().String()
}

// checkURIPattern accepts a URI whose path may hold * as whole segments, and ** as the last one.
func checkURIPattern(s string) error {
	return checkSpelling(s, uriPatternFault, suggestURI(s))
}

func uriPatternFault(s string) string {
	if !strings.Contains(s, "://") && !isURN(s) {
		return "is not a URI: it has no ://, and does not begin with urn:"
	}
	if fault := uriFault(s); fault != "" {
		return fault
	}
	_, segments := cutRoot(s)
	for i, segment := range segments {
		switch {
		case !strings.Contains(segment, "*") || segment == "*":
		case segment != "**":
			return "has a * beside other characters; * is one whole segment"
		case i != len(segments)-1:
			return "has ** before its end; ** may only be the last segment"
		}
	}
	return ""
}

// checkEmailDomain accepts a DNS name; the part after @ is compared with it as a whole.
func checkEmailDomain(s string) error {
	return checkSpelling(s, hostFault, suggestDNS(strings.TrimPrefix(s, "@")))
}
