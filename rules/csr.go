package rules

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	tags "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/certctl/terraform-provider-certctl/api"
)

// CSR is a certificate signing request that was read to its last byte, with a verified signature. Its public key is
// signed. Everything else in it is only compared with the names and usages that will be signed. Only ParseCSR makes a CSR.
type CSR struct {
	PEM       string           // as it was sent
	Key       api.Key          // describes PublicKey
	PublicKey crypto.PublicKey // *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey
	SPKI      []byte           // the SubjectPublicKeyInfo, DER

	commonName string
	sans       []requestedName
	usages     []x509.KeyUsage
	ekus       []string
}

// requestedName is a name in a CSR. A DNS name with the text 10.0.0.1 is another name than the IP address 10.0.0.1.
type requestedName struct {
	kind NameKind
	text string
}

const (
	maxCSRSize = 32 << 10
	beginCSR   = "-----BEGIN CERTIFICATE REQUEST-----"
	endCSR     = "-----END CERTIFICATE REQUEST-----"

	minRSASize     = 2048
	maxRSASize     = 8192
	minRSAExponent = 65537
)

var errMalformed = errors.New("the CSR is not a well-formed PKCS #10 certificate signing request")

// ParseCSR reads a CSR. If the CSR asks for something that is never signed, ParseCSR returns an error.
//
// Go's parser ignores attributes and trailing elements that it does not know. So ParseCSR reads the structure itself, and
// Go verifies the signature over the same bytes.
func ParseCSR(text string) (*CSR, error) {
	der, err := DecodeCSR(text)
	if err != nil {
		return nil, err
	}
	c := &CSR{PEM: text}
	if err := c.readRequest(der); err != nil {
		return nil, err
	}
	if err := c.readKey(); err != nil {
		return nil, err
	}
	if err := verifySignature(der); err != nil {
		return nil, err
	}
	return c, nil
}

// DecodeCSR returns the DER of a text that is one CSR block and nothing else. It does not read the DER.
//
// pem.Decode alone would skip text outside the block. No error repeats the text, because it may be a secret that was
// pasted by mistake.
func DecodeCSR(text string) ([]byte, error) {
	trimmed := strings.TrimSpace(text)
	switch {
	case strings.Contains(strings.ToUpper(text), "PRIVATE KEY"):
		return nil, errors.New("this is or contains a private key, which must never leave its machine: consider the key compromised, make a new one, and send only the CERTIFICATE REQUEST block")
	case len(text) > maxCSRSize:
		return nil, fmt.Errorf("the CSR is longer than %d bytes", maxCSRSize)
	case trimmed == "":
		return nil, errors.New("a CSR is required: one PEM block of type CERTIFICATE REQUEST")
	case strings.Contains(text, "BEGIN NEW CERTIFICATE REQUEST"):
		return nil, errors.New("the CSR's PEM block has the old type NEW CERTIFICATE REQUEST; write CERTIFICATE REQUEST in its first and last line")
	case strings.Count(text, "-----BEGIN") > 1:
		return nil, errors.New("there is more than one PEM block; send exactly one of type CERTIFICATE REQUEST")
	case !strings.Contains(text, beginCSR):
		return nil, errors.New("there is no PEM block of type CERTIFICATE REQUEST")
	case !strings.HasPrefix(trimmed, beginCSR) || !strings.HasSuffix(trimmed, endCSR):
		return nil, errors.New("there is text before or after the CERTIFICATE REQUEST block")
	}
	block, rest := pem.Decode([]byte(trimmed))
	switch {
	case block == nil || len(rest) != 0:
		return nil, errors.New("the CERTIFICATE REQUEST block is damaged: its content is not base64")
	case len(block.Headers) != 0:
		return nil, errors.New("the CERTIFICATE REQUEST block has PEM headers; send it without")
	}
	return block.Bytes, nil
}

// readRequest reads a CertificationRequest of RFC 2986. Elements after the known ones are an error.
func (c *CSR) readRequest(der []byte) error {
	var request, info, algorithm, subject, spki, attributes cryptobyte.String
	var signature []byte
	var version int
	input := cryptobyte.String(der)
	if !input.ReadASN1(&request, tags.SEQUENCE) || !input.Empty() ||
		!request.ReadASN1(&info, tags.SEQUENCE) || !request.ReadASN1(&algorithm, tags.SEQUENCE) ||
		!request.ReadASN1BitStringAsBytes(&signature) || !request.Empty() {
		return errMalformed
	}
	if !info.ReadASN1Integer(&version) || version != 0 ||
		!info.ReadASN1(&subject, tags.SEQUENCE) || !info.ReadASN1Element(&spki, tags.SEQUENCE) ||
		!info.ReadASN1(&attributes, tags.Tag(0).ContextSpecific().Constructed()) || !info.Empty() {
		return errMalformed
	}
	c.SPKI = bytes.Clone(spki)
	if err := c.readSubject(subject); err != nil {
		return err
	}
	return c.readAttributes(attributes)
}

// readSubject accepts an empty subject or one common name.
func (c *CSR) readSubject(subject cryptobyte.String) error {
	for first := true; !subject.Empty(); first = false {
		var rdn cryptobyte.String
		if !subject.ReadASN1(&rdn, tags.SET) || rdn.Empty() {
			return errMalformed
		}
		for ; !rdn.Empty(); first = false {
			if err := c.readSubjectAttribute(&rdn, first); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *CSR) readSubjectAttribute(rdn *cryptobyte.String, first bool) error {
	var attribute, value cryptobyte.String
	var oid asn1.ObjectIdentifier
	var tag tags.Tag
	if !rdn.ReadASN1(&attribute, tags.SEQUENCE) || !attribute.ReadASN1ObjectIdentifier(&oid) ||
		!attribute.ReadAnyASN1(&value, &tag) || !attribute.Empty() {
		return errMalformed
	}
	switch {
	case !oid.Equal(oidCommonName):
		return fmt.Errorf("the CSR's subject has %s, which will not be signed; a subject is empty or one common name", describeOID(oid))
	case !first:
		return errors.New("the CSR's subject has more than one common name")
	case tag != tags.UTF8String && tag != tags.PrintableString && tag != tags.IA5String:
		return errors.New("the CSR's common name is not a UTF8String, PrintableString or IA5String")
	case value.Empty():
		return errors.New("the CSR's common name is empty; leave it out")
	}
	c.commonName = string(value)
	return nil
}

// readAttributes accepts only one attribute, the request for extensions. It refuses a challenge password, because no
// program would check that secret.
func (c *CSR) readAttributes(attributes cryptobyte.String) error {
	for first := true; !attributes.Empty(); first = false {
		var attribute, values, extensions cryptobyte.String
		var oid asn1.ObjectIdentifier
		if !attributes.ReadASN1(&attribute, tags.SEQUENCE) || !attribute.ReadASN1ObjectIdentifier(&oid) ||
			!attribute.ReadASN1(&values, tags.SET) || !attribute.Empty() {
			return errMalformed
		}
		switch {
		case !oid.Equal(oidExtensionRequest):
			return fmt.Errorf("the CSR has the attribute %s, which will not be honoured; only requested extensions are allowed", describeOID(oid))
		case !first:
			return errors.New("the CSR requests extensions in more than one attribute")
		case !values.ReadASN1(&extensions, tags.SEQUENCE) || !values.Empty():
			return errMalformed
		}
		if err := c.readExtensions(extensions); err != nil {
			return err
		}
	}
	return nil
}

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
		if err := c.readExtension(oid, value); err != nil {
			return err
		}
	}
	return nil
}

func (c *CSR) readExtension(oid asn1.ObjectIdentifier, value cryptobyte.String) error {
	switch {
	case oid.Equal(oidSubjectAltName):
		return c.readSANs(value)
	case oid.Equal(oidKeyUsage):
		return c.readKeyUsage(value)
	case oid.Equal(oidExtKeyUsage):
		return c.readExtKeyUsage(value)
	case oid.Equal(oidBasicConstraints):
		return readBasicConstraints(value)
	}
	return fmt.Errorf("the CSR requests the extension %s, which will not be signed", describeOID(oid))
}

func (c *CSR) readSANs(value cryptobyte.String) error {
	var names, name cryptobyte.String
	if !value.ReadASN1(&names, tags.SEQUENCE) || !value.Empty() || names.Empty() {
		return errMalformed
	}
	for !names.Empty() {
		var tag tags.Tag
		if !names.ReadAnyASN1(&name, &tag) {
			return errMalformed
		}
		requested, err := parseGeneralName(tag, name)
		if err != nil {
			return err
		}
		c.sans = append(c.sans, requested)
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

// parseGeneralName returns a name of a CSR by its tag.
func parseGeneralName(tag tags.Tag, value []byte) (requestedName, error) {
	kind, ok := sanKinds[tag]
	if !ok {
		return requestedName{}, errors.New("the CSR requests a subject alternative name of another kind than DNS name, IP address, URI and e-mail address")
	}
	if kind != IP {
		return requestedName{kind, string(value)}, nil
	}
	addr, ok := netip.AddrFromSlice(value)
	if !ok {
		return requestedName{}, errMalformed
	}
	return requestedName{kind, addr.String()}, nil
}

func (c *CSR) readKeyUsage(value cryptobyte.String) error {
	var bits asn1.BitString
	if !value.ReadASN1BitString(&bits) || !value.Empty() {
		return errMalformed
	}
	for i := range bits.BitLength {
		if bits.At(i) == 1 {
			c.usages = append(c.usages, x509.KeyUsage(1)<<min(i, maxKeyUsageBit+1))
		}
	}
	return nil
}

// maxKeyUsageBit is decipherOnly, the last that RFC 5280 knows. All after it count as one, unknown.
const maxKeyUsageBit = 8

func (c *CSR) readExtKeyUsage(value cryptobyte.String) error {
	var ekus cryptobyte.String
	if !value.ReadASN1(&ekus, tags.SEQUENCE) || !value.Empty() || ekus.Empty() {
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
	return oid.String()
}

func readBasicConstraints(value cryptobyte.String) error {
	var constraints cryptobyte.String
	var isCA bool
	if !value.ReadASN1(&constraints, tags.SEQUENCE) || !value.Empty() ||
		!readDefaultFalse(&constraints, &isCA) {
		return errMalformed
	}
	switch {
	case isCA:
		return errors.New("the CSR asks for a CA certificate (basicConstraints CA:TRUE), which will not be signed")
	case constraints.PeekASN1Tag(tags.INTEGER):
		return errors.New("the CSR asks for a path length (basicConstraints pathlen), which only a CA certificate has")
	case !constraints.Empty():
		return errMalformed
	}
	return nil
}

// readDefaultFalse reads a BOOLEAN DEFAULT FALSE. The function of cryptobyte is for explicit tags. DER does not allow an
// explicit FALSE, but readDefaultFalse accepts it, because OpenSSL has written it.
func readDefaultFalse(s *cryptobyte.String, out *bool) bool {
	return !s.PeekASN1Tag(tags.BOOLEAN) || s.ReadASN1Boolean(out)
}

// readKey reads the public key and refuses a weak key. Encoding the parsed key must give the same bytes: the approver saw
// the digest of these bytes, and the issuer encodes the parsed key.
func (c *CSR) readKey() error {
	key, err := x509.ParsePKIXPublicKey(c.SPKI)
	if err != nil {
		return errors.New("the CSR's public key is malformed or of an unknown kind; ECDSA, RSA and Ed25519 keys are allowed")
	}
	algorithm, size, err := inspectKey(key)
	if err != nil {
		return err
	}
	if again, err := x509.MarshalPKIXPublicKey(key); err != nil || !bytes.Equal(again, c.SPKI) {
		return errors.New("the CSR's public key is not encoded as DER prescribes")
	}
	sum := sha256.Sum256(c.SPKI)
	c.PublicKey = key
	c.Key = api.Key{Algorithm: algorithm, Size: size, SPKISHA256: hex.EncodeToString(sum[:])}
	return nil
}

// inspectKey returns the algorithm and the size of a key, and refuses a weak key.
func inspectKey(key crypto.PublicKey) (algorithm string, size int, err error) {
	switch key := key.(type) {
	case *rsa.PublicKey:
		return api.AlgorithmRSA, key.N.BitLen(), checkRSA(key)
	case *ecdsa.PublicKey:
		// Go has checked that the point is on the curve.
		size := key.Curve.Params().BitSize
		if size < 256 {
			return "", 0, fmt.Errorf("the CSR's ECDSA key is on a curve of %d bits; P-256, P-384 and P-521 are allowed", size)
		}
		return api.AlgorithmECDSA, size, nil
	case ed25519.PublicKey:
		if isSmallOrder(key) {
			return "", 0, errors.New("the CSR's Ed25519 key is a weak or malformed point")
		}
		return api.AlgorithmEd25519, 256, nil
	}
	return "", 0, errors.New("the CSR's public key is of an unknown kind; ECDSA, RSA and Ed25519 keys are allowed")
}

// isSmallOrder reports whether a key is a point of small order (1, 2, 4 or 8) or a second encoding of a point. Anyone can
// sign for such a point, and verification by RFC 8032 accepts that signature.
func isSmallOrder(key ed25519.PublicKey) bool {
	y := slices.Clone(key)
	y[31] &= 0x7f // the sign of x
	slices.Reverse(y)
	n := new(big.Int).SetBytes(y)
	negative := new(big.Int).Sub(fieldPrime, n)
	isSmall := func(s *big.Int) bool { return s.Cmp(n) == 0 || s.Cmp(negative) == 0 }
	return n.Cmp(fieldPrime) >= 0 || slices.ContainsFunc([]*big.Int{big.NewInt(0), big.NewInt(1), order8}, isSmall)
}

var (
	// fieldPrime is 2^255 - 19.
	fieldPrime = new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	// order8 is the y coordinate of two of the four points of order 8. Its negative is the y coordinate of the other two.
	order8, _ = new(big.Int).SetString("05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826", 16)
)

// verifySignature verifies the signature of a CSR. It refuses SHA-1, which Go accepts in a CSR.
func verifySignature(der []byte) error {
	request, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return errMalformed
	}
	if err := checkSignatureAlgorithm(request.SignatureAlgorithm); err != nil {
		return err
	}
	if request.CheckSignature() != nil {
		return errors.New("the CSR's signature does not verify with its public key")
	}
	return nil
}

// checkSignatureAlgorithm refuses a signature that can be forged.
func checkSignatureAlgorithm(algorithm x509.SignatureAlgorithm) error {
	switch algorithm {
	case x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA,
		x509.SHA256WithRSAPSS, x509.SHA384WithRSAPSS, x509.SHA512WithRSAPSS,
		x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512, x509.PureEd25519:
		return nil
	case x509.SHA1WithRSA, x509.ECDSAWithSHA1, x509.DSAWithSHA1, x509.MD5WithRSA, x509.MD2WithRSA:
		return fmt.Errorf("the CSR is signed with %s, which can be forged; sign it with SHA-256 or better", algorithm)
	}
	return errors.New("the CSR is signed with an unknown algorithm; sign it with SHA-256 or better")
}

// CheckWithin returns an error if the CSR asks for a name or a usage that will not be signed. Otherwise a subscriber could
// believe that the certificate has it.
func (c *CSR) CheckWithin(commonName string, sans []string, ekus []string) error {
	var beyond []string
	add := func(format string, args ...any) { beyond = append(beyond, fmt.Sprintf(format, args...)) }

	if c.commonName != "" && c.commonName != commonName && !slices.Contains(sans, c.commonName) {
		add("the common name %.100q", c.commonName)
	}
	signed := nameSet(sans)
	for _, n := range c.sans {
		if !signed[n] {
			add("the %s %.100q", n.kind, n.text)
		}
	}
	for _, usage := range c.usages {
		if usage != x509.KeyUsageDigitalSignature && (usage != x509.KeyUsageKeyEncipherment || c.Key.Algorithm != api.AlgorithmRSA) {
			add("the key usage %s", usage)
		}
	}
	for _, eku := range c.ekus {
		if !slices.Contains(ekus, eku) {
			add("the extended key usage %s", eku)
		}
	}
	if len(beyond) == 0 {
		return nil
	}
	return fmt.Errorf("the CSR asks for names or usages that will not be signed: %s", joinFirst(beyond))
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

var (
	oidCommonName       = asn1.ObjectIdentifier{2, 5, 4, 3}
	oidExtensionRequest = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 14}
	oidSubjectAltName   = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidKeyUsage         = asn1.ObjectIdentifier{2, 5, 29, 15}
	oidExtKeyUsage      = asn1.ObjectIdentifier{2, 5, 29, 37}
	oidBasicConstraints = asn1.ObjectIdentifier{2, 5, 29, 19}
)

// oidNames are the names of the OIDs that common tools put into a CSR.
var oidNames = map[string]string{
	"2.5.4.5":                    "serialNumber",
	"2.5.4.6":                    "countryName",
	"2.5.4.7":                    "localityName",
	"2.5.4.8":                    "stateOrProvinceName",
	"2.5.4.10":                   "organizationName",
	"2.5.4.11":                   "organizationalUnitName",
	"0.9.2342.19200300.100.1.25": "domainComponent",
	"1.2.840.113549.1.9.1":       "emailAddress",
	"1.2.840.113549.1.9.2":       "unstructuredName",
	"1.2.840.113549.1.9.7":       "challengePassword",
	"2.5.29.14":                  "subjectKeyIdentifier",
	"2.5.29.15":                  "keyUsage",
	"2.5.29.17":                  "subjectAltName",
	"2.5.29.19":                  "basicConstraints",
	"2.5.29.30":                  "nameConstraints",
	"2.5.29.32":                  "certificatePolicies",
	"2.5.29.37":                  "extKeyUsage",
	"1.3.6.1.5.5.7.1.24":         "tlsFeature",
}

// describeOID returns an OID for people, with its name if it is known.
func describeOID(oid asn1.ObjectIdentifier) string {
	if name, ok := oidNames[oid.String()]; ok {
		return fmt.Sprintf("%s (%s)", name, oid)
	}
	return oid.String()
}
