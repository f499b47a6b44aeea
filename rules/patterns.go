package rules

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/certctl/terraform-provider-certctl/api"
)

// Names are a profile's patterns for names, ready to be asked about many: a certificate may have a thousand names and
// a profile a thousand patterns, and both are looked at under locks.
type Names struct {
	wildcards bool // names, not patterns

	exactDNS  map[string]bool
	oneLabel  map[string]bool // what follows a first *
	manyLabel map[string]bool // what follows a first **
	anyDNS    bool
	ranges    []netip.Prefix
	uris      map[string][][]string // the segments of the path, by scheme and authority
	domains   map[string]bool
}

// NamesOf reads a profile's patterns. One that cannot be read permits nothing.
func NamesOf(spec api.ProfileSpec) *Names {
	n := &Names{
		wildcards: spec.AllowWildcardNames, exactDNS: map[string]bool{}, oneLabel: map[string]bool{}, manyLabel: map[string]bool{},
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

func (n *Names) addDNS(pattern string) {
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

// Permits says why the profile does not allow a name, or nil if it does. What no pattern names is denied.
// A wildcard name needs more than a matching pattern, since it speaks for names that nobody listed.
func (n *Names) Permits(name Name) error {
	if name.isWildcard() && !n.wildcards {
		return fmt.Errorf("%s is a wildcard name, and the profile does not set allow_wildcard_names", quote(name.text))
	}
	field, matches := n.matches(name)
	if matches {
		return nil
	}
	if field == "" {
		return fmt.Errorf("%s is a name of unknown kind", quote(name.text))
	}
	return fmt.Errorf("the %s %s matches nothing in the profile's %s", name.kind, quote(name.text), field)
}

func (n *Names) matches(name Name) (field string, matches bool) {
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

// matchDNS compares whole labels, so that part of a label never matches. A wildcard name's own * is a label like any
// other; since no literal pattern can hold a *, only one that begins with * or ** takes it.
func (n *Names) matchDNS(name string) bool {
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

// cutRoot cuts a URI into scheme and authority, which are literal, and the segments of its path.
func cutRoot(uri string) (root string, path []string) {
	parts := strings.Split(uri, "/")
	start := min(pathStart, len(parts))
	return strings.Join(parts[:start], "/"), parts[start:]
}

// pathStart is where the path begins in a URI split at slashes: after the scheme, nothing, and the authority.
const pathStart = 3

func (n *Names) matchURI(name string) bool {
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

// checkDNSPattern accepts ** alone, or a DNS name whose first label may be * or **.
func checkDNSPattern(s string) error {
	return refusal(s, dnsPatternProblem, lowerDNSPattern(s))
}

func dnsPatternProblem(s string) string {
	_, rest := cutStars(s)
	switch {
	case s == "*" || s == "**":
		return ""
	case len(s) > maxDNSLength:
		return "is longer than 253 characters"
	}
	return hostProblem(rest)
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

func lowerDNSPattern(s string) string {
	stars, rest := cutStars(s)
	return stars + lowerDNS(rest)
}

// checkIPRange accepts a CIDR prefix without host bits: 10.0.0.1/8 may mean one address or sixteen million.
func checkIPRange(s string) error {
	return refusal(s, ipRangeProblem, maskedRange(s))
}

func ipRangeProblem(s string) string {
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

// maskedRange is the range that was probably meant; a lone address means itself.
func maskedRange(s string) string {
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
	return refusal(s, uriPatternProblem, lowerURI(s))
}

func uriPatternProblem(s string) string {
	if !strings.Contains(s, "://") {
		return "is not a URI: it has no ://"
	}
	if problem := uriProblem(s); problem != "" {
		return problem
	}
	segments := strings.Split(s, "/")
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
	return refusal(s, hostProblem, lowerDNS(strings.TrimPrefix(s, "@")))
}
