package rules

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/cryptobyte"
	tags "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/certctl/terraform-provider-certctl/api"
)

// The keys of all tests: an RSA key costs a tenth of a second.
var (
	p256Key = sync.OnceValue(func() *ecdsa.PrivateKey { return newECDSA(elliptic.P256()) })
	rsaKey  = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
)

func newECDSA(curve elliptic.Curve) *ecdsa.PrivateKey {
	return must(ecdsa.GenerateKey(curve, rand.Reader))
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func toPEM(der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
}

// request has Go make a CSR.
func request(template x509.CertificateRequest, key crypto.Signer) string {
	return toPEM(must(x509.CreateCertificateRequest(rand.Reader, &template, key)))
}

func withExtensions(extensions ...pkix.Extension) string {
	return request(x509.CertificateRequest{ExtraExtensions: extensions}, p256Key())
}

func extension(oid asn1.ObjectIdentifier, value any) pkix.Extension {
	return pkix.Extension{Id: oid, Value: must(asn1.Marshal(value))}
}

func keyUsage(bits ...int) pkix.Extension {
	value := asn1.BitString{Bytes: make([]byte, 2), BitLength: 16}
	for _, bit := range bits {
		value.Bytes[bit/8] |= 0x80 >> (bit % 8)
	}
	return extension(oidKeyUsage, value)
}

func ekus(oids ...asn1.ObjectIdentifier) pkix.Extension { return extension(oidExtKeyUsage, oids) }

func rawSAN(tag int, value string) pkix.Extension {
	return extension(oidSubjectAltName, []asn1.RawValue{{Class: asn1.ClassContextSpecific, Tag: tag, Bytes: []byte(value)}})
}

type basicConstraints struct {
	IsCA    bool `asn1:"optional"`
	PathLen int  `asn1:"optional,default:-1"`
}

// raw is a CSR built and signed by hand, for what Go would not write.
type raw struct {
	spki       []byte
	attributes [][]byte
	after      []byte // an element after the attributes
	sign       func(info []byte) []byte
}

func (r raw) der() []byte {
	info := build(func(b *cryptobyte.Builder) {
		b.AddASN1Int64(0)
		b.AddASN1(tags.SEQUENCE, func(*cryptobyte.Builder) {})
		b.AddBytes(r.spki)
		b.AddASN1(tags.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
			for _, a := range r.attributes {
				b.AddBytes(a)
			}
		})
		b.AddBytes(r.after)
	})
	return build(func(b *cryptobyte.Builder) {
		b.AddBytes(info)
		b.AddASN1(tags.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(asn1.ObjectIdentifier{1, 3, 101, 112}) })
		b.AddASN1BitString(r.sign(info))
	})
}

// build makes a SEQUENCE.
func build(f cryptobyte.BuilderContinuation) []byte {
	var b cryptobyte.Builder
	b.AddASN1(tags.SEQUENCE, f)
	return b.BytesOrPanic()
}

func ed25519Raw(change func(*raw)) string {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	must(0, err)
	r := raw{
		spki: must(x509.MarshalPKIXPublicKey(public)),
		sign: func(info []byte) []byte { return ed25519.Sign(private, info) },
	}
	change(&r)
	return toPEM(r.der())
}

func attribute(oid asn1.ObjectIdentifier, value []byte) []byte {
	return build(func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oid)
		b.AddASN1(tags.SET, func(b *cryptobyte.Builder) { b.AddBytes(value) })
	})
}

// unsigned makes a CSR with a given public key. ParseCSR refuses the key before it verifies the signature.
func unsigned(spki []byte) string {
	return toPEM(raw{spki: spki, sign: func([]byte) []byte { return []byte{0} }}.der())
}

// forged makes a signature without a private key. For the neutral point, (neutral point, 0) signs every message.
func forged() string {
	neutral := make(ed25519.PublicKey, 32)
	neutral[0] = 1
	return toPEM(raw{
		spki: must(x509.MarshalPKIXPublicKey(neutral)),
		sign: func([]byte) []byte { return append(neutral, make([]byte, 32)...) },
	}.der())
}

func damaged(csr string) string {
	block, _ := pem.Decode([]byte(csr))
	block.Bytes[len(block.Bytes)-1] ^= 1
	return string(pem.EncodeToMemory(block))
}

func rsaWith(n *big.Int, e int) string {
	return unsigned(must(x509.MarshalPKIXPublicKey(&rsa.PublicKey{N: n, E: e})))
}

// offCurve has a point that is not on P-256.
func offCurve() string {
	spki := must(x509.MarshalPKIXPublicKey(p256Key().Public()))
	spki[len(spki)-1] ^= 1
	return unsigned(spki)
}

func TestParseCSR_Accepts(t *testing.T) {
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	plain := request(x509.CertificateRequest{}, p256Key())
	for name, c := range map[string]struct {
		pem       string
		algorithm string
		size      int
		public    any
	}{
		"ECDSA":                {plain, api.AlgorithmECDSA, 256, p256Key().Public()},
		"CRLF and blank lines": {"\r\n" + strings.ReplaceAll(plain, "\n", "\r\n") + "\r\n", api.AlgorithmECDSA, 256, p256Key().Public()},
		"no newline at end":    {strings.TrimSpace(plain), api.AlgorithmECDSA, 256, p256Key().Public()},
		"RSA":                  {request(x509.CertificateRequest{}, rsaKey()), api.AlgorithmRSA, 2048, rsaKey().Public()},
		"RSA-PSS":              {request(x509.CertificateRequest{SignatureAlgorithm: x509.SHA384WithRSAPSS}, rsaKey()), api.AlgorithmRSA, 2048, rsaKey().Public()},
		"Ed25519":              {request(x509.CertificateRequest{}, edKey), api.AlgorithmEd25519, 256, edKey.Public()},
		"a critical extension": {withExtensions(pkix.Extension{Id: oidKeyUsage, Critical: true, Value: keyUsage(0).Value}), api.AlgorithmECDSA, 256, p256Key().Public()},
		"CA:FALSE written out": {withExtensions(pkix.Extension{Id: oidBasicConstraints, Value: []byte{0x30, 3, 1, 1, 0}}), api.AlgorithmECDSA, 256, p256Key().Public()},
		"CA:FALSE":             {withExtensions(extension(oidBasicConstraints, basicConstraints{PathLen: -1})), api.AlgorithmECDSA, 256, p256Key().Public()},
	} {
		t.Run(name, func(t *testing.T) {
			csr, err := ParseCSR(c.pem)
			if err != nil {
				t.Fatal(err)
			}
			spki := must(x509.MarshalPKIXPublicKey(c.public))
			sum := sha256.Sum256(spki)
			if want := (api.Key{Algorithm: c.algorithm, Size: c.size, SPKISHA256: hex.EncodeToString(sum[:])}); csr.Key != want {
				t.Errorf("got %+v, want %+v", csr.Key, want)
			}
			if !c.public.(interface{ Equal(crypto.PublicKey) bool }).Equal(csr.PublicKey) || string(csr.SPKI) != string(spki) || csr.PEM != c.pem {
				t.Errorf("another key, or another text: %+v", csr)
			}
		})
	}
}

func TestParseCSR_Refuses(t *testing.T) {
	plain := request(x509.CertificateRequest{}, p256Key())
	block, _ := pem.Decode([]byte(plain))
	withHeader := string(pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: block.Bytes, Headers: map[string]string{"A": "b"}}))
	privateKey := string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: must(x509.MarshalECPrivateKey(p256Key()))}))
	sha1 := x509.CertificateRequest{SignatureAlgorithm: x509.SHA1WithRSA}
	null := []byte{5, 0}
	subject := func(n pkix.Name) string { return request(x509.CertificateRequest{Subject: n}, p256Key()) }
	rawSubject := func(value any) string {
		return request(x509.CertificateRequest{RawSubject: must(asn1.Marshal(value))}, p256Key())
	}
	commonName := func(tag int, value string) pkix.AttributeTypeAndValue {
		return pkix.AttributeTypeAndValue{Type: oidCommonName, Value: asn1.RawValue{Tag: tag, Bytes: []byte(value)}}
	}
	for name, c := range map[string]struct{ pem, want string }{
		"nothing":               {" \n", "required"},
		"no PEM":                {"hello", "no PEM block"},
		"text before":           {"x\n" + plain, "before or after"},
		"text after":            {plain + "x", "before or after"},
		"two blocks":            {plain + plain, "more than one"},
		"another type":          {strings.ReplaceAll(plain, "CERTIFICATE REQUEST", "CERTIFICATE"), "no PEM block of type"},
		"the old type":          {strings.ReplaceAll(plain, "CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"), "old type"},
		"PEM headers":           {withHeader, "headers"},
		"no base64":             {beginCSR + "\n!\n" + endCSR, "base64"},
		"too long":              {plain + strings.Repeat("\n", 64<<10), "32768"},
		"a private key":         {privateKey, "private key"},
		"a private key beside":  {plain + privateKey, "private key"},
		"no DER":                {toPEM([]byte("hello")), "well-formed"},
		"trailing DER":          {toPEM(append(block.Bytes, 5, 0)), "well-formed"},
		"an element too many":   {ed25519Raw(func(r *raw) { r.after = null }), "well-formed"},
		"a bad signature":       {damaged(plain), "signature"},
		"SHA-1":                 {request(sha1, rsaKey()), "SHA-256"},
		"P-224":                 {request(x509.CertificateRequest{}, newECDSA(elliptic.P224())), "224"},
		"a point off its curve": {offCurve(), "malformed"},
		"a small-order point":   {forged(), "weak"},
		"short RSA":             {rsaWith(new(big.Int).Rsh(rsaKey().N, 1), 65537), "2047 bits"},
		"long RSA":              {rsaWith(new(big.Int).Lsh(rsaKey().N, 6145), 65537), "8193 bits"},
		"even RSA modulus":      {rsaWith(new(big.Int).Lsh(rsaKey().N, 1), 65537), "even"},
		"even RSA exponent":     {rsaWith(rsaKey().N, 65538), "65538"},
		"small RSA exponent":    {rsaWith(rsaKey().N, 3), "exponent 3"},

		"challengePassword": {ed25519Raw(func(r *raw) {
			r.attributes = [][]byte{attribute(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 7}, null)}
		}), "challengePassword"},
		"two requests for extensions": {ed25519Raw(func(r *raw) {
			a := attribute(oidExtensionRequest, build(func(*cryptobyte.Builder) {}))
			r.attributes = [][]byte{a, a}
		}), "more than one attribute"},
		"two values in one attribute": {ed25519Raw(func(r *raw) {
			empty := build(func(*cryptobyte.Builder) {})
			r.attributes = [][]byte{attribute(oidExtensionRequest, append(empty, empty...))}
		}), "well-formed"},

		"another extension":   {withExtensions(extension(asn1.ObjectIdentifier{1, 2, 3}, 1)), "1.2.3"},
		"name constraints":    {withExtensions(extension(asn1.ObjectIdentifier{2, 5, 29, 30}, 1)), "nameConstraints"},
		"one extension twice": {withExtensions(keyUsage(0), keyUsage(0)), "twice"},
		"CA:TRUE":             {withExtensions(extension(oidBasicConstraints, basicConstraints{true, -1})), "CA:TRUE"},
		"path length":         {withExtensions(extension(oidBasicConstraints, basicConstraints{false, 0})), "path length"},
		"a directory name":    {withExtensions(rawSAN(4, "")), "another kind"},
		"another name":        {withExtensions(rawSAN(0, "")), "another kind"},
		"no SANs":             {withExtensions(extension(oidSubjectAltName, []asn1.RawValue{})), "well-formed"},
		"an IP of 5 bytes":    {withExtensions(rawSAN(7, "12345")), "well-formed"},

		"an organisation":      {subject(pkix.Name{CommonName: "a.example", Organization: []string{"Acme"}}), "organizationName (2.5.4.10)"},
		"two RDNs":             {rawSubject(pkix.RDNSequence{{commonName(12, "a")}, {commonName(12, "b")}}), "more than one"},
		"two CNs in one RDN":   {rawSubject(pkix.RDNSequence{{commonName(12, "a"), commonName(12, "b")}}), "more than one"},
		"an empty CN":          {rawSubject(pkix.RDNSequence{{commonName(12, "")}}), "empty"},
		"a CN that is no text": {rawSubject(pkix.RDNSequence{{commonName(2, "\x01")}}), "UTF8String"},
	} {
		t.Run(name, func(t *testing.T) {
			csr, err := ParseCSR(c.pem)
			if err == nil {
				t.Fatal("accepted")
			}
			if !strings.Contains(err.Error(), c.want) || csr != nil {
				t.Errorf("got %q and %v, want %q and nil", err, csr, c.want)
			}
			if strings.Contains(err.Error(), privateKey[40:60]) {
				t.Error("the error repeats the private key")
			}
		})
	}
}

// TestParseCSR_RefusesEd25519PointsOfSmallOrder goes through all of them, and a second spelling of one.
func TestParseCSR_RefusesEd25519PointsOfSmallOrder(t *testing.T) {
	for _, y := range []string{
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	} {
		for _, sign := range []byte{0, 0x80} {
			key := ed25519.PublicKey(must(hex.DecodeString(y)))
			key[31] |= sign
			if _, err := ParseCSR(unsigned(must(x509.MarshalPKIXPublicKey(key)))); err == nil || !strings.Contains(err.Error(), "weak") {
				t.Errorf("%x: %v", key, err)
			}
		}
	}
}

// TestCSR_Within: a certificate with the common name and the names below, for serverAuth.
func TestCSR_Within(t *testing.T) {
	sans := []string{"www.example.com", "example.com", "10.0.0.1", "spiffe://example.org/web", "ann@example.com"}
	all := x509.CertificateRequest{
		Subject:        pkix.Name{CommonName: "example.com"},
		DNSNames:       sans[:2],
		IPAddresses:    []net.IP{net.IPv4(10, 0, 0, 1)},
		URIs:           []*url.URL{must(url.Parse(sans[3]))},
		EmailAddresses: sans[4:],
	}
	serverAuth, clientAuth := x509.ExtKeyUsageServerAuth.OID(), x509.ExtKeyUsageClientAuth.OID()
	oid := func(o x509.OID) asn1.ObjectIdentifier {
		var out asn1.ObjectIdentifier
		s := cryptobyte.String(append([]byte{6, byte(len(must(o.MarshalBinary())))}, must(o.MarshalBinary())...))
		s.ReadASN1ObjectIdentifier(&out)
		return out
	}
	for name, c := range map[string]struct {
		pem  string
		want []string // what the error names; none for no error
	}{
		"nothing":            {request(x509.CertificateRequest{}, p256Key()), nil},
		"every name":         {request(all, p256Key()), nil},
		"its usages":         {withExtensions(keyUsage(0), ekus(oid(serverAuth))), nil},
		"RSA encipherment":   {request(x509.CertificateRequest{ExtraExtensions: []pkix.Extension{keyUsage(0, 2)}}, rsaKey()), nil},
		"ECDSA encipherment": {withExtensions(keyUsage(0, 2)), []string{"key usage keyEncipherment"}},
		"signing others":     {withExtensions(keyUsage(0, 5, 9)), []string{"keyCertSign", "KeyUsage(512)"}},
		"other usages":       {withExtensions(ekus(oid(serverAuth), oid(clientAuth), asn1.ObjectIdentifier{1, 2, 3})), []string{"clientAuth", "1.2.3"}},
		"any usage":          {withExtensions(ekus(oid(x509.ExtKeyUsageAny.OID()))), []string{"anyExtendedKeyUsage"}},
		"another CN":         {request(x509.CertificateRequest{Subject: pkix.Name{CommonName: "evil.example"}}, p256Key()), []string{`common name "evil.example"`}},
		"other names":        {withExtensions(rawSAN(2, "evil.example")), []string{`DNS name "evil.example"`}},
		"another spelling":   {withExtensions(rawSAN(2, "EXAMPLE.com")), []string{`"EXAMPLE.com"`}},
		"part of a name":     {withExtensions(rawSAN(2, "ww.example.com")), []string{`"ww.example.com"`}},
		"a NUL":              {withExtensions(rawSAN(2, "example.com\x00.evil.example")), []string{`"example.com\x00`}},
		"an IP as DNS name":  {withExtensions(rawSAN(2, "10.0.0.1")), []string{`DNS name "10.0.0.1"`}},
		"a mapped IP":        {withExtensions(rawSAN(7, string(net.IPv4(10, 0, 0, 1).To16()))), []string{"::ffff:10.0.0.1"}},
	} {
		t.Run(name, func(t *testing.T) {
			csr, err := ParseCSR(c.pem)
			if err != nil {
				t.Fatal(err)
			}
			err = csr.CheckWithin("www.example.com", sans, []string{"serverAuth"})
			if (err == nil) != (c.want == nil) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not name %q", err, want)
				}
			}
		})
	}
}

// FuzzParseCSR parses its input as PEM, and as the DER inside PEM. ParseCSR must not panic. If it accepts a CSR, the
// signature must verify with the key that the CSR reports.
func FuzzParseCSR(f *testing.F) {
	for _, csr := range []string{
		request(x509.CertificateRequest{Subject: pkix.Name{CommonName: "example.com"}, DNSNames: []string{"example.com"}}, p256Key()),
		request(x509.CertificateRequest{}, rsaKey()),
		withExtensions(keyUsage(0), rawSAN(7, "1234"), extension(oidBasicConstraints, basicConstraints{PathLen: -1})),
		ed25519Raw(func(*raw) {}),
		forged(),
	} {
		block, _ := pem.Decode([]byte(csr))
		f.Add([]byte(csr))
		f.Add(block.Bytes)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, text := range []string{string(data), toPEM(data)} {
			csr, err := ParseCSR(text)
			if err != nil {
				continue
			}
			csr.CheckWithin("example.com", []string{"example.com"}, []string{"serverAuth"})
			block, _ := pem.Decode([]byte(text))
			parsed := must(x509.ParseCertificateRequest(block.Bytes))
			sum := sha256.Sum256(must(x509.MarshalPKIXPublicKey(parsed.PublicKey)))
			if err := parsed.CheckSignature(); err != nil || csr.Key.SPKISHA256 != hex.EncodeToString(sum[:]) {
				t.Fatalf("accepted with another key or a bad signature: %v", err)
			}
		}
	})
}
