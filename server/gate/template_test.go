package gate_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/rules"
	"github.com/certctl/terraform-provider-certctl/server/ca"
	"github.com/certctl/terraform-provider-certctl/server/gate"
)

// drawn is a profile and a certificate that the fuzzer draws. Lists have an element on each line.
type drawn struct {
	commonName, sans, attributes string
	ekus                         uint8  // a bit for each usage
	usages                       uint16 // a bit for each key usage
	request                      uint8  // the number of a CSR
}

// seeds are allowed, and together have every kind of name, attribute and usage.
var seeds = []drawn{
	{"system:node:a", "", "O=system:nodes\nO=Example\nC=DE\nL=Zürich", 0b10, 0b11, 1},
	{"*.example.com", "*.example.com\na_b.example.com\n10.0.0.1\n2001:db8::1\nspiffe://example/a\nurn:a:b\na@example.com", "", 0b11, 0, 0},
	{"", "https://example.com:8443/a;b", "street=a*b&c\npostal=1@2\nST=x\nOU=x\nOU=X", 0b1100, 0b10011, 0},
	{"10.0.0.1", "10.0.0.1", "", 0b10001, 0b11, 2},
	{"stamps", "", "", 0b10000, 0b11, 2},
}

// FuzzBuildTemplate draws a profile and a certificate. If the rules allow both, the signed certificate says exactly what
// the approver reads in the subject's JSON, and nothing more.
func FuzzBuildTemplate(f *testing.F) {
	authority, requests := newTestAuthority(f), newTestRequests(f)
	for _, d := range seeds {
		f.Add(d.commonName, d.sans, d.attributes, d.ekus, d.usages, d.request)
	}
	f.Fuzz(func(t *testing.T, commonName, sans, attributes string, ekus uint8, usages uint16, request uint8) {
		d := drawn{commonName, sans, attributes, ekus, usages, request}
		authority.check(t, d, requests)
	})
}

func TestBuildTemplate_SignsWhatTheSubjectShows(t *testing.T) {
	authority, requests := newTestAuthority(t), newTestRequests(t)
	for _, d := range seeds {
		if !authority.check(t, d, requests) {
			t.Errorf("%+v is not allowed", d)
		}
	}
}

// No lint refuses what the rules allow: keys of each algorithm with any usages, and the longest subject.
func TestLint_AcceptsWhatTheRulesAllow(t *testing.T) {
	authority, requests := newTestAuthority(t), newTestRequests(t)
	issuer, err := ca.New(authority.Certificate, authority.key)
	if err != nil {
		t.Fatal(err)
	}
	g, err := gate.New(nil, nil, map[string]gate.Issuer{"iss-local": issuer}, false, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	allowed := 0
	lint := func(d drawn) {
		for number := range requests {
			d.request = uint8(number)
			s, ok := d.newSubject(requests)
			if !ok {
				continue
			}
			allowed++
			if err := g.Lint(s, time.Now()); err != nil {
				t.Errorf("%+v: %v", d, err)
			}
		}
	}
	longest := drawn{commonName: strings.Repeat("x", 64), sans: strings.Repeat("_", 63) + ".example.com", attributes: "C=DE\nC=US", ekus: 0b10}
	for _, kind := range []string{"O", "OU", "ST", "L", "street", "postal"} {
		longest.attributes += "\n" + longest.findLongest(t, requests, kind)
	}
	lint(longest)
	for ekus := range uint8(1 << 5) {
		lint(drawn{sans: "example.com", ekus: ekus})
	}
	for usages := range uint16(1 << 9) {
		lint(drawn{sans: "example.com", ekus: 0b11111, usages: usages})
	}
	if allowed < 100 {
		t.Errorf("the rules allow %d subjects", allowed)
	}
}

// findLongest returns the longest attribute that the rules allow beside the drawn ones.
func (d drawn) findLongest(t *testing.T, requests []*rules.CSR, kind string) string {
	t.Helper()
	for length := 300; length > 0; length-- {
		attribute := kind + "=" + strings.Repeat("é", length)
		longer := d
		longer.attributes += "\n" + attribute
		if _, ok := longer.newSubject(requests); ok {
			return attribute
		}
	}
	t.Fatalf("the rules allow no %s", kind)
	return ""
}

// testAuthority is a CA. It signs what gate.BuildTemplate makes.
type testAuthority struct {
	*x509.Certificate
	key crypto.Signer
}

// check compares what is shown of a certificate with what is signed. It reports whether the rules allow the certificate.
func (a testAuthority) check(t *testing.T, d drawn, requests []*rules.CSR) bool {
	s, ok := d.newSubject(requests)
	if !ok {
		return false
	}
	text, _, err := rules.Canonicalize(s.IssuanceSubject)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := a.sign(text, s.PublicKey)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	checkLeaf(t, text, leaf)
	return true
}

// sign signs the certificate that the JSON of a subject describes.
func (a testAuthority) sign(text string, key crypto.PublicKey) (*x509.Certificate, error) {
	subject, err := gate.ReadSubject(text)
	if err != nil {
		return nil, err
	}
	template, err := gate.BuildTemplate(gate.Subject{IssuanceSubject: subject, PublicKey: key}, gate.SerialOf(a.Certificate), gate.Validity{NotBefore: a.NotBefore, NotAfter: a.NotAfter})
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.Certificate, key, a.key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func newTestAuthority(t testing.TB) testAuthority {
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, ed25519.SeedSize))
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"}, NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<31, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	authority, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return testAuthority{authority, key}
}

// newTestRequests makes a CSR with a key of each algorithm: ECDSA, RSA and Ed25519.
func newTestRequests(t testing.TB) []*rules.CSR {
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsa2048, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	var requests []*rules.CSR
	for _, key := range []crypto.Signer{p256, rsa2048, ed25519.NewKeyFromSeed(bytes.Repeat([]byte{2}, ed25519.SeedSize))} {
		der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
		if err != nil {
			t.Fatal(err)
		}
		csr, err := rules.ParseCSR(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})))
		if err != nil {
			t.Fatal(err)
		}
		requests = append(requests, csr)
	}
	return requests
}

func splitLines(text string) []string {
	if text == "" {
		return []string{}
	}
	return strings.Split(text, "\n")
}

// newSubject returns the subject of what is drawn; false if the rules do not allow it.
func (d drawn) newSubject(requests []*rules.CSR) (gate.Subject, bool) {
	csr := requests[int(d.request)%len(requests)]
	spec := api.CertificateSpec{CommonName: d.commonName, SANs: splitLines(d.sans)}
	p := d.newProfile(spec.SANs)
	if len(rules.CheckProfile(p, []string{p.IssuerID}))+len(rules.CheckContent(spec, csr, p)) > 0 {
		return gate.Subject{}, false
	}
	subject := api.IssuanceSubject{CertificateContent: rules.CertificateContent(spec, csr.Key), ProfileContent: rules.ProfileContent(p)}
	return gate.Subject{IssuanceSubject: subject, PublicKey: csr.PublicKey}, true
}

// newProfile returns a profile that allows every name it can, also each URI and mail domain among the SANs.
func (d drawn) newProfile(sans []string) api.ProfileSpec {
	p := api.DefaultProfileSpec()
	p.Name, p.AllowedDNSNames, p.AllowWildcardNames, p.AllowUnderscores = "drawn", []string{"**"}, true, true
	p.AllowedIPRanges, p.AllowedEKUs = []string{"0.0.0.0/0", "::/0"}, []string{}
	for _, san := range sans {
		switch n, err := rules.ParseName(san); {
		case err != nil:
		case n.Kind() == rules.URI:
			p.AllowedURIs = appendNew(p.AllowedURIs, san)
		case n.Kind() == rules.Email:
			p.AllowedEmailDomains = appendNew(p.AllowedEmailDomains, san[strings.LastIndex(san, "@")+1:])
		}
	}
	for i, eku := range []string{"serverAuth", "clientAuth", "codeSigning", "emailProtection", "timeStamping"} {
		if d.ekus&(1<<i) != 0 {
			p.AllowedEKUs = append(p.AllowedEKUs, eku)
		}
	}
	if d.ekus&1 == 0 {
		p.AllowedCommonNames = []string{"*"}
	}
	for bit := range 9 {
		if d.usages&(1<<bit) != 0 {
			p.KeyUsages = append(p.KeyUsages, (x509.KeyUsage(1) << bit).String())
		}
	}
	for _, line := range splitLines(d.attributes) {
		kind, value, _ := strings.Cut(line, "=")
		if set := setOf(&p.SubjectAttributes, kind); set != nil {
			*set = append(*set, value)
		}
	}
	return p
}

func appendNew(list []string, element string) []string {
	if slices.Contains(list, element) {
		return list
	}
	return append(list, element)
}

func setOf(a *api.SubjectAttributes, kind string) *[]string {
	return map[string]*[]string{
		"C": &a.Country, "ST": &a.Province, "L": &a.Locality, "street": &a.StreetAddress, "postal": &a.PostalCode,
		"O": &a.Organization, "OU": &a.OrganizationalUnit,
	}[kind]
}

// shownOIDs are the attributes of a subject by their name in its JSON, in the order in which they are signed.
var shownOIDs = []struct {
	name string
	oid  asn1.ObjectIdentifier
}{
	{"country", asn1.ObjectIdentifier{2, 5, 4, 6}},
	{"province", asn1.ObjectIdentifier{2, 5, 4, 8}},
	{"locality", asn1.ObjectIdentifier{2, 5, 4, 7}},
	{"street_address", asn1.ObjectIdentifier{2, 5, 4, 9}},
	{"postal_code", asn1.ObjectIdentifier{2, 5, 4, 17}},
	{"organization", asn1.ObjectIdentifier{2, 5, 4, 10}},
	{"organizational_unit", asn1.ObjectIdentifier{2, 5, 4, 11}},
}

// checkLeaf compares a certificate with the JSON of its subject.
func checkLeaf(t *testing.T, text string, leaf *x509.Certificate) {
	var shown struct {
		CommonName        string              `json:"common_name"`
		SANs              []string            `json:"sans"`
		ExtendedKeyUsages []string            `json:"extended_key_usages"`
		KeyUsages         []string            `json:"key_usages"`
		SubjectAttributes map[string][]string `json:"subject_attributes"`
		Key               struct{ Algorithm string }
	}
	if err := json.Unmarshal([]byte(text), &shown); err != nil {
		t.Fatal(err)
	}
	var subject []string
	for _, a := range shownOIDs {
		for _, value := range shown.SubjectAttributes[a.name] {
			subject = append(subject, fmt.Sprintf("%s=%s", a.oid, value))
		}
	}
	if shown.CommonName != "" {
		subject = append(subject, "2.5.4.3="+shown.CommonName)
	}
	if shown.KeyUsages == nil {
		shown.KeyUsages = []string{"digitalSignature"}
		if shown.Key.Algorithm == api.AlgorithmRSA {
			shown.KeyUsages = append(shown.KeyUsages, "keyEncipherment")
		}
	}
	for field, c := range map[string]struct{ want, got []string }{
		"subject":    {subject, readSubject(t, leaf.RawSubject)},
		"sans":       {shown.SANs, readSANs(leaf)},
		"usages":     {shown.ExtendedKeyUsages, readEKUs(leaf)},
		"key usages": {slices.Sorted(slices.Values(shown.KeyUsages)), readKeyUsages(leaf)},
		"extensions": {listExtensions(len(shown.SANs) > 0), readExtensions(leaf)},
	} {
		if diff := cmp.Diff(append([]string{}, c.want...), append([]string{}, c.got...)); diff != "" {
			t.Errorf("%s of %s: %s", field, text, diff)
		}
	}
	if leaf.IsCA || len(leaf.UnknownExtKeyUsage) > 0 {
		t.Errorf("%s: CA %t, unknown usages %v", text, leaf.IsCA, leaf.UnknownExtKeyUsage)
	}
}

// readSubject returns each attribute of a name. Every RDN must have one attribute, and be a text of one of the two kinds
// that RFC 5280 asks for.
func readSubject(t *testing.T, der []byte) []string {
	var parts []asn1.RawValue
	if rest, err := asn1.Unmarshal(der, &parts); err != nil || len(rest) > 0 {
		t.Fatal(err, rest)
	}
	var subject []string
	for _, raw := range parts {
		var attributes []struct {
			Type  asn1.ObjectIdentifier
			Value asn1.RawValue
		}
		if rest, err := asn1.UnmarshalWithParams(raw.FullBytes, &attributes, "set"); err != nil || len(rest) > 0 || len(attributes) != 1 {
			t.Fatalf("%v, %x, %d attributes", err, rest, len(attributes))
		}
		if value := attributes[0].Value; value.Class != 0 || value.Tag != asn1.TagPrintableString && value.Tag != asn1.TagUTF8String {
			t.Errorf("the value has tag %d", value.Tag)
		}
		subject = append(subject, fmt.Sprintf("%s=%s", attributes[0].Type, attributes[0].Value.Bytes))
	}
	return subject
}

func readSANs(leaf *x509.Certificate) []string {
	sans := slices.Concat(leaf.DNSNames, leaf.EmailAddresses)
	for _, ip := range leaf.IPAddresses {
		sans = append(sans, ip.String())
	}
	for _, uri := range leaf.URIs {
		sans = append(sans, uri.String())
	}
	return slices.Sorted(slices.Values(sans))
}

func readEKUs(leaf *x509.Certificate) []string {
	var names []string
	for _, usage := range leaf.ExtKeyUsage {
		names = append(names, usage.String())
	}
	return names
}

func readKeyUsages(leaf *x509.Certificate) []string {
	var names []string
	for bit := range 16 {
		if usage := x509.KeyUsage(1) << bit; leaf.KeyUsage&usage != 0 {
			names = append(names, usage.String())
		}
	}
	return slices.Sorted(slices.Values(names))
}

// listExtensions lists the extensions of a leaf, sorted: key id, key usage, names, constraints, key id of the issuer, usages.
func listExtensions(hasSANs bool) []string {
	list := []string{"2.5.29.14", "2.5.29.15", "2.5.29.19", "2.5.29.35", "2.5.29.37"}
	if hasSANs {
		list = append(list, "2.5.29.17")
	}
	return slices.Sorted(slices.Values(list))
}

func readExtensions(leaf *x509.Certificate) []string {
	var list []string
	for _, extension := range leaf.Extensions {
		list = append(list, extension.Id.String())
	}
	return slices.Sorted(slices.Values(list))
}
