package rules

import (
	"crypto/sha1" //nolint:gosec // RFC 5280's method for key identifiers; no security rests on it
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	tags "golang.org/x/crypto/cryptobyte/asn1"
)

// readExtensions reads one request for extensions. An extension that is there twice is an error: two readers could take
// one each.
func (c *CSR) readExtensions(extensions cryptobyte.String) error {
	seen := map[string]bool{}
	for !extensions.Empty() {
		var extension, value cryptobyte.String
		var oid asn1.ObjectIdentifier
		var critical bool
		if !extensions.ReadASN1(&extension, tags.SEQUENCE) || !extension.ReadASN1ObjectIdentifier(&oid) ||
			!readDefaultFalse(&extension, &critical) ||
			!extension.ReadASN1(&value, tags.OCTET_STRING) || !extension.Empty() {
			return errMalformed
		}
		if seen[oid.String()] {
			return fmt.Errorf("the CSR requests the extension %s twice", describeOID(oid))
		}
		seen[oid.String()] = true
		if err := c.readExtension(oid, critical, value); err != nil {
			return err
		}
	}
	return nil
}

func (c *CSR) readExtension(oid asn1.ObjectIdentifier, critical bool, value cryptobyte.String) error {
	switch {
	case oid.Equal(oidSubjectAltName):
		return c.readSANs(value)
	case oid.Equal(oidKeyUsage):
		return c.readKeyUsage(value)
	case oid.Equal(oidExtKeyUsage):
		return c.readExtKeyUsage(value)
	case oid.Equal(oidBasicConstraints):
		return c.readBasicConstraints(value)
	case oid.Equal(oidApplicationPolicies):
		return c.readApplicationPolicies(critical, value)
	case oid.Equal(oidNSCertType):
		return c.readNSCertType(critical, value)
	case restrictions[oid.String()]:
		c.refuseRestriction("restriction", describeOID(oid))
	case critical:
		c.refuseRestriction("critical extension", describeOID(oid))
	case oid.Equal(oidSubjectKeyID):
		return c.readSubjectKeyID(value)
	default:
		c.ignore(oid, "", false, value)
	}
	return nil
}

func (c *CSR) refuseRestriction(kind, what string) {
	c.refuse(dangerRestriction, "the CSR asks for the %s %s, which will not be signed; make the CSR without it", kind, what)
}

// restrictions are extensions that only forbid something. Leaving one out would make the certificate able to do more.
var restrictions = map[string]bool{
	"2.5.29.16":             true, // privateKeyUsagePeriod
	"2.5.29.30":             true, // nameConstraints
	"2.5.29.33":             true, // policyMappings
	"2.5.29.36":             true, // policyConstraints
	"2.5.29.54":             true, // inhibitAnyPolicy
	"1.3.6.1.5.5.7.1.24":    true, // tlsFeature, must-staple
	"1.3.6.1.4.1.311.21.11": true, // Microsoft's application policy mappings
	"1.3.6.1.4.1.311.21.12": true, // Microsoft's application policy constraints
}

func (c *CSR) readSANs(value cryptobyte.String) error {
	var names, name cryptobyte.String
	if !value.ReadASN1(&names, tags.SEQUENCE) || !value.Empty() {
		return errMalformed
	}
	for !names.Empty() {
		var tag tags.Tag
		if !names.ReadAnyASN1(&name, &tag) {
			return errMalformed
		}
		if err := c.readGeneralName(tag, name); err != nil {
			return err
		}
	}
	return nil
}

// sanKinds are the general names that a certificate may have, by their tag in RFC 5280.
var sanKinds = map[tags.Tag]NameKind{
	tags.Tag(1).ContextSpecific(): Email,
	tags.Tag(2).ContextSpecific(): DNS,
	tags.Tag(6).ContextSpecific(): URI,
	tags.Tag(7).ContextSpecific(): IP,
}

// otherNames are the general names that no certificate gets, by their tag.
var otherNames = map[tags.Tag]string{
	tags.Tag(3).ContextSpecific().Constructed(): "an X.400 address",
	tags.Tag(4).ContextSpecific().Constructed(): "a directory name",
	tags.Tag(5).ContextSpecific().Constructed(): "an EDI party name",
	tags.Tag(8).ContextSpecific():               "a registered id",
}

func (c *CSR) readGeneralName(tag tags.Tag, value cryptobyte.String) error {
	kind, known := sanKinds[tag]
	switch {
	case !known:
		c.refuse(dangerName, "the CSR asks for %s as a subject alternative name, which will not be signed; make the CSR without it", describeGeneralName(tag, value))
	case kind != IP:
		c.sans = append(c.sans, requestedName{kind, string(value)})
	default:
		addr, ok := netip.AddrFromSlice(value)
		if !ok {
			return errMalformed
		}
		c.sans = append(c.sans, requestedName{kind, addr.String()})
	}
	return nil
}

func describeGeneralName(tag tags.Tag, value cryptobyte.String) string {
	if name, known := otherNames[tag]; known {
		return name
	}
	var oid asn1.ObjectIdentifier
	if tag == tags.Tag(0).ContextSpecific().Constructed() && value.ReadASN1ObjectIdentifier(&oid) {
		return "the other name " + describeOID(oid)
	}
	return "an unknown kind of name"
}

func (c *CSR) readKeyUsage(value cryptobyte.String) error {
	var bits asn1.BitString
	if !value.ReadASN1BitString(&bits) || !value.Empty() {
		return errMalformed
	}
	for i := range bits.BitLength {
		usage := x509.KeyUsage(1) << min(i, maxKeyUsageBit+1)
		if bits.At(i) == 1 && !slices.Contains(c.usages, usage) {
			c.usages = append(c.usages, usage)
		}
	}
	return nil
}

// maxKeyUsageBit is decipherOnly, the last that RFC 5280 knows. All after it count as one, unknown.
const maxKeyUsageBit = 8

func (c *CSR) readExtKeyUsage(value cryptobyte.String) error {
	var ekus cryptobyte.String
	if !value.ReadASN1(&ekus, tags.SEQUENCE) || !value.Empty() {
		return errMalformed
	}
	for !ekus.Empty() {
		var oid asn1.ObjectIdentifier
		if !ekus.ReadASN1ObjectIdentifier(&oid) {
			return errMalformed
		}
		c.ekus = append(c.ekus, ekuName(oid))
	}
	return nil
}

// ekuName returns the name of a usage as profiles write it. If Go does not know the usage, it returns the OID.
func ekuName(oid asn1.ObjectIdentifier) string {
	for usage := x509.ExtKeyUsageAny; usage <= x509.ExtKeyUsageMicrosoftKernelCodeSigning; usage++ {
		if usage.OID().EqualASN1OID(oid) {
			return usage.String()
		}
	}
	return cutOID(oid)
}

// readApplicationPolicies reads Microsoft's list of usages, which is a certificatePolicies of usages.
func (c *CSR) readApplicationPolicies(critical bool, value cryptobyte.String) error {
	var policies cryptobyte.String
	if !value.ReadASN1(&policies, tags.SEQUENCE) || !value.Empty() {
		return errMalformed
	}
	use := legacyUse{what: describeOID(oidApplicationPolicies)}
	for !policies.Empty() {
		var policy cryptobyte.String
		var oid asn1.ObjectIdentifier
		if !policies.ReadASN1(&policy, tags.SEQUENCE) || !policy.ReadASN1ObjectIdentifier(&oid) {
			return errMalformed
		}
		use.ekus = append(use.ekus, ekuName(oid))
	}
	c.addLegacyUse(critical, use)
	return nil
}

// addLegacyUse refuses a critical one: a program that does not know the extension would have to reject the certificate.
func (c *CSR) addLegacyUse(critical bool, use legacyUse) {
	if critical {
		c.refuseRestriction("critical extension", use.what)
		return
	}
	c.legacyUses = append(c.legacyUses, use)
}

// nsCertTypes are the bits of Netscape's extension, by the usage that replaced each.
var nsCertTypes = []string{"clientAuth", "serverAuth", "emailProtection", "codeSigning", "reserved", "", "", ""}

func (c *CSR) readNSCertType(critical bool, value cryptobyte.String) error {
	var bits asn1.BitString
	if !value.ReadASN1BitString(&bits) || !value.Empty() {
		return errMalformed
	}
	use := legacyUse{what: describeOID(oidNSCertType)}
	for i := range min(bits.BitLength, len(nsCertTypes)) {
		switch {
		case bits.At(i) == 0:
		case nsCertTypes[i] == "":
			c.refuse(dangerCA, "the CSR asks for a CA certificate (%s), which will not be signed", describeOID(oidNSCertType))
			return nil
		default:
			use.ekus = append(use.ekus, nsCertTypes[i])
		}
	}
	c.addLegacyUse(critical, use)
	return nil
}

func (c *CSR) readBasicConstraints(value cryptobyte.String) error {
	var constraints cryptobyte.String
	var isCA bool
	var length int64
	if !value.ReadASN1(&constraints, tags.SEQUENCE) || !value.Empty() ||
		!readDefaultFalse(&constraints, &isCA) {
		return errMalformed
	}
	if isCA {
		c.refuse(dangerCA, "the CSR asks for a CA certificate (basicConstraints CA:TRUE), which will not be signed; make the CSR without it")
	}
	if constraints.PeekASN1Tag(tags.INTEGER) {
		if !constraints.ReadASN1Integer(&length) {
			return errMalformed
		}
		c.refuse(dangerCA, "the CSR asks for a path length (basicConstraints pathlen), which only a CA certificate has; make the CSR without it")
	}
	if !constraints.Empty() {
		return errMalformed
	}
	return nil
}

func (c *CSR) readSubjectKeyID(value cryptobyte.String) error {
	var id cryptobyte.String
	if !value.ReadASN1(&id, tags.OCTET_STRING) || !value.Empty() {
		return errMalformed
	}
	c.keyIDs = append(c.keyIDs, []byte(id))
	return nil
}

// KeyID returns the key identifier of RFC 5280, 4.2.1.2, method 1: the SHA-1 of the key's bits. spki is DER.
func KeyID(spki []byte) ([]byte, error) {
	var info struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(spki, &info); err != nil {
		return nil, err
	}
	sum := sha1.Sum(info.Key.RightAlign()) //nolint:gosec // see the import
	return sum[:], nil
}

// readDefaultFalse reads a BOOLEAN DEFAULT FALSE. The function of cryptobyte is for explicit tags. DER does not allow an
// explicit FALSE, but readDefaultFalse accepts it, because OpenSSL has written it.
func readDefaultFalse(s *cryptobyte.String, out *bool) bool {
	return !s.PeekASN1Tag(tags.BOOLEAN) || s.ReadASN1Boolean(out)
}

// decodeText decodes a DirectoryString; false if the value is no text.
func decodeText(tag tags.Tag, value []byte) (string, bool) {
	switch tag {
	case tags.UTF8String, tags.PrintableString, tags.IA5String, tagNumericString, tagVisibleString:
		return string(value), utf8.Valid(value)
	case tags.T61String:
		// T.61 has no decoder that programs agree on. Its ASCII part is common to all.
		return string(value), isASCII(string(value))
	case tagBMPString:
		if len(value)%2 != 0 {
			return "", false
		}
		units := make([]uint16, len(value)/2)
		for i := range units {
			units[i] = uint16(value[2*i])<<8 | uint16(value[2*i+1])
		}
		text := string(utf16.Decode(units))
		return text, !strings.ContainsRune(text, utf8.RuneError)
	}
	return "", false
}

const (
	tagNumericString = tags.Tag(18)
	tagVisibleString = tags.Tag(26)
	tagBMPString     = tags.Tag(30)
)

// joinTexts decodes the values of an attribute; false if one of them is no text.
func joinTexts(values cryptobyte.String) (string, bool) {
	var texts []string
	for !values.Empty() {
		var value cryptobyte.String
		var tag tags.Tag
		if !values.ReadAnyASN1(&value, &tag) {
			return "", false
		}
		text, isText := decodeText(tag, value)
		if !isText {
			return "", false
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, ", "), len(texts) > 0
}

// maxShown bounds the text that approvers read of a CSR, in characters.
const maxShown = 64

func showValue(text string, isText bool, value []byte) string {
	if isText {
		return showText(text)
	}
	return showBytes(value)
}

// showText escapes everything but printable ASCII and cuts the text: the requester wrote it, and the approver reads it
// beside the button.
func showText(text string) string {
	var b strings.Builder
	for _, r := range text {
		part := string(r)
		if r > unicode.MaxASCII || !unicode.IsPrint(r) || r == '\\' {
			part = fmt.Sprintf("\\u{%x}", r)
		}
		if b.Len()+len(part) > maxShown-1 {
			return b.String() + "~"
		}
		b.WriteString(part)
	}
	return b.String()
}

// showBytes shows a value that is no text in hexadecimal.
func showBytes(value []byte) string {
	const most = maxShown/2 - 1
	if len(value) > most {
		return hex.EncodeToString(value[:most]) + "~"
	}
	return hex.EncodeToString(value)
}

func isControlOrFormat(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) }

var (
	oidCommonName          = asn1.ObjectIdentifier{2, 5, 4, 3}
	oidExtensionRequest    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 14}
	oidMicrosoftExtensions = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 2, 1, 14}
	oidMicrosoftNameValue  = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 13, 2, 1}
	oidChallengePassword   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 7}
	oidSubjectKeyID        = asn1.ObjectIdentifier{2, 5, 29, 14}
	oidSubjectAltName      = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidKeyUsage            = asn1.ObjectIdentifier{2, 5, 29, 15}
	oidExtKeyUsage         = asn1.ObjectIdentifier{2, 5, 29, 37}
	oidBasicConstraints    = asn1.ObjectIdentifier{2, 5, 29, 19}
	oidApplicationPolicies = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 21, 10}
	oidNSCertType          = asn1.ObjectIdentifier{2, 16, 840, 1, 113730, 1, 1}
)

// oidNames are the names of the OIDs that common tools put into a CSR.
var oidNames = map[string]string{
	"0.9.2342.19200300.100.1.1":  "userId",
	"0.9.2342.19200300.100.1.25": "domainComponent",
	"1.2.840.113549.1.9.1":       "emailAddress",
	"1.2.840.113549.1.9.2":       "unstructuredName",
	"1.2.840.113549.1.9.7":       "challengePassword",
	"1.2.840.113549.1.9.8":       "unstructuredAddress",
	"1.2.840.113549.1.9.15":      "sMIMECapabilities",
	"1.3.6.1.4.1.311.13.2.1":     "enrolment name and value (Microsoft)",
	"1.3.6.1.4.1.311.13.2.2":     "enrolment CSP (Microsoft)",
	"1.3.6.1.4.1.311.13.2.3":     "OS version (Microsoft)",
	"1.3.6.1.4.1.311.20.2":       "certificate template name (Microsoft)",
	"1.3.6.1.4.1.311.20.2.3":     "user principal name (Microsoft)",
	"1.3.6.1.4.1.311.21.7":       "certificate template (Microsoft)",
	"1.3.6.1.4.1.311.21.10":      "application policies (Microsoft)",
	"1.3.6.1.4.1.311.21.20":      "client information (Microsoft)",
	"1.3.6.1.4.1.311.25.2":       "NTDS security id (Microsoft)",
	"1.3.6.1.5.5.7.1.1":          "authorityInfoAccess",
	"1.3.6.1.5.5.7.1.24":         "tlsFeature",
	"2.16.840.1.113730.1.1":      "nsCertType",
	"2.16.840.1.113730.1.13":     "nsComment",
	"2.5.29.14":                  "subjectKeyIdentifier",
	"2.5.29.15":                  "keyUsage",
	"2.5.29.16":                  "privateKeyUsagePeriod",
	"2.5.29.17":                  "subjectAltName",
	"2.5.29.19":                  "basicConstraints",
	"2.5.29.30":                  "nameConstraints",
	"2.5.29.31":                  "cRLDistributionPoints",
	"2.5.29.32":                  "certificatePolicies",
	"2.5.29.33":                  "policyMappings",
	"2.5.29.35":                  "authorityKeyIdentifier",
	"2.5.29.36":                  "policyConstraints",
	"2.5.29.37":                  "extKeyUsage",
	"2.5.29.54":                  "inhibitAnyPolicy",
	"2.5.4.4":                    "surname",
	"2.5.4.5":                    "serialNumber",
	"2.5.4.6":                    "countryName",
	"2.5.4.7":                    "localityName",
	"2.5.4.8":                    "stateOrProvinceName",
	"2.5.4.9":                    "streetAddress",
	"2.5.4.10":                   "organizationName",
	"2.5.4.11":                   "organizationalUnitName",
	"2.5.4.12":                   "title",
	"2.5.4.17":                   "postalCode",
	"2.5.4.42":                   "givenName",
}

// describeOID returns an OID for people, with its name if it is known.
func describeOID(oid asn1.ObjectIdentifier) string {
	if name, ok := oidNames[oid.String()]; ok {
		return fmt.Sprintf("%s (%s)", name, oid)
	}
	return cutOID(oid)
}

// cutOID returns an OID in dotted form, cut to the length that approvers read.
func cutOID(oid asn1.ObjectIdentifier) string {
	text := oid.String()
	if len(text) > maxShown {
		return text[:maxShown-1] + "~"
	}
	return text
}
