package rules

import (
	"bytes"
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
	"fmt"
	"math/big"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/cryptobyte"
	tags "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/google/go-cmp/cmp"

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

func attributeOf(oid asn1.ObjectIdentifier, value []byte) []byte {
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
			if ignored, faults := csr.Review("", nil, api.DefaultProfileSpec()); len(ignored)+len(faults) > 0 {
				t.Errorf("ignores %v, refuses %v", ignored, faults)
			}
			spki := must(x509.MarshalPKIXPublicKey(c.public))
			sum := sha256.Sum256(spki)
			if want := (api.Key{Algorithm: c.algorithm, Size: c.size, SPKISHA256: hex.EncodeToString(sum[:])}); csr.Key != want {
				t.Errorf("got %+v, want %+v", csr.Key, want)
			}
			if !c.public.(interface{ Equal(crypto.PublicKey) bool }).Equal(csr.PublicKey) || string(csr.SPKI) != string(spki) {
				t.Errorf("another key: %+v", csr)
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
			if faults := faultsOf(unsigned(must(x509.MarshalPKIXPublicKey(key)))); !strings.Contains(faults, "weak") {
				t.Errorf("%x: %s", key, faults)
			}
		}
	}
}

// faultsOf returns why a CSR is refused for a certificate without names, for serverAuth; empty if it is not.
func faultsOf(text string) string {
	csr, err := ParseCSR(text)
	if err != nil {
		return err.Error()
	}
	_, faults := csr.Review("", nil, api.DefaultProfileSpec())
	return strings.Join(faults, "; ")
}

func TestParseCSR_Refuses(t *testing.T) {
	t.Parallel()
	plain := request(x509.CertificateRequest{}, p256Key())
	block, _ := pem.Decode([]byte(plain))
	null := []byte{5, 0}
	for name, c := range map[string]struct{ pem, want string }{
		"no DER":                {toPEM([]byte("hello")), "well-formed"},
		"trailing DER":          {toPEM(append(block.Bytes, 5, 0)), "well-formed"},
		"an element too many":   {ed25519Raw(func(r *raw) { r.after = null }), "well-formed"},
		"a bad signature":       {damaged(plain), "signature"},
		"SHA-1":                 {request(x509.CertificateRequest{SignatureAlgorithm: x509.SHA1WithRSA}, rsaKey()), "SHA-256"},
		"P-224":                 {request(x509.CertificateRequest{}, newECDSA(elliptic.P224())), "224"},
		"a point off its curve": {offCurve(), "malformed"},
		"a small-order point":   {forged(), "weak"},
		"short RSA":             {rsaWith(new(big.Int).Rsh(rsaKey().N, 1), 65537), "2047 bits"},
		"long RSA":              {rsaWith(new(big.Int).Lsh(rsaKey().N, 6145), 65537), "8193 bits"},
		"even RSA modulus":      {rsaWith(new(big.Int).Lsh(rsaKey().N, 1), 65537), "even"},
		"even RSA exponent":     {rsaWith(rsaKey().N, 65538), "65538"},
		"small RSA exponent":    {rsaWith(rsaKey().N, 3), "exponent 3"},
		"DSA":                   {unsigned(spkiOf(asn1.ObjectIdentifier{1, 2, 840, 10040, 4, 1})), "of the kind DSA"},
		"RSASSA-PSS":            {unsigned(spkiOf(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 10})), "plain RSA key"},
		"Ed448":                 {unsigned(spkiOf(asn1.ObjectIdentifier{1, 3, 101, 113})), "Ed448"},

		"name constraints":      {withExtensions(extension(asn1.ObjectIdentifier{2, 5, 29, 30}, 1)), "nameConstraints"},
		"policy constraints":    {withExtensions(extension(asn1.ObjectIdentifier{2, 5, 29, 36}, 1)), "policyConstraints"},
		"key usage period":      {withExtensions(extension(asn1.ObjectIdentifier{2, 5, 29, 16}, 1)), "privateKeyUsagePeriod"},
		"a critical extension":  {withExtensions(pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: null}), "critical extension 1.2.3"},
		"critical policies":     {withExtensions(pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 32}, Critical: true, Value: null}), "critical extension certificatePolicies"},
		"one extension twice":   {withExtensions(keyUsage(0), keyUsage(0)), "twice"},
		"CA:TRUE":               {withExtensions(extension(oidBasicConstraints, basicConstraints{true, -1})), "CA:TRUE"},
		"path length":           {withExtensions(extension(oidBasicConstraints, basicConstraints{false, 0})), "path length"},
		"Netscape's CA":         {withExtensions(extension(oidNSCertType, asn1.BitString{Bytes: []byte{0x04}, BitLength: 8})), "CA certificate (nsCertType"},
		"Netscape's other use":  {withExtensions(extension(oidNSCertType, asn1.BitString{Bytes: []byte{0x80}, BitLength: 8})), "restricts"},
		"Microsoft's other use": {withExtensions(extension(oidApplicationPolicies, [][]asn1.ObjectIdentifier{{{1, 3, 6, 1, 5, 5, 7, 3, 2}}})), "restricts"},
		"a directory name":      {withExtensions(rawSAN(4, "")), "name"},
		"another name":          {withExtensions(rawSAN(0, "")), "name"},
		"a registered id":       {withExtensions(rawSAN(8, "\x2a")), "registered id"},
		"an IP of 5 bytes":      {withExtensions(rawSAN(7, "12345")), "well-formed"},
		"a CN that is no text":  {rawSubject(pkix.RDNSequence{{commonNameOf(2, "\x01")}}), "no text"},
		"a name in Microsoft's request": {ed25519Raw(func(r *raw) {
			san := build(func(b *cryptobyte.Builder) { b.AddBytes(must(asn1.Marshal(rawSAN(2, "evil.example")))) })
			r.attributes = [][]byte{attributeOf(oidMicrosoftExtensions, san)}
		}), `DNS name "evil.example"`},
		"a name in a second request": {ed25519Raw(func(r *raw) {
			san := build(func(b *cryptobyte.Builder) { b.AddBytes(must(asn1.Marshal(rawSAN(2, "evil.example")))) })
			r.attributes = [][]byte{attributeOf(oidExtensionRequest, build(func(*cryptobyte.Builder) {})), attributeOf(oidExtensionRequest, san)}
		}), `DNS name "evil.example"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := faultsOf(c.pem); !strings.Contains(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// An approver reads at most twenty entries and the number of the others.
func TestCSR_Review_CapsWhatIsIgnored(t *testing.T) {
	t.Parallel()
	organizations := make([]string, 25)
	for i := range organizations {
		organizations[i] = strings.Repeat("\u202e", 40)
	}
	csr := must(ParseCSR(request(x509.CertificateRequest{Subject: pkix.Name{Organization: organizations}}, p256Key())))
	ignored, _ := csr.Review("", nil, api.DefaultProfileSpec())
	if len(ignored) != 21 || ignored[20] != (api.Ignored{What: "further parts", Value: "5"}) {
		t.Errorf("%d entries, %v", len(ignored), ignored[len(ignored)-1])
	}
	for _, part := range ignored {
		if len(part.Value) > 64 || strings.Contains(part.Value, "\u202e") {
			t.Errorf("shows %q", part.Value)
		}
	}
}

// The common name is shown first, so filler cannot push it off the list. A CSR of many parts costs little.
func TestCSR_Review_ShowsTheCommonNameFirst(t *testing.T) {
	t.Parallel()
	bits := asn1.BitString{Bytes: bytes.Repeat([]byte{0xff}, 4000), BitLength: 32000}
	csr := must(ParseCSR(request(x509.CertificateRequest{
		Subject:         pkix.Name{CommonName: "payroll", OrganizationalUnit: strings.Split(strings.Repeat("filler,", 40), ",")},
		ExtraExtensions: []pkix.Extension{extension(oidKeyUsage, bits)},
	}, p256Key())))
	sans := make([]string, 1000)
	for i := range sans {
		sans[i] = fmt.Sprintf("h%d.example.com", i)
	}
	ignored, faults := csr.Review("", sans, api.DefaultProfileSpec())
	if len(ignored) != 21 || ignored[0] != (api.Ignored{What: "common name", Value: "payroll"}) || len(faults) > 0 {
		t.Errorf("%v, %v", ignored, faults)
	}
	if len(csr.usages) > 10 || len(csr.extras) > maxIgnored {
		t.Errorf("keeps %d usages and %d parts", len(csr.usages), len(csr.extras))
	}
}

// Thousands of faults are cut, and none of another danger is lost by it.
func TestCSR_Review_CutsFaults(t *testing.T) {
	t.Parallel()
	var extensions []pkix.Extension
	for i := range 500 {
		extensions = append(extensions, pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3, i}, Critical: true, Value: []byte{5, 0}})
	}
	csr := withExtensions(append(extensions, extension(oidBasicConstraints, basicConstraints{true, -1}))...)
	_, faults := must(ParseCSR(csr)).Review("", nil, api.DefaultProfileSpec())
	if len(faults) != 7 || !strings.Contains(faults[0], "CA:TRUE") || !strings.Contains(faults[6], "495 more") {
		t.Errorf("%d: %q", len(faults), faults)
	}
}

func TestProposeNames(t *testing.T) {
	t.Parallel()
	csr := request(x509.CertificateRequest{
		Subject: pkix.Name{CommonName: "WWW.example.com"}, DNSNames: []string{"API.Example.com.", "www.example.com"},
		IPAddresses: []net.IP{net.IPv4(10, 0, 0, 1).To4()},
	}, p256Key())
	label := request(x509.CertificateRequest{Subject: pkix.Name{CommonName: "app_rw"}}, p256Key())
	user := request(x509.CertificateRequest{Subject: pkix.Name{CommonName: "Ann@example.com"}}, p256Key())
	users := api.ProfileSpec{AllowedCommonNames: []string{"*@example.com"}, AllowedEKUs: []string{"clientAuth"}}
	for name, c := range map[string]struct {
		spec    api.CertificateSpec
		profile api.ProfileSpec
		want    api.ProposedNames
	}{
		"a CSR alone":         {spec: api.CertificateSpec{CSRPEM: csr}, want: api.ProposedNames{CommonName: "www.example.com", SANs: []string{"www.example.com", "api.example.com", "10.0.0.1"}}},
		"given names":         {spec: api.CertificateSpec{CSRPEM: csr, SANs: []string{"www.example.com"}}, want: api.ProposedNames{CommonName: "www.example.com", SANs: []string{"www.example.com"}}},
		"a given common name": {spec: api.CertificateSpec{CSRPEM: csr, CommonName: "x", SANs: []string{"x"}}, want: api.ProposedNames{CommonName: "x", SANs: []string{"x"}}},
		"names without CN":    {spec: api.CertificateSpec{CSRPEM: csr, SANs: []string{"api.example.com"}}, want: api.ProposedNames{SANs: []string{"api.example.com"}}},
		"a CN of one label":   {spec: api.CertificateSpec{CSRPEM: label}, want: api.ProposedNames{CommonName: "app_rw", SANs: []string{}}},
		"a CN of one label, which is a name": {
			api.CertificateSpec{CSRPEM: label},
			api.ProfileSpec{AllowedDNSNames: []string{"*"}, AllowUnderscores: true},
			api.ProposedNames{CommonName: "app_rw", SANs: []string{"app_rw"}},
		},
		"a CN that the profile allows outside the sans": {
			api.CertificateSpec{CSRPEM: user}, users, api.ProposedNames{CommonName: "Ann@example.com", SANs: []string{}},
		},
		"a mail address": {spec: api.CertificateSpec{CSRPEM: user}, want: api.ProposedNames{SANs: []string{"Ann@example.com"}}},
		"no CSR":         {spec: api.CertificateSpec{CSRPEM: "x"}, want: api.ProposedNames{SANs: []string{}}},
	} {
		if got := ProposeNames(c.spec, c.profile); got.CommonName != c.want.CommonName || !slices.Equal(got.SANs, c.want.SANs) {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

// Only the first common names of a CSR are proposed: a CSR and the profile's patterns can be thousands.
func TestProposeNames_BoundsTheCommonNames(t *testing.T) {
	t.Parallel()
	var names []pkix.AttributeTypeAndValue
	for i := range maxProposedFrom + 1 {
		names = append(names, pkix.AttributeTypeAndValue{Type: oidCommonName, Value: fmt.Sprintf("host-%d.example.com", i)})
	}
	csr := request(x509.CertificateRequest{Subject: pkix.Name{ExtraNames: names}}, p256Key())
	got := ProposeNames(api.CertificateSpec{CSRPEM: csr}, api.ProfileSpec{})
	if last := fmt.Sprintf("host-%d.example.com", maxProposedFrom-1); len(got.SANs) != maxProposedFrom || got.SANs[maxProposedFrom-1] != last {
		t.Errorf("%d names: %v", len(got.SANs), got.SANs)
	}
}

// All faults of a CSR are told at once, the most dangerous first.
func TestCSR_Review_OrdersFaults(t *testing.T) {
	t.Parallel()
	csr := withExtensions(extension(asn1.ObjectIdentifier{2, 5, 29, 30}, 1), extension(oidBasicConstraints, basicConstraints{true, -1}),
		ekus(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 2}), rawSAN(2, "evil.example"))
	got := faultsOf(damaged(csr))
	at := -1
	for _, want := range []string{"evil.example", "clientAuth", "CA:TRUE", "nameConstraints", "signature"} {
		next := strings.Index(got, want)
		if next <= at {
			t.Errorf("%q is not after the one before: %s", want, got)
		}
		at = next
	}
}

func spkiOf(oid asn1.ObjectIdentifier) []byte {
	return build(func(b *cryptobyte.Builder) {
		b.AddASN1(tags.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(oid) })
		b.AddASN1BitString([]byte{0})
	})
}

func rawSubject(value any) string {
	return request(x509.CertificateRequest{RawSubject: must(asn1.Marshal(value))}, p256Key())
}

func commonNameOf(tag int, value string) pkix.AttributeTypeAndValue {
	return pkix.AttributeTypeAndValue{Type: oidCommonName, Value: asn1.RawValue{Tag: tag, Bytes: []byte(value)}}
}

// A certificate with the common name www.example.com and these names, for serverAuth.
func TestCSR_Review(t *testing.T) {
	t.Parallel()
	sans := []string{"www.example.com", "example.com", "10.0.0.1", "spiffe://example.org/web", "ann@example.com"}
	all := x509.CertificateRequest{
		Subject: pkix.Name{CommonName: "www.example.com"}, DNSNames: sans[:2], IPAddresses: []net.IP{net.IPv4(10, 0, 0, 1)},
		URIs: []*url.URL{must(url.Parse(sans[3]))}, EmailAddresses: sans[4:],
	}
	serverAuth, clientAuth := asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 1}, asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 2}
	cn := func(name string) string {
		return request(x509.CertificateRequest{Subject: pkix.Name{CommonName: name}}, p256Key())
	}
	keyID := must(KeyID(must(x509.MarshalPKIXPublicKey(p256Key().Public()))))
	for name, c := range map[string]struct {
		pem     string
		ignored []string // what and value
		refused []string // what the faults name; none for no fault
	}{
		"nothing":             {request(x509.CertificateRequest{}, p256Key()), nil, nil},
		"every name":          {request(all, p256Key()), nil, nil},
		"its usages":          {withExtensions(keyUsage(0), ekus(serverAuth)), nil, nil},
		"RSA encipherment":    {request(x509.CertificateRequest{ExtraExtensions: []pkix.Extension{keyUsage(0, 2)}}, rsaKey()), nil, nil},
		"ECDSA encipherment":  {withExtensions(keyUsage(0, 2)), []string{"key usage: keyEncipherment"}, nil},
		"signing others":      {withExtensions(keyUsage(0, 5, 9)), []string{"key usage: keyCertSign", "key usage: KeyUsage(512)"}, nil},
		"other usages":        {withExtensions(ekus(serverAuth, clientAuth, asn1.ObjectIdentifier{1, 2, 3})), nil, []string{"clientAuth", "1.2.3"}},
		"any usage":           {withExtensions(ekus(asn1.ObjectIdentifier{2, 5, 29, 37, 0})), nil, []string{"anyExtendedKeyUsage"}},
		"Netscape's use":      {withExtensions(extension(oidNSCertType, asn1.BitString{Bytes: []byte{0x40}, BitLength: 8})), []string{"nsCertType (2.16.840.1.113730.1.1): serverAuth"}, nil},
		"Microsoft's use":     {withExtensions(extension(oidApplicationPolicies, [][]asn1.ObjectIdentifier{{serverAuth}})), []string{"application policies (Microsoft) (1.3.6.1.4.1.311.21.10): serverAuth"}, nil},
		"the signed key id":   {withExtensions(extension(oidSubjectKeyID, keyID)), nil, nil},
		"another key id":      {withExtensions(extension(oidSubjectKeyID, []byte{1, 2})), []string{"subjectKeyIdentifier (2.5.29.14): 0102"}, nil},
		"an unknown one":      {withExtensions(extension(asn1.ObjectIdentifier{1, 2, 3}, 1)), []string{"1.2.3: 020101"}, nil},
		"an organisation":     {rawSubject(pkix.Name{Organization: []string{"Acmé \u202e\\"}}.ToRDNSequence()), []string{`organizationName (2.5.4.10): Acm\u{e9} \u{202e}\u{5c}`}, nil},
		"the other SAN as CN": {cn("example.com"), []string{"common name, signed as a name: example.com"}, nil},
		"a mail SAN as CN":    {cn("ann@example.com"), []string{"common name, signed as a name: ann@example.com"}, nil},
		"a CN of one label":   {cn("app_rw"), []string{"common name: app_rw"}, nil},
		"a CN of words":       {cn("Example Inc. web server"), []string{"common name: Example Inc. web server"}, nil},
		"the CN in capitals":  {cn("WWW.Example.COM."), nil, nil},
		"another host as CN":  {cn("evil.example"), nil, []string{`common name "evil.example"`}},
		"an address as CN":    {cn("10.0.0.2"), nil, []string{`common name "10.0.0.2"`}},
		"IPv6 as CN":          {cn("2001:db8::1"), nil, []string{`common name "2001:db8::1"`}},
		"other mail as CN":    {cn("eve@example.com"), nil, []string{`common name "eve@example.com"`}},
		"IPv6 in capitals":    {cn("2001:DB8::1"), nil, []string{"common name"}},
		"IPv6 in brackets":    {cn("[2001:db8::1]"), nil, []string{"common name"}},
		"IPv6 with a zone":    {cn("fe80::1%eth0"), nil, []string{"common name"}},
		"a range as CN":       {cn("2001:db8::/64"), nil, []string{"common name"}},
		"a port as CN":        {cn("localhost:443"), nil, []string{"common name"}},
		"a URL as CN":         {cn("https://intranet/"), nil, []string{"common name"}},
		"a URN as CN":         {cn("urn:x:y"), nil, []string{"common name"}},
		"a wide dot as CN":    {cn("www\u3002evil\u3002example"), nil, []string{"common name"}},
		"two hosts as CN":     {cn("www.example.com evil.example"), nil, []string{"common name"}},
		"a URI SAN as CN":     {cn("spiffe://example.org/web"), []string{"common name, signed as a name: spiffe://example.org/web"}, nil},
		"a Kubernetes CN":     {cn("system:node:worker-1"), []string{"common name: system:node:worker-1"}, nil},
		"a Kelvin sign":       {withExtensions(rawSAN(2, "ww\u212a.example.com")), nil, []string{"DNS name"}},
		"a password as name":  {rawSubject(pkix.RDNSequence{{{Type: oidChallengePassword, Value: "hunter2"}}}), []string{"challengePassword (1.2.840.113549.1.9.7): not shown"}, nil},
		"two key ids":         {withExtensions(extension(oidSubjectKeyID, []byte{1})), []string{"subjectKeyIdentifier (2.5.29.14): 01"}, nil},
		"critical policies":   {withExtensions(pkix.Extension{Id: oidApplicationPolicies, Critical: true, Value: must(asn1.Marshal([][]asn1.ObjectIdentifier{{serverAuth}}))}), nil, []string{"critical extension"}},
		"policy constraints":  {withExtensions(extension(asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 21, 12}, 1)), nil, []string{"restriction"}},
		"a long key id":       {withExtensions(extension(oidSubjectKeyID, make([]byte, 40000))), []string{"subjectKeyIdentifier (2.5.29.14): " + strings.Repeat("0", 62) + "~"}, nil},
		"a hidden host as CN": {cn("evil\u200b.example"), nil, []string{"common name"}},
		"two CNs":             {rawSubject(pkix.RDNSequence{{commonNameOf(12, "www.example.com")}, {commonNameOf(12, "evil.example")}}), nil, []string{`"evil.example"`}},
		"an empty CN":         {rawSubject(pkix.RDNSequence{{commonNameOf(12, "")}}), nil, nil},
		"a BMPString CN":      {rawSubject(pkix.RDNSequence{{commonNameOf(30, "\x00e\x00v\x00.\x00i\x00l")}}), nil, []string{`"ev.il"`}},
		"other names":         {withExtensions(rawSAN(2, "evil.example")), nil, []string{`DNS name "evil.example"`}},
		"another case":        {withExtensions(rawSAN(2, "EXAMPLE.com")), nil, nil},
		"a final dot":         {withExtensions(rawSAN(2, "example.com.")), nil, nil},
		"a mail domain":       {withExtensions(rawSAN(1, "ann@EXAMPLE.com")), nil, nil},
		"another mail name":   {withExtensions(rawSAN(1, "ANN@example.com")), nil, []string{`"ANN@example.com"`}},
		"part of a name":      {withExtensions(rawSAN(2, "ww.example.com")), nil, []string{`"ww.example.com"`}},
		"a NUL":               {withExtensions(rawSAN(2, "example.com\x00.evil.example")), nil, []string{`"example.com\x00`}},
		"an IP as DNS name":   {withExtensions(rawSAN(2, "10.0.0.1")), nil, []string{"write IP:10.0.0.1"}},
		"a mapped IP":         {withExtensions(rawSAN(7, string(net.IPv4(10, 0, 0, 1).To16()))), nil, []string{"::ffff:10.0.0.1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			csr, err := ParseCSR(c.pem)
			if err != nil {
				t.Fatal(err)
			}
			ignored, faults := csr.Review("www.example.com", sans, api.DefaultProfileSpec())
			var listed []string
			for _, i := range ignored {
				listed = append(listed, i.What+": "+i.Value)
			}
			if !slices.Equal(listed, c.ignored) {
				t.Errorf("ignores %q, want %q", listed, c.ignored)
			}
			if all := strings.Join(faults, "; "); (len(faults) == 0) != (c.refused == nil) {
				t.Errorf("refuses %q, want %q", all, c.refused)
			} else {
				for _, want := range c.refused {
					if !strings.Contains(all, want) {
						t.Errorf("%q does not name %q", all, want)
					}
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
			if _, faults := csr.Review("example.com", []string{"example.com"}, api.DefaultProfileSpec()); len(faults) > 0 {
				continue
			}
			// Go refuses some deviations from RFC 2986 that are read here: another version, and missing attributes.
			parsed, err := x509.ParseCertificateRequest(must(DecodeCSR(text)))
			if err != nil {
				continue
			}
			sum := sha256.Sum256(must(x509.MarshalPKIXPublicKey(parsed.PublicKey)))
			if err := parsed.CheckSignature(); err != nil || csr.Key.SPKISHA256 != hex.EncodeToString(sum[:]) {
				t.Fatalf("accepted with another key or a bad signature: %v", err)
			}
			for _, name := range parsed.DNSNames {
				if strings.TrimSuffix(strings.ToLower(name), ".") != "example.com" {
					t.Fatalf("accepted with the name %q", name)
				}
			}
			if len(parsed.IPAddresses)+len(parsed.URIs)+len(parsed.EmailAddresses) > 0 {
				t.Fatalf("accepted with other names: %+v", parsed)
			}
		}
	})
}

// A profile may sign more than the default, and then less is ignored. It may also refuse what is ignored.
func TestCSR_Review_FollowsTheProfile(t *testing.T) {
	t.Parallel()
	csr := request(x509.CertificateRequest{
		Subject:         pkix.Name{CommonName: "app_rw", Organization: []string{"Example", "Other"}, Country: []string{"DE"}},
		ExtraExtensions: []pkix.Extension{extension(oidKeyUsage, asn1.BitString{Bytes: []byte{0xc8}, BitLength: 5})}, // signature, commitment, agreement
	}, p256Key())
	parsed := must(ParseCSR(csr))
	p := api.DefaultProfileSpec()
	p.AllowedEKUs, p.AllowedCommonNames, p.KeyUsages = []string{"clientAuth"}, []string{"app_*"}, []string{"digitalSignature", "contentCommitment"}
	p.SubjectAttributes = api.SubjectAttributes{Organization: []string{"Example"}, Province: []string{"DE"}}
	ignored, faults := parsed.Review("app_rw", nil, p)
	want := []api.Ignored{
		{What: "key usage", Value: "keyAgreement"},
		{What: "countryName (2.5.4.6)", Value: "DE"},
		{What: "organizationName (2.5.4.10)", Value: "Other"},
	}
	if diff := cmp.Diff(want, ignored); diff != "" || len(faults) > 0 {
		t.Errorf("%s, faults %q", diff, faults)
	}
	stored := api.CertificateSpec{CommonName: "app_rw", CSRPEM: csr}
	if diff := cmp.Diff(want, must(ListIgnored(stored, p))); diff != "" {
		t.Errorf("a stored certificate lists something else: %s", diff)
	}
	if ignored, _ := parsed.Review("APP_RW", nil, p); len(ignored) != 4 {
		t.Errorf("the common name in another case is not listed: %v", ignored)
	}
	p.CSRExtras = api.CSRExtrasRefuse
	_, faults = parsed.Review("app_rw", nil, p)
	if len(faults) != 1 || !strings.Contains(faults[0], "keyAgreement") || !strings.Contains(faults[0], "Other") || !strings.Contains(faults[0], "csr_extras") {
		t.Errorf("faults %q", faults)
	}
	p.SubjectAttributes = api.SubjectAttributes{Organization: []string{"Other", "Example"}, Country: []string{"DE"}}
	p.KeyUsages = append(p.KeyUsages, "keyAgreement")
	if ignored, faults := parsed.Review("app_rw", nil, p); len(ignored)+len(faults) > 0 {
		t.Errorf("all of it is signed: ignored %v, faults %q", ignored, faults)
	}
}
