package rules

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

// NameKind is the kind of a subject alternative name. The zero value is no kind, so no profile allows the zero Name.
type NameKind int

// The kinds of name.
const (
	DNS NameKind = iota + 1
	IP
	URI
	Email
)

// String returns the kind for people.
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

// Name is one subject alternative name in its canonical spelling. Only ParseName makes a Name. Two Names are the same name
// if they are equal.
type Name struct {
	kind NameKind
	text string
	addr netip.Addr
}

// Kind returns the kind of the name.
func (n Name) Kind() NameKind { return n.kind }

// String returns the name in its only spelling.
func (n Name) String() string { return n.text }

// Addr returns the address of an IP name. For every other kind it returns an invalid address.
func (n Name) Addr() netip.Addr { return n.addr }

// The longest names. RFC 1035 limits DNS names, and RFC 5321 limits local parts. No RFC limits a URI: many browsers and
// proxies accept 2,048 characters.
const (
	maxDNSLength   = 253
	maxLabelLength = 63
	maxLocalLength = 64
	maxURILength   = 2048
)

// ParseName reads one subject alternative name. A text that parses as an IP address is an IP address. Otherwise a text
// with :// is a URI. Otherwise a text with @ is an e-mail address. Every other text is a DNS name.
//
// A name has one spelling. If the spelling is wrong, the error suggests the right one where possible.
func ParseName(s string) (Name, error) {
	n, err := parseName(s)
	if err != nil {
		return Name{}, err
	}
	return n, nil
}

// parseName is ParseName, but returns the name also with an error.
func parseName(s string) (Name, error) {
	if addr, err := netip.ParseAddr(s); err == nil {
		return Name{IP, s, addr}, checkSpelling(s, ipFault, addr.WithZone("").Unmap().String())
	}
	switch {
	case strings.Contains(s, "://"), isURN(s):
		return Name{kind: URI, text: s}, checkSpelling(s, uriNameFault, suggestURI(s))
	case strings.Contains(s, "@"):
		return Name{kind: Email, text: s}, checkSpelling(s, emailFault, suggestEmail(s))
	}
	return Name{kind: DNS, text: s}, checkSpelling(s, dnsNameFault, suggestDNS(s))
}

// checkSpelling returns an error with the fault that findFault finds in s; nil if there is none. The error names the
// suggestion only if the suggestion has no fault.
func checkSpelling(s string, findFault func(string) string, suggestion string) error {
	fault := findFault(s)
	switch {
	case fault == "":
		return nil
	case suggestion != s && findFault(suggestion) == "":
		return fmt.Errorf("%s %s; write %s", quoteShort(s), fault, quoteShort(suggestion))
	}
	return fmt.Errorf("%s %s", quoteShort(s), fault)
}

// quoteShort quotes a caller's text for an error, at most 100 characters of it.
func quoteShort(s string) string { return fmt.Sprintf("%.100q", s) }

// ipFault refuses a zone, which a certificate cannot hold, and second spellings of an address. An IPv4-mapped address
// would match an IPv6 range, and other programs would read it as IPv4.
func ipFault(s string) string {
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

// dnsNameFault is dnsHostFault for names that may begin with a wildcard. Two labels must follow the wildcard, because *.com
// would cover the names of every owner.
func dnsNameFault(s string) string {
	rest, wildcard := strings.CutPrefix(s, "*.")
	switch {
	case !wildcard:
		return dnsHostFault(s)
	case len(s) > maxDNSLength:
		return "is longer than 253 characters"
	case !strings.Contains(strings.TrimSuffix(rest, "."), "."):
		return "is a wildcard over a whole top-level domain; at least two labels must follow the *"
	}
	return dnsHostFault(rest)
}

// dnsHostFault is hostFault, but accepts underscores in labels. A profile may allow them in DNS names; the domains of
// e-mail addresses and the hosts of URIs never have them.
func dnsHostFault(s string) string { return checkHost(s, isLDHOrUnderscore) }

// hostFault returns why s is not a DNS name without wildcard; empty if it is. The other functions named ...Fault work
// alike.
func hostFault(s string) string { return checkHost(s, isLDH) }

func checkHost(s string, allowed func(byte) bool) string {
	switch {
	case s == "":
		return "is empty"
	case len(s) > maxDNSLength:
		return "is longer than 253 characters"
	case !isASCII(s):
		return "has characters outside ASCII; international names are written as A-labels (xn--...)"
	case strings.Contains(s, "*"):
		return "has a * where no wildcard is allowed; a wildcard is the whole first label"
	case strings.HasSuffix(s, "."):
		return "ends with a dot"
	}
	labels := strings.Split(s, ".")
	for _, label := range labels {
		if fault := labelFault(label, allowed); fault != "" {
			return fault
		}
	}
	if endsInNumber(labels[len(labels)-1]) {
		return "ends in a number, so many programs would read it as an IPv4 address"
	}
	return ""
}

func labelFault(label string, allowed func(byte) bool) string {
	switch {
	case label == "":
		return "has an empty label"
	case len(label) > maxLabelLength:
		return "has a label longer than 63 characters"
	case strings.ToLower(label) != label:
		return "has upper-case letters"
	case !allowed('_') && strings.Contains(label, "_"):
		return "has an underscore, which many programs refuse in a host name"
	case !hasOnly(label, allowed):
		return "has a label with other characters than letters, digits and hyphens"
	case label[0] == '-' || label[len(label)-1] == '-':
		return "has a label that begins or ends with a hyphen"
	case len(label) >= 4 && label[2:4] == "--" && !isALabel(label):
		return "has a label with -- in third place that is not a valid A-label"
	}
	return ""
}

// isALabel reports whether label is the only A-label of its international label. Otherwise two certificates could show
// the same name.
func isALabel(label string) bool {
	unicode, err := idna.Lookup.ToUnicode(label)
	if err != nil {
		return false
	}
	ascii, err := idna.Lookup.ToASCII(unicode)
	return err == nil && ascii == label && unicode != label
}

// endsInNumber reports whether browsers (WHATWG URL) would read a host with this last label as an IPv4 address. They do so
// for decimal and hexadecimal numbers.
func endsInNumber(label string) bool {
	if digits, ok := strings.CutPrefix(label, "0x"); ok {
		return hasOnly(digits, isHex)
	}
	return hasOnly(label, isDigit)
}

// suggestDNS returns the canonical spelling that was probably meant. It may be wrong: checkSpelling checks it.
func suggestDNS(s string) string {
	// A longer text cannot be a name, so it is not converted.
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

// emailFault accepts a dot-atom at a DNS name. It refuses quoted local parts and address literals, because they have
// several spellings. The local part keeps its case, because the receiving host decides whether case matters.
func emailFault(s string) string {
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
	if fault := hostFault(domain); fault != "" {
		return "has a domain that " + fault
	}
	return ""
}

func suggestEmail(s string) string {
	local, domain, _ := strings.Cut(s, "@")
	return local + "@" + suggestDNS(domain)
}

func isDotAtom(s string) bool {
	for atom := range strings.SplitSeq(s, ".") {
		if atom == "" || !hasOnly(atom, isAtext) {
			return false
		}
	}
	return true
}

// uriNameFault is uriFault, and refuses a *, which only a pattern may have.
func uriNameFault(s string) string {
	if strings.Contains(s, "*") {
		return "has a *, which only a profile's patterns may have"
	}
	return uriFault(s)
}

// uriFault accepts urn:nid:segments, or scheme://host[:port][/path], in one spelling. Scheme and host are lower-case, and the path has no empty
// or dot segments and no slash at the end. It refuses percent-encoding, which could hide a slash or a dot from the
// profile's patterns. It refuses user, query and fragment, because they do not name a workload.
func uriFault(s string) string {
	if len(s) > maxURILength {
		return "is longer than 2048 characters"
	}
	if !isASCII(s) {
		return "has characters outside ASCII"
	}
	if strings.ContainsAny(s, "?#%") {
		return "has a query, a fragment or percent-encoding; a URI in a certificate has only scheme, host and path"
	}
	if isURN(s) {
		return urnFault(s)
	}
	scheme, authority, path := splitURI(s)
	for _, fault := range []string{schemeFault(scheme), authorityFault(scheme, authority), pathFault(path)} {
		if fault != "" {
			return fault
		}
	}
	return ""
}

// isURN reports whether a text is a URI without an authority, as OPC UA names applications.
func isURN(s string) bool { return len(s) > 4 && strings.EqualFold(s[:4], "urn:") }

// urnFault accepts urn:nid:segment:segment. The namespace is lower-case; a segment keeps its case. RFC 8141 forbids dots
// in the namespace, but OPC UA puts a host name there.
func urnFault(s string) string {
	nid, segments, _ := strings.Cut(s[4:], ":")
	switch {
	case !strings.HasPrefix(s, "urn:") || strings.ToLower(nid) != nid:
		return "has upper-case letters in urn: or in its namespace"
	case nid == "" || !hasOnly(nid, isNamespaceChar):
		return "has no namespace of letters, digits, dots and hyphens after urn:"
	case segments == "":
		return "has nothing after its namespace"
	}
	for segment := range strings.SplitSeq(segments, ":") {
		if segment == "" || !hasOnly(segment, isURNChar) {
			return "has an empty segment, or characters that a URI may not have"
		}
	}
	return ""
}

func isLDHOrUnderscore(c byte) bool { return isLDH(c) || c == '_' }
func isNamespaceChar(c byte) bool   { return isLDH(c) || c == '.' }
func isURNChar(c byte) bool         { return isPathChar(c) && c != ':' || c == '/' }

// splitURI cuts s at its first :// and at the first slash after it, which begins the path.
func splitURI(s string) (scheme, authority, path string) {
	scheme, rest, _ := strings.Cut(s, "://")
	if slash := strings.IndexByte(rest, '/'); slash >= 0 {
		return scheme, rest[:slash], rest[slash:]
	}
	return scheme, rest, ""
}

func suggestURI(s string) string {
	if isURN(s) {
		nid, segments, _ := strings.Cut(s[4:], ":")
		return "urn:" + strings.ToLower(nid) + ":" + segments
	}
	scheme, authority, path := splitURI(s)
	return strings.ToLower(scheme) + "://" + strings.ToLower(authority) + strings.TrimSuffix(path, "/")
}

func schemeFault(scheme string) string {
	switch {
	case strings.ToLower(scheme) != scheme:
		return "has upper-case letters in its scheme"
	case !hasOnly(scheme, isSchemeChar) || !isLower(scheme[0]):
		return "does not begin with a scheme, such as spiffe or https"
	}
	return ""
}

// authorityFault accepts a host with an optional port. The authority of a SPIFFE id is a trust domain, which may be one
// label.
func authorityFault(scheme, authority string) string {
	if scheme == "spiffe" && authority != "" && !strings.Contains(authority, ".") && hasOnly(authority, isLDHOrUnderscore) {
		return ""
	}
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
	if inner, ok := cutBrackets(host); ok {
		return bracketedFault(inner)
	}
	if addr, err := netip.ParseAddr(host); err == nil && addr.Is4() {
		return ""
	}
	if fault := hostFault(host); fault != "" {
		return "has a host that " + fault
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

// cutBrackets returns the text between brackets; false if there are none.
func cutBrackets(host string) (string, bool) {
	inner, ok := strings.CutPrefix(host, "[")
	if !ok {
		return "", false
	}
	return strings.CutSuffix(inner, "]")
}

func bracketedFault(inner string) string {
	if !strings.Contains(inner, ":") {
		return "has a host in brackets that is no IPv6 address"
	}
	if fault := ipFault(inner); fault != "" {
		return "has a host that " + fault
	}
	return ""
}

func pathFault(path string) string {
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
		case !hasOnly(segment, isPathChar):
			return "has a character in its path that is not allowed there"
		}
	}
	return ""
}

// hasOnly reports whether s is not empty and accept returns true for each of its bytes.
func hasOnly(s string, accept func(byte) bool) bool {
	for i := range len(s) {
		if !accept(s[i]) {
			return false
		}
	}
	return s != ""
}

func isASCII(s string) bool {
	return s == "" || hasOnly(s, func(c byte) bool { return c < 0x80 })
}

func isLower(c byte) bool { return 'a' <= c && c <= 'z' }
func isDigit(c byte) bool { return '0' <= c && c <= '9' }
func isHex(c byte) bool   { return isDigit(c) || 'a' <= c && c <= 'f' }
func isLDH(c byte) bool   { return isLower(c) || isDigit(c) || c == '-' }

func isAlphanumeric(c byte) bool { return isDigit(c) || isLower(c|0x20) && c < 0x80 }

func isSchemeChar(c byte) bool {
	return isLower(c) || isDigit(c) || strings.IndexByte("+-.", c) >= 0
}

// isAtext reports whether c is atext of RFC 5322.
func isAtext(c byte) bool {
	return isAlphanumeric(c) || strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) >= 0
}

// isPathChar reports whether c is pchar of RFC 3986, without percent-encoding.
func isPathChar(c byte) bool {
	return isAlphanumeric(c) || strings.IndexByte("-._~!$&'()*+,;=:@", c) >= 0
}
