package rules

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	tags "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/certctl/terraform-provider-certctl/api"
)

// CSR is everything that a certificate signing request asks for. Its public key is signed. Everything else is compared
// with what will be signed, and is either ignored and listed, or refused: see Review. Only ParseCSR makes a CSR.
type CSR struct {
	Key       api.Key          // describes PublicKey
	PublicKey crypto.PublicKey // *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey; nil if the key is refused
	SPKI      []byte           // the SubjectPublicKeyInfo, DER

	commonNames []string
	sans        []requestedName
	usages      []x509.KeyUsage
	ekus        []string
	legacyUses  []legacyUse
	extras      []extra  // what is never signed and may be left out, at most maxIgnored
	moreExtras  int      // further ones, which are only counted
	keyIDs      [][]byte // the requested subject key identifiers
	refusals    refusals // reasons that do not depend on what will be signed
}

// extra is a part of a CSR that is ignored. text is the whole of it, if it is text. attribute is the OID of a subject
// attribute, which a profile may sign.
type extra struct{ what, value, text, attribute string }

// requestedName is a name in a CSR. A DNS name with the text 10.0.0.1 is another name than the IP address 10.0.0.1.
type requestedName struct {
	kind NameKind
	text string
}

// legacyUse is an extension that names uses in another way than extKeyUsage. Leaving it out would widen the certificate,
// unless one of its uses is signed.
type legacyUse struct {
	what string
	ekus []string
}

// danger orders the reasons to refuse a CSR, the most dangerous first.
type danger int

const (
	dangerName danger = iota
	dangerUsage
	dangerCA
	dangerRestriction
	dangerSignature
	dangerKey
	dangerForm
)

type refusal struct {
	danger danger
	text   string
}

// refusals are the reasons to refuse a CSR. A CSR can have thousands, so of each danger only the first are kept.
type refusals struct {
	list []refusal
	more int
}

const maxPerDanger = 5

func (r *refusals) add(d danger, format string, args ...any) {
	same := 0
	for _, f := range r.list {
		if f.danger == d {
			same++
		}
	}
	if same >= maxPerDanger {
		r.more++
		return
	}
	r.list = append(r.list, refusal{d, fmt.Sprintf(format, args...)})
}

func (r *refusals) clone() refusals { return refusals{slices.Clone(r.list), r.more} }

// texts returns the reasons, the most dangerous first.
func (r *refusals) texts() []string {
	slices.SortStableFunc(r.list, func(a, b refusal) int { return int(a.danger - b.danger) })
	var texts []string
	for _, f := range r.list {
		texts = append(texts, f.text)
	}
	if r.more > 0 {
		texts = append(texts, fmt.Sprintf("the CSR has %d more faults of these kinds", r.more))
	}
	return texts
}

func (c *CSR) refuse(d danger, format string, args ...any) { c.refusals.add(d, format, args...) }

// ignore adds a part that is ignored, and reports whether it is not only counted. Passwords are not shown.
func (c *CSR) ignore(oid asn1.ObjectIdentifier, text string, isText bool, value []byte) bool {
	if len(c.extras) >= maxIgnored {
		c.moreExtras++
		return false
	}
	e := extra{what: describeOID(oid), value: showValue(text, isText, value), text: text}
	if oid.Equal(oidChallengePassword) || oid.Equal(oidMicrosoftNameValue) {
		e.value, e.text = "not shown", ""
	}
	c.extras = append(c.extras, e)
	return true
}

var errMalformed = errors.New("the CSR is not a well-formed PKCS #10 certificate signing request")

// ParseCSR reads a CSR to its last byte. It returns an error only if the text or its structure cannot be read; every
// other reason to refuse the CSR is among the faults of Review.
//
// Go's parser ignores attributes and trailing elements that it does not know. So ParseCSR reads the structure itself.
func ParseCSR(text string) (*CSR, error) {
	c, signed, err := readCSR(text)
	if err != nil {
		return nil, err
	}
	if err := c.readKey(); err != nil {
		c.refuse(dangerKey, "%s", err)
		return c, nil // without a key the signature cannot be verified
	}
	if err := c.checkSignature(signed); err != nil {
		c.refuse(dangerSignature, "%s", err)
	}
	return c, nil
}

// readCSR reads what a CSR asks for. It neither checks the key nor verifies the signature.
func readCSR(text string) (*CSR, signedRequest, error) {
	der, err := DecodeCSR(text)
	if err != nil {
		return nil, signedRequest{}, err
	}
	c := &CSR{}
	signed, err := c.readRequest(der)
	return c, signed, err
}

// ListIgnored lists what the CSR of a stored certificate asks for and is not signed. It does not verify the signature
// again.
func ListIgnored(spec api.CertificateSpec, p api.ProfileSpec) ([]api.Ignored, error) {
	c, _, err := readCSR(spec.CSRPEM)
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKIXPublicKey(c.SPKI)
	if err != nil {
		return nil, err
	}
	c.Key.Algorithm = keyAlgorithm(key)
	ignored, _ := c.Review(spec.CommonName, spec.SANs, p)
	return ignored, nil
}

// ProposeNames returns the names that a certificate could have so that the CSR is accepted: those that the caller gave, or
// else those of the CSR in the server's spelling. The common name is the caller's, or else the first one of the CSR that is
// among the names, that the profile allows outside them, or that has one label.
func ProposeNames(spec api.CertificateSpec, p api.ProfileSpec) api.ProposedNames {
	proposed := api.ProposedNames{CommonName: spec.CommonName, SANs: append([]string{}, spec.SANs...)}
	c, _, err := readCSR(spec.CSRPEM)
	if err != nil {
		return proposed
	}
	if len(spec.SANs) == 0 {
		proposed.SANs = c.listNames(p)
	}
	if spec.CommonName == "" {
		proposed.CommonName = c.chooseCommonName(proposed.SANs, p)
	}
	return proposed
}

// chooseCommonName returns the first common name of a CSR that a certificate with these SANs could have; empty for none.
func (c *CSR) chooseCommonName(sans []string, p api.ProfileSpec) string {
	for _, text := range c.firstCommonNames() {
		name := requestedName{DNS, text}.normalize().text
		isURI := strings.Contains(name, "://") || isURN(name)
		switch {
		case slices.Contains(sans, name) && !isURI:
			return name
		case checkFreeCommonName(text, p) == nil, !isURI && !readsAsHost(text):
			return text
		}
	}
	return ""
}

// maxProposedFrom bounds the common names that are compared with a profile's patterns. Both can be thousands.
const maxProposedFrom = 20

func (c *CSR) firstCommonNames() []string {
	return c.commonNames[:min(len(c.commonNames), maxProposedFrom)]
}

// listNames returns the names of a CSR that a certificate may have, in the server's spelling. A common name that reads as
// a host is one of them, and one of a single label that the profile allows. A common name that the profile allows outside
// the SANs is none.
func (c *CSR) listNames(p api.ProfileSpec) []string {
	names := []string{}
	add := func(n requestedName) {
		text := n.normalize().text
		if parsed, err := ParseName(text); err == nil && parsed.Kind() == n.kind && !slices.Contains(names, text) {
			names = append(names, text)
		}
	}
	allowed := NewNamePatterns(p)
	for _, text := range c.firstCommonNames() {
		parsed, err := parseName(requestedName{DNS, text}.normalize().text)
		if err == nil && checkFreeCommonName(text, p) != nil && (readsAsHost(text) || allowed.CheckName(parsed) == nil) {
			add(requestedName{parsed.Kind(), text})
		}
	}
	for _, n := range c.sans {
		add(n)
	}
	return names
}

// signedRequest is what a signature of a CSR covers and consists of, each as DER.
type signedRequest struct{ info, algorithm, signature []byte }

// readRequest reads a CertificationRequest of RFC 2986. It accepts any version, and missing attributes, as other programs
// do. Elements after the known ones are an error.
func (c *CSR) readRequest(der []byte) (signedRequest, error) {
	var request, info, infoElement, algorithm, subject, spki, attributes cryptobyte.String
	var signature []byte
	var version int64
	var hasAttributes bool
	input := cryptobyte.String(der)
	if !input.ReadASN1(&request, tags.SEQUENCE) || !input.Empty() ||
		!request.ReadASN1Element(&infoElement, tags.SEQUENCE) || !request.ReadASN1Element(&algorithm, tags.SEQUENCE) ||
		!request.ReadASN1BitStringAsBytes(&signature) || !request.Empty() {
		return signedRequest{}, errMalformed
	}
	element := infoElement
	if !element.ReadASN1(&info, tags.SEQUENCE) || !info.ReadASN1Integer(&version) ||
		!info.ReadASN1(&subject, tags.SEQUENCE) || !info.ReadASN1Element(&spki, tags.SEQUENCE) ||
		!info.ReadOptionalASN1(&attributes, &hasAttributes, tags.Tag(0).ContextSpecific().Constructed()) || !info.Empty() {
		return signedRequest{}, errMalformed
	}
	c.SPKI = slices.Clone(spki)
	if err := c.readSubject(subject); err != nil {
		return signedRequest{}, err
	}
	return signedRequest{infoElement, algorithm, signature}, c.readAttributes(attributes)
}

func (c *CSR) readSubject(subject cryptobyte.String) error {
	for !subject.Empty() {
		var rdn cryptobyte.String
		if !subject.ReadASN1(&rdn, tags.SET) || rdn.Empty() {
			return errMalformed
		}
		for !rdn.Empty() {
			if err := c.readSubjectAttribute(&rdn); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *CSR) readSubjectAttribute(rdn *cryptobyte.String) error {
	var attribute, value cryptobyte.String
	var oid asn1.ObjectIdentifier
	var tag tags.Tag
	if !rdn.ReadASN1(&attribute, tags.SEQUENCE) || !attribute.ReadASN1ObjectIdentifier(&oid) ||
		!attribute.ReadAnyASN1(&value, &tag) || !attribute.Empty() {
		return errMalformed
	}
	text, isText := decodeText(tag, value)
	switch {
	case !oid.Equal(oidCommonName):
		if c.ignore(oid, text, isText, value) {
			c.extras[len(c.extras)-1].attribute = oid.String()
		}
	case !isText:
		c.refuse(dangerForm, "the CSR's common name is no text")
	case text != "":
		c.commonNames = append(c.commonNames, text)
	}
	return nil
}

func (c *CSR) readAttributes(attributes cryptobyte.String) error {
	for !attributes.Empty() {
		var attribute, values cryptobyte.String
		var oid asn1.ObjectIdentifier
		if !attributes.ReadASN1(&attribute, tags.SEQUENCE) || !attribute.ReadASN1ObjectIdentifier(&oid) ||
			!attribute.ReadASN1(&values, tags.SET) || !attribute.Empty() {
			return errMalformed
		}
		if err := c.readAttribute(oid, values); err != nil {
			return err
		}
	}
	return nil
}

// readAttribute reads the requested extensions, also in Microsoft's own attribute. Every other attribute is ignored.
func (c *CSR) readAttribute(oid asn1.ObjectIdentifier, values cryptobyte.String) error {
	switch {
	case oid.Equal(oidExtensionRequest), oid.Equal(oidMicrosoftExtensions):
		for !values.Empty() {
			var extensions cryptobyte.String
			if !values.ReadASN1(&extensions, tags.SEQUENCE) {
				return errMalformed
			}
			if err := c.readExtensions(extensions); err != nil {
				return err
			}
		}
	default:
		text, isText := joinTexts(values)
		c.ignore(oid, text, isText, values)
	}
	return nil
}

// Review compares a CSR with what will be signed: names, usages and the profile. It lists what is ignored, at most twenty
// parts and the number of the others, and every reason to refuse the CSR, the most dangerous first. What is ignored only
// makes the certificate able to do less; a profile may refuse that too. More names than any profile allows are not compared.
func (c *CSR) Review(commonName string, sans []string, p api.ProfileSpec) (ignored []api.Ignored, faults []string) {
	if len(sans) > MaxListLength {
		own := c.refusals.clone()
		return []api.Ignored{}, own.texts()
	}
	r := review{csr: c, signed: nameSet(sans), refusals: c.refusals.clone()}
	r.compareNames()
	r.compareCommonNames(commonName)
	r.compareUsages(p)
	r.compareKeyIDs()
	ignored = r.listIgnored(commonName, sans, p.SubjectAttributes)
	if p.CSRExtras == api.CSRExtrasRefuse {
		r.refuseIgnored(ignored)
	}
	return ignored, r.refusals.texts()
}

// review collects what is ignored and what is refused.
type review struct {
	csr      *CSR
	signed   map[requestedName]bool
	ignored  []extra // before the extras of the CSR
	refusals refusals
}

func (r *review) refuse(d danger, format string, args ...any) { r.refusals.add(d, format, args...) }

// maxIgnored bounds the entries that approvers read.
const maxIgnored = 20

// refuseIgnored refuses a CSR that asks for more than will be signed.
func (r *review) refuseIgnored(ignored []api.Ignored) {
	var parts []string
	for _, i := range ignored {
		parts = append(parts, fmt.Sprintf("%s (%s)", i.What, i.Value))
	}
	if len(parts) > 0 {
		r.refuse(dangerForm, "the CSR asks for what will not be signed, and the profile has csr_extras = \"refuse\": %s; make the CSR without it", joinFirst(parts))
	}
}

// listIgnored lists common names and usages first, then what is signed in another place, then the rest. It leaves out the
// subject attributes that the profile signs.
func (r *review) listIgnored(commonName string, sans []string, attributes api.SubjectAttributes) []api.Ignored {
	signed := map[[2]string]bool{}
	for _, a := range OrderSubject(attributes, "") {
		signed[[2]string{a.OID.String(), a.Value}] = true
	}
	names := map[string]bool{lowerASCII(commonName): commonName != ""}
	for _, s := range sans {
		names[lowerASCII(s)] = true
	}
	var marked, others []extra
	for _, e := range r.csr.extras {
		if signed[[2]string{e.attribute, e.text}] {
			continue
		}
		if names[lowerASCII(e.text)] {
			e.what += ", signed as a name"
			marked = append(marked, e)
			continue
		}
		others = append(others, e)
	}
	all := slices.Concat(r.ignored, marked, others)
	more := r.csr.moreExtras + max(0, len(all)-maxIgnored)
	listed := make([]api.Ignored, 0, maxIgnored+1)
	for _, e := range all[:min(len(all), maxIgnored)] {
		listed = append(listed, api.Ignored{What: e.what, Value: e.value})
	}
	if more > 0 {
		listed = append(listed, api.Ignored{What: "further parts", Value: strconv.Itoa(more)})
	}
	return listed
}

// compareNames refuses names that will not be signed. DNS names and mail domains have no case, and a DNS name may have a
// final dot.
func (r *review) compareNames() {
	var beyond []string
	for _, n := range r.csr.sans {
		n = n.normalize()
		if r.signed[n] {
			continue
		}
		text := fmt.Sprintf("the %s %.100q", n.kind, n.text)
		if n.kind == DNS && ipFault(n.text) == "" {
			text = fmt.Sprintf("the address %q as a DNS name: write IP:%s in the CSR", n.text, n.text)
		}
		beyond = append(beyond, text)
	}
	if len(beyond) > 0 {
		r.refuse(dangerName, "the CSR asks for names that will not be signed: %s; add them to the sans, or make the CSR without them", joinFirst(beyond))
	}
}

// compareCommonNames ignores a common name that is signed in another way, or that cannot be read as a host name. It
// refuses any other: a subscriber could believe that the certificate is for that host.
func (r *review) compareCommonNames(commonName string) {
	for _, text := range r.csr.commonNames {
		switch {
		case text == commonName || r.isSameHost(text, commonName):
		case r.isSigned(text):
			r.ignored = append(r.ignored, extra{what: "common name, signed as a name", value: showText(text)})
		case !readsAsHost(text):
			r.ignored = append(r.ignored, extra{what: "common name", value: showText(text)})
		default:
			r.refuse(dangerName, "the CSR's common name %.100q will not be signed; add it to the sans, or make the CSR without it", text)
		}
	}
}

// isSameHost reports whether a common name of the CSR is the signed one in another spelling. A common name that is no SAN
// may be the name of a user, and then its case matters.
func (r *review) isSameHost(text, commonName string) bool {
	signed := requestedName{DNS, commonName}
	return r.signed[signed] && requestedName{DNS, text}.normalize() == signed
}

// isSigned reports whether a common name is signed as a SAN of any kind.
func (r *review) isSigned(text string) bool {
	return slices.ContainsFunc([]NameKind{DNS, IP, URI, Email}, func(kind NameKind) bool {
		return r.signed[requestedName{kind, text}.normalize()]
	})
}

// hostDots are characters that some programs read as the dot of a host name.
var hostDots = strings.NewReplacer("\u3002", ".", "\uff0e", ".", "\uff61", ".", "\u2024", ".")

var hostAndPort = regexp.MustCompile(`^[A-Za-z0-9-]+:[0-9]+$`)

// readsAsHost reports whether a program could read a word of a common name as a host name of several labels, a mail
// address, a URI or an IP address.
func readsAsHost(text string) bool {
	if strings.ContainsFunc(text, isControlOrFormat) {
		return true
	}
	return slices.ContainsFunc(strings.Fields(hostDots.Replace(text)), func(word string) bool {
		word = strings.Trim(word, ".,;")
		address, _, _ := strings.Cut(strings.Trim(word, "[]"), "/")
		_, err := netip.ParseAddr(strings.TrimSuffix(address, "]"))
		return err == nil || strings.ContainsAny(word, ".@/[") || isURN(word) || hostAndPort.MatchString(word)
	})
}

func (r *review) compareUsages(p api.ProfileSpec) {
	allowed := p.AllowedEKUs
	signed, err := KeyUsages(p.KeyUsages, r.csr.Key.Algorithm)
	if err != nil { // CheckKey refuses the key, and nothing is signed
		signed = ^x509.KeyUsage(0)
	}
	for _, usage := range r.csr.usages {
		if signed&usage == 0 {
			r.ignored = append(r.ignored, extra{what: "key usage", value: usage.String()})
		}
	}
	var beyond []string
	for _, eku := range r.csr.ekus {
		if !slices.Contains(allowed, eku) {
			beyond = append(beyond, eku)
		}
	}
	if len(beyond) > 0 {
		r.refuse(dangerUsage, "the CSR asks for extended key usages that the profile does not give: %s; make the CSR without them, or use another profile", joinFirst(beyond))
	}
	for _, legacy := range r.csr.legacyUses {
		if slices.ContainsFunc(legacy.ekus, func(eku string) bool { return slices.Contains(allowed, eku) }) {
			r.ignored = append(r.ignored, extra{what: legacy.what, value: showText(strings.Join(legacy.ekus, ", "))})
			continue
		}
		r.refuse(dangerRestriction, "the CSR restricts the certificate to uses that the profile does not give (%s); make the CSR without it", legacy.what)
	}
}

// compareKeyIDs lists subject key identifiers that are not the one that will be signed.
func (r *review) compareKeyIDs() {
	for _, id := range r.csr.keyIDs {
		if signed, err := KeyID(r.csr.SPKI); err == nil && bytes.Equal(signed, id) {
			continue
		}
		r.ignored = append(r.ignored, extra{what: describeOID(oidSubjectKeyID), value: showBytes(id)})
	}
}

// normalize returns a name as the server would spell it.
func (n requestedName) normalize() requestedName {
	switch n.kind {
	case DNS:
		return requestedName{DNS, strings.TrimSuffix(lowerASCII(n.text), ".")}
	case Email:
		if local, domain, found := strings.Cut(n.text, "@"); found {
			return requestedName{Email, local + "@" + strings.TrimSuffix(lowerASCII(domain), ".")}
		}
	}
	return n
}

// lowerASCII turns the letters A to Z into lower case. strings.ToLower would turn some other characters into them, too.
func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

// nameSet returns the SANs as a set. It skips malformed names: these have a fault already, and no CSR can ask for them.
func nameSet(sans []string) map[requestedName]bool {
	out := make(map[requestedName]bool, len(sans))
	for _, s := range sans {
		if n, err := ParseName(s); err == nil {
			out[requestedName{n.Kind(), n.String()}] = true
		}
	}
	return out
}

// joinFirst joins the first ten texts of a list. A CSR can have thousands.
func joinFirst(list []string) string {
	if extra := len(list) - 10; extra > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(list[:10], ", "), extra)
	}
	return strings.Join(list, ", ")
}
