package profile

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/certctl/terraform-provider-certctl/api"
)

// Permits says why the profile does not allow a name, or nil if it does. What no pattern names is denied.
// A wildcard name needs more than a matching pattern, since it speaks for names that nobody listed.
func Permits(spec api.ProfileSpec, n Name) error {
	if n.isWildcard() && !spec.AllowWildcardNames {
		return fmt.Errorf("%s is a wildcard name, and the profile does not set allow_wildcard_names", quote(n.text))
	}
	field, patterns, match := rulesFor(spec, n.kind)
	if match == nil {
		return fmt.Errorf("%s is a name of unknown kind", quote(n.text))
	}
	if slices.ContainsFunc(patterns, func(pattern string) bool { return match(pattern, n) }) {
		return nil
	}
	return fmt.Errorf("the %s %s matches nothing in the profile's %s", n.kind, quote(n.text), field)
}

func rulesFor(spec api.ProfileSpec, kind NameKind) (field string, patterns []string, match func(string, Name) bool) {
	switch kind {
	case DNS:
		return "allowed_dns_names", spec.AllowedDNSNames, matchDNS
	case IP:
		return "allowed_ip_ranges", spec.AllowedIPRanges, matchIP
	case URI:
		return "allowed_uris", spec.AllowedURIs, matchURI
	case Email:
		return "allowed_email_domains", spec.AllowedEmailDomains, matchEmail
	}
	return "", nil, nil
}

func (n Name) isWildcard() bool { return n.kind == DNS && strings.HasPrefix(n.text, "*.") }

// matchDNS compares label by label, so that part of a label never matches. A wildcard name's own * is a
// label like any other; since no literal pattern can hold a *, only one that begins with * or ** takes it.
func matchDNS(pattern string, n Name) bool {
	want, have := strings.Split(pattern, "."), strings.Split(n.text, ".")
	switch rest := want[1:]; want[0] {
	case "**":
		return len(have) > len(rest) && slices.Equal(have[len(have)-len(rest):], rest)
	case "*":
		return slices.Equal(have[1:], rest)
	}
	return slices.Equal(have, want)
}

// matchIP fails closed on a range that does not parse. An IPv6 range holds no IPv4 address.
func matchIP(pattern string, n Name) bool {
	prefix, err := netip.ParsePrefix(pattern)
	return err == nil && prefix.Contains(n.addr)
}

// matchURI splits at slashes: the parts 0 to 2 are the scheme, nothing, and the authority, all literal;
// the others are the segments of the path.
func matchURI(pattern string, n Name) bool {
	want, have := strings.Split(pattern, "/"), strings.Split(n.text, "/")
	last := len(want) - 1
	if last >= pathStart && want[last] == "**" {
		return len(have) > last && matchSegments(want[:last], have[:last])
	}
	return matchSegments(want, have)
}

// pathStart is where the path begins in a URI split at slashes.
const pathStart = 3

func matchSegments(want, have []string) bool {
	if len(want) != len(have) {
		return false
	}
	for i := range want {
		if want[i] != have[i] && (i < pathStart || want[i] != "*") {
			return false
		}
	}
	return true
}

func matchEmail(pattern string, n Name) bool {
	_, domain, _ := strings.Cut(n.text, "@")
	return domain == pattern
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
