package rules

import (
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
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
	extras      []api.Ignored // what is never signed and may be left out
	keyID       []byte        // the requested subject key identifier
	refusals    []refusal     // what is refused whatever will be signed
}

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

func (c *CSR) refuse(d danger, format string, args ...any) {
	c.refusals = append(c.refusals, refusal{d, fmt.Sprintf(format, args...)})
}

func (c *CSR) ignore(what, value string) {
	c.extras = append(c.extras, api.Ignored{What: what, Value: value})
}

var errMalformed = errors.New("the CSR is not a well-formed PKCS #10 certificate signing request")

// ParseCSR reads a CSR to its last byte. It returns an error only if the text or its structure cannot be read; every
// other reason to refuse the CSR is among the faults of Review.
//
// Go's parser ignores attributes and trailing elements that it does not know. So ParseCSR reads the structure itself.
func ParseCSR(text string) (*CSR, error) {
	der, err := DecodeCSR(text)
	if err != nil {
		return nil, err
	}
	c := &CSR{}
	signed, err := c.readRequest(der)
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

// ListIgnored lists what the CSR of a stored certificate asks for and is not signed. It does not verify the signature
// again.
func ListIgnored(spec api.CertificateSpec, p api.ProfileSpec) ([]api.Ignored, error) {
	der, err := DecodeCSR(spec.CSRPEM)
	if err != nil {
		return nil, err
	}
	c := &CSR{}
	if _, err := c.readRequest(der); err != nil {
		return nil, err
	}
	key, err := x509.ParsePKIXPublicKey(c.SPKI)
	if err != nil {
		return nil, err
	}
	if _, isRSA := key.(*rsa.PublicKey); isRSA {
		c.Key.Algorithm = api.AlgorithmRSA
	}
	ignored, _ := c.Review(spec.CommonName, spec.SANs, p)
	return ignored, nil
}

// ProposeNames returns the names that a certificate could have so that the CSR is accepted: those that the caller gave, or
// else those of the CSR in the server's spelling. The common name is the caller's, or else the first one of the CSR that
// is among the names or has one label.
func ProposeNames(spec api.CertificateSpec) api.ProposedNames {
	proposed := api.ProposedNames{CommonName: spec.CommonName, SANs: append([]string{}, spec.SANs...)}
	der, err := DecodeCSR(spec.CSRPEM)
	if err != nil {
		return proposed
	}
	c := &CSR{}
	if _, err := c.readRequest(der); err != nil {
		return proposed
	}
	if len(proposed.SANs) == 0 {
		proposed.SANs = c.listNames()
	}
	for _, text := range c.commonNames {
		name := requestedName{DNS, text}.normalize().text
		if !slices.Contains(proposed.SANs, name) {
			name = text
		}
		if proposed.CommonName == "" && (slices.Contains(proposed.SANs, name) || !readsAsHost(text)) {
			proposed.CommonName = name
		}
	}
	return proposed
}

// listNames returns the names of a CSR that a certificate may have, in the server's spelling. A common name that reads as
// a host is one of them.
func (c *CSR) listNames() []string {
	names := []string{}
	add := func(n requestedName) {
		text := n.normalize().text
		if parsed, err := ParseName(text); err == nil && parsed.Kind() == n.kind && !slices.Contains(names, text) {
			names = append(names, text)
		}
	}
	for _, text := range c.commonNames {
		if parsed, err := parseName(requestedName{DNS, text}.normalize().text); err == nil && readsAsHost(text) {
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
		c.ignore(describeOID(oid), showValue(text, isText, value))
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

// readAttribute reads the requested extensions, also in Microsoft's own attribute. Every other attribute is ignored. The
// value of a challenge password is a secret and is not shown.
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
	case oid.Equal(oidChallengePassword):
		c.ignore(describeOID(oid), "not shown")
	default:
		text, isText := firstText(values)
		c.ignore(describeOID(oid), showValue(text, isText, values))
	}
	return nil
}

// Review compares a CSR with what will be signed: names, usages and the profile. It lists what is ignored, and every
// reason to refuse the CSR, the most dangerous first. What is ignored only makes the certificate able to do less.
func (c *CSR) Review(commonName string, sans []string, p api.ProfileSpec) (ignored []api.Ignored, faults []string) {
	r := review{csr: c, ignored: append([]api.Ignored{}, c.extras...), refusals: slices.Clone(c.refusals)}
	r.compareNames(sans)
	r.compareCommonNames(commonName, sans)
	r.compareUsages(p.AllowedEKUs)
	r.compareKeyID()
	slices.SortStableFunc(r.refusals, func(a, b refusal) int { return int(a.danger - b.danger) })
	for _, f := range r.refusals {
		faults = append(faults, f.text)
	}
	return capIgnored(markSigned(r.ignored, commonName, sans)), faults
}

// markSigned marks what is ignored in one place and signed in another.
func markSigned(ignored []api.Ignored, commonName string, sans []string) []api.Ignored {
	for i, part := range ignored {
		for _, name := range append([]string{commonName}, sans...) {
			if name != "" && strings.EqualFold(part.Value, showText(name)) {
				ignored[i].What = part.What + ", signed as a name"
				break
			}
		}
	}
	return ignored
}

// maxIgnored bounds the entries that approvers read.
const maxIgnored = 20

// capIgnored replaces the entries after the twentieth by their number.
func capIgnored(ignored []api.Ignored) []api.Ignored {
	if extra := len(ignored) - maxIgnored; extra > 0 {
		return append(ignored[:maxIgnored], api.Ignored{What: "further parts", Value: strconv.Itoa(extra)})
	}
	return ignored
}

// review collects what is ignored and what is refused.
type review struct {
	csr      *CSR
	ignored  []api.Ignored
	refusals []refusal
}

func (r *review) refuse(d danger, format string, args ...any) {
	r.refusals = append(r.refusals, refusal{d, fmt.Sprintf(format, args...)})
}

// compareNames refuses names that will not be signed. DNS names and mail domains have no case, and a DNS name may have a
// final dot.
func (r *review) compareNames(sans []string) {
	signed := nameSet(sans)
	var beyond []string
	for _, n := range r.csr.sans {
		n = n.normalize()
		if signed[n] {
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
func (r *review) compareCommonNames(commonName string, sans []string) {
	signed := nameSet(sans)
	for _, text := range r.csr.commonNames {
		n := requestedName{DNS, text}.normalize()
		asAddress := requestedName{IP, text}
		asMail := requestedName{Email, text}.normalize()
		switch {
		case text == commonName || n.text == commonName && commonName != "":
		case signed[n] || signed[asAddress] || signed[asMail] || !readsAsHost(text):
			r.ignored = append(r.ignored, api.Ignored{What: "common name", Value: showText(text)})
		default:
			r.refuse(dangerName, "the CSR's common name %.100q will not be signed; add it to the sans, or make the CSR without it", text)
		}
	}
}

// readsAsHost reports whether a program could read a common name as a host name, a mail address or an IP address.
func readsAsHost(text string) bool {
	text = strings.TrimSuffix(strings.TrimSpace(text), ".")
	return strings.ContainsAny(text, ".@") && !strings.Contains(text, " ") || ipFault(text) == "" || strings.ContainsFunc(text, isControlOrFormat)
}

func (r *review) compareUsages(allowed []string) {
	for _, usage := range r.csr.usages {
		if usage != x509.KeyUsageDigitalSignature && (usage != x509.KeyUsageKeyEncipherment || r.csr.Key.Algorithm != api.AlgorithmRSA) {
			r.ignored = append(r.ignored, api.Ignored{What: "key usage", Value: usage.String()})
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
			r.ignored = append(r.ignored, api.Ignored{What: legacy.what, Value: strings.Join(legacy.ekus, ", ")})
			continue
		}
		r.refuse(dangerRestriction, "the CSR restricts the certificate to uses that the profile does not give (%s); make the CSR without it", legacy.what)
	}
}

// compareKeyID lists a subject key identifier that is not the one that will be signed.
func (r *review) compareKeyID() {
	if r.csr.keyID == nil {
		return
	}
	if signed, err := KeyID(r.csr.SPKI); err == nil && string(signed) == string(r.csr.keyID) {
		return
	}
	r.ignored = append(r.ignored, api.Ignored{What: describeOID(oidSubjectKeyID), Value: fmt.Sprintf("%X", r.csr.keyID)})
}

// normalize returns a name as the server would spell it.
func (n requestedName) normalize() requestedName {
	switch n.kind {
	case DNS:
		return requestedName{DNS, strings.TrimSuffix(strings.ToLower(n.text), ".")}
	case Email:
		if local, domain, found := strings.Cut(n.text, "@"); found {
			return requestedName{Email, local + "@" + strings.TrimSuffix(strings.ToLower(domain), ".")}
		}
	}
	return n
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
