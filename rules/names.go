package rules

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

// NameKind is what a subject alternative name is. The zero value is no kind, so that a Name nobody
// parsed is permitted nowhere.
type NameKind int

// The kinds of name.
const (
	DNS NameKind = iota + 1
	IP
	URI
	Email
)

// String names the kind for people.
func (k NameKind) String() string {
	switch k {
	case DNS:
		return "DNS name"
	case IP:
		return "IP address"
	case URI:
		return "URI"
	case Email:
		return "e-mail address"
	}
	return "unknown name"
}

// Name is one subject alternative name in its canonical spelling. Only ParseName makes one; two names
// are the same if and only if they are equal.
type Name struct {
	kind NameKind
	text string
	addr netip.Addr
}

// Kind tells what the name is.
func (n Name) Kind() NameKind { return n.kind }

// String gives the name as it was written, which is its only spelling.
func (n Name) String() string { return n.text }

// Addr gives the address of an IP name; it is invalid for every other kind.
func (n Name) Addr() netip.Addr { return n.addr }

// The longest names: RFC 1035 for DNS, RFC 5321 for local parts. A URI has no limit of its own;
// 2,048 is what browsers and proxies bear.
const (
	maxDNSLength   = 253
	maxLabelLength = 63
	maxLocalLength = 64
	maxURILength   = 2048
)

// ParseName reads one subject alternative name: an IP address if it parses as one, else a URI if it
// contains ://, else an e-mail address if it contains @, else a DNS name. A name has one spelling; any
// other is refused, with the right one in the error where there is one.
func ParseName(s string) (Name, error) {
	n, err := classify(s)
	if err != nil {
		return Name{}, err
	}
	return n, nil
}

func classify(s string) (Name, error) {
	if addr, err := netip.ParseAddr(s); err == nil {
		return Name{IP, s, addr}, refusal(s, ipProblem, addr.WithZone("").Unmap().String())
	}
	switch {
	case strings.Contains(s, "://"):
		return Name{kind: URI, text: s}, refusal(s, uriNameProblem, lowerURI(s))
	case strings.Contains(s, "@"):
		return Name{kind: Email, text: s}, refusal(s, emailProblem, lowerEmail(s))
	}
	return Name{kind: DNS, text: s}, refusal(s, dnsNameProblem, lowerDNS(s))
}

// refusal makes an error of what check finds in s; nil if it finds nothing. The suggested spelling is named
// only if it would be accepted, so that nobody is sent from one refusal to the next.
func refusal(s string, check func(string) string, suggestion string) error {
	problem := check(s)
	switch {
	case problem == "":
		return nil
	case suggestion != s && check(suggestion) == "":
		return fmt.Errorf("%s %s; write %s", quote(s), problem, quote(suggestion))
	}
	return fmt.Errorf("%s %s", quote(s), problem)
}

// quote shows a caller's text in an error: escaped, and cut where it would drown the message.
func quote(s string) string { return fmt.Sprintf("%.100q", s) }

// ipProblem refuses what a certificate cannot hold (a zone) and second spellings of an address. An IPv4-mapped
// address would pass an IPv6 range and be read as IPv4 elsewhere.
func ipProblem(s string) string {
	addr, err := netip.ParseAddr(s)
	switch {
	case err != nil:
		return "is not an IP address"
	case addr.Zone() != "":
		return "has a zone"
	case addr.Is4In6():
		return "is an IPv4 address in IPv6 form"
	case addr.String() != s:
		return "is not the canonical spelling of the address"
	}
	return ""
}

// dnsNameProblem is hostProblem for names that may begin with a wildcard. Two labels must follow the
// wildcard: *.com would speak for everyone.
func dnsNameProblem(s string) string {
	rest, wildcard := strings.CutPrefix(s, "*.")
	switch {
	case !wildcard:
		return hostProblem(s)
	case len(s) > maxDNSLength:
		return "is longer than 253 characters"
	case !strings.Contains(strings.TrimSuffix(rest, "."), "."):
		return "is a wildcard over a whole top-level domain; at least two labels must follow the *"
	}
	return hostProblem(rest)
}

// hostProblem says what keeps s from being a DNS name without wildcard; empty if nothing does.
func hostProblem(s string) string {
	switch {
	case s == "":
		return "is empty"
	case len(s) > maxDNSLength:
		return "is longer than 253 characters"
	case !isASCII(s):
		return "has characters outside ASCII; international names are written as A-labels (xn--...)"
	case strings.Contains(s, "*"):
		return "has a * in a place where no wildcard may stand; a wildcard is the whole first label"
	case strings.HasSuffix(s, "."):
		return "ends with a dot"
	}
	labels := strings.Split(s, ".")
	for _, label := range labels {
		if problem := labelProblem(label); problem != "" {
			return problem
		}
	}
	if endsInNumber(labels[len(labels)-1]) {
		return "ends in a number, so that many programs would read it as an IPv4 address"
	}
	return ""
}

func labelProblem(label string) string {
	switch {
	case label == "":
		return "has an empty label"
	case len(label) > maxLabelLength:
		return "has a label longer than 63 characters"
	case strings.ToLower(label) != label:
		return "has upper-case letters"
	case !only(label, isLDH):
		return "has a label with other characters than letters, digits and hyphens"
	case label[0] == '-' || label[len(label)-1] == '-':
		return "has a label that begins or ends with a hyphen"
	case len(label) >= 4 && label[2:4] == "--" && !isALabel(label):
		return "has a label with -- in third place that is not a valid A-label"
	}
	return ""
}

// isALabel holds if label stands for exactly one international label, and that one for it: else two
// certificates could show the same name.
func isALabel(label string) bool {
	unicode, err := idna.Lookup.ToUnicode(label)
	if err != nil {
		return false
	}
	ascii, err := idna.Lookup.ToASCII(unicode)
	return err == nil && ascii == label && unicode != label
}

// endsInNumber is the rule of browsers (WHATWG URL): such a last label makes the host an IPv4 address,
// also in hexadecimal.
func endsInNumber(label string) bool {
	if digits, ok := strings.CutPrefix(label, "0x"); ok {
		return only(digits, isHex)
	}
	return only(label, isDigit)
}

// lowerDNS is the canonical spelling that was probably meant; ParseName checks it before it suggests it.
func lowerDNS(s string) string {
	// Longer text is no name, and not worth the work of a conversion.
	if len(s) > 2*maxDNSLength {
		return s
	}
	prefix, rest := "", strings.TrimSuffix(s, ".")
	if after, ok := strings.CutPrefix(rest, "*."); ok {
		prefix, rest = "*.", after
	}
	ascii, err := idna.Lookup.ToASCII(rest)
	if err != nil {
		return s
	}
	return prefix + ascii
}

// emailProblem accepts a dot-atom at a DNS name. Quoted local parts and address literals have several
// spellings each. The local part keeps its case, which belongs to the receiving host.
func emailProblem(s string) string {
	local, domain, _ := strings.Cut(s, "@")
	switch {
	case strings.Contains(domain, "@"):
		return "has more than one @"
	case local == "":
		return "has nothing before the @"
	case !isASCII(local):
		return "has characters outside ASCII before the @"
	case len(local) > maxLocalLength:
		return "has more than 64 characters before the @"
	case !isDotAtom(local):
		return "has a part before the @ that is no dot-atom (RFC 5322)"
	}
	if problem := hostProblem(domain); problem != "" {
		return "has a domain that " + problem
	}
	return ""
}

func lowerEmail(s string) string {
	local, domain, _ := strings.Cut(s, "@")
	return local + "@" + lowerDNS(domain)
}

func isDotAtom(s string) bool {
	for atom := range strings.SplitSeq(s, ".") {
		if atom == "" || !only(atom, isAtext) {
			return false
		}
	}
	return true
}

// uriNameProblem is uriProblem without the * that only a pattern may have.
func uriNameProblem(s string) string {
	if strings.Contains(s, "*") {
		return "has a *, which only a profile's patterns may have"
	}
	return uriProblem(s)
}

// uriProblem accepts scheme://host[:port][/path] in one spelling: lower-case scheme and host, no empty
// or dot segments, no slash at the end, and no percent-encoding, which could hide a slash or a dot from
// the profile's patterns. User, query and fragment have no place in the name of a workload.
func uriProblem(s string) string {
	if len(s) > maxURILength {
		return "is longer than 2048 characters"
	}
	if !isASCII(s) {
		return "has characters outside ASCII"
	}
	if strings.ContainsAny(s, "?#%") {
		return "has a query, a fragment or percent-encoding; a URI in a certificate has only scheme, host and path"
	}
	scheme, authority, path := splitURI(s)
	for _, problem := range []string{schemeProblem(scheme), authorityProblem(authority), pathProblem(path)} {
		if problem != "" {
			return problem
		}
	}
	return ""
}

// splitURI cuts s at its first :// and at the first slash after it, which begins the path.
func splitURI(s string) (scheme, authority, path string) {
	scheme, rest, _ := strings.Cut(s, "://")
	if slash := strings.IndexByte(rest, '/'); slash >= 0 {
		return scheme, rest[:slash], rest[slash:]
	}
	return scheme, rest, ""
}

func lowerURI(s string) string {
	scheme, authority, path := splitURI(s)
	return strings.ToLower(scheme) + "://" + strings.ToLower(authority) + strings.TrimSuffix(path, "/")
}

func schemeProblem(scheme string) string {
	switch {
	case strings.ToLower(scheme) != scheme:
		return "has upper-case letters in its scheme"
	case !only(scheme, isSchemeChar) || !isLower(scheme[0]):
		return "does not begin with a scheme, such as spiffe or https"
	}
	return ""
}

func authorityProblem(authority string) string {
	if strings.Contains(authority, "@") {
		return "has a user before its host"
	}
	host, port, ok := cutPort(authority)
	if ok && !isPort(port) {
		return "has a port that is no number from 1 to 65535 without leading zeros"
	}
	if host == "" {
		return "has no host"
	}
	if inner, ok := bracketed(host); ok {
		return bracketedProblem(inner)
	}
	if addr, err := netip.ParseAddr(host); err == nil && addr.Is4() {
		return ""
	}
	if problem := hostProblem(host); problem != "" {
		return "has a host that " + problem
	}
	if !strings.Contains(host, ".") {
		return "has a host of a single label; RFC 5280 asks for a full domain name or an IP address" // 4.2.1.6
	}
	return ""
}

// cutPort cuts at the last colon outside brackets.
func cutPort(authority string) (host, port string, found bool) {
	colon := strings.LastIndexByte(authority, ':')
	if colon < 0 || colon < strings.LastIndexByte(authority, ']') {
		return authority, "", false
	}
	return authority[:colon], authority[colon+1:], true
}

func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0 && strconv.FormatUint(n, 10) == s
}

func bracketed(host string) (string, bool) {
	inner, ok := strings.CutPrefix(host, "[")
	if !ok {
		return "", false
	}
	return strings.CutSuffix(inner, "]")
}

func bracketedProblem(inner string) string {
	if !strings.Contains(inner, ":") {
		return "has a host in brackets that is no IPv6 address"
	}
	if problem := ipProblem(inner); problem != "" {
		return "has a host that " + problem
	}
	return ""
}

func pathProblem(path string) string {
	if path == "" {
		return ""
	}
	if strings.HasSuffix(path, "/") {
		return "ends with a slash"
	}
	for segment := range strings.SplitSeq(path[1:], "/") {
		switch {
		case segment == "":
			return "has an empty segment in its path"
		case segment == "." || segment == "..":
			return "has a . or .. segment in its path"
		case !only(segment, isPathChar):
			return "has a character in its path that is not allowed there"
		}
	}
	return ""
}

// only holds if s is not empty and each of its bytes is accepted.
func only(s string, accept func(byte) bool) bool {
	for i := range len(s) {
		if !accept(s[i]) {
			return false
		}
	}
	return s != ""
}

func isASCII(s string) bool {
	return s == "" || only(s, func(c byte) bool { return c < 0x80 })
}

func isLower(c byte) bool { return 'a' <= c && c <= 'z' }
func isDigit(c byte) bool { return '0' <= c && c <= '9' }
func isHex(c byte) bool   { return isDigit(c) || 'a' <= c && c <= 'f' }
func isLDH(c byte) bool   { return isLower(c) || isDigit(c) || c == '-' }

func isAlphanumeric(c byte) bool { return isDigit(c) || isLower(c|0x20) && c < 0x80 }

func isSchemeChar(c byte) bool {
	return isLower(c) || isDigit(c) || strings.IndexByte("+-.", c) >= 0
}

// isAtext is RFC 5322's atext.
func isAtext(c byte) bool {
	return isAlphanumeric(c) || strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) >= 0
}

// isPathChar is RFC 3986's pchar without percent-encoding.
func isPathChar(c byte) bool {
	return isAlphanumeric(c) || strings.IndexByte("-._~!$&'()*+,;=:@", c) >= 0
}
