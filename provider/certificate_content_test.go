package provider

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// A leaf answers a plan with its names and its key. Names of every type count, in any order.
func TestCertificateModel_IsOnLeaf(t *testing.T) {
	key, other := newKey(t), newKey(t)
	uri, err := url.Parse("spiffe://example.com/a")
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "b.example.com"},
		DNSNames: []string{"b.example.com", "a.example.com"}, EmailAddresses: []string{"a@example.com"},
		IPAddresses: []net.IP{net.ParseIP("192.0.2.1"), net.ParseIP("2001:db8::1")}, URIs: []*url.URL{uri},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	names := []string{"a.example.com", "b.example.com", "192.0.2.1", "2001:db8::1", "a@example.com", "spiffe://example.com/a"}
	model := func(change func(m *certificateModel)) certificateModel {
		m := certificateModel{CommonName: types.StringValue("b.example.com"), SANs: newStringSet(names), CSRPEM: types.StringValue(requestOf(t, key))}
		change(&m)
		return m
	}
	withUnknown := types.SetValueMust(types.StringType, []attr.Value{types.StringUnknown()})
	for name, c := range map[string]struct {
		change func(m *certificateModel)
		want   bool
	}{
		"same":                {func(*certificateModel) {}, true},
		"another common name": {func(m *certificateModel) { m.CommonName = types.StringValue("a.example.com") }, false},
		"unknown common name": {func(m *certificateModel) { m.CommonName = types.StringUnknown() }, false},
		"fewer names":         {func(m *certificateModel) { m.SANs = newStringSet(names[1:]) }, false},
		"more names":          {func(m *certificateModel) { m.SANs = newStringSet(append([]string{"c.example.com"}, names...)) }, false},
		"an unknown name":     {func(m *certificateModel) { m.SANs = withUnknown }, false},
		"unknown names":       {func(m *certificateModel) { m.SANs = types.SetUnknown(types.StringType) }, false},
		"another key":         {func(m *certificateModel) { m.CSRPEM = types.StringValue(requestOf(t, other)) }, false},
		"unknown key":         {func(m *certificateModel) { m.CSRPEM = types.StringUnknown() }, false},
		"no CSR":              {func(m *certificateModel) { m.CSRPEM = types.StringValue("x") }, false},
	} {
		if got := model(c.change).isOnLeaf(leaf); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
	if model(func(*certificateModel) {}).isOnLeaf("") {
		t.Error("no leaf answers the plan")
	}
}

// Two CSRs of one key are the same request. Texts that cannot be read are the same only if they are equal.
func TestHasSameKey(t *testing.T) {
	key := newKey(t)
	first, second, other := types.StringValue(requestOf(t, key)), types.StringValue(requestOf(t, key)), types.StringValue(requestOf(t, newKey(t)))
	damaged, unknown := types.StringValue("x"), types.StringUnknown()
	for name, c := range map[string]struct {
		a, b types.String
		want bool
	}{
		"another signature": {first, second, true},
		"another key":       {first, other, false},
		"both damaged":      {damaged, types.StringValue("y"), false},
		"equal and damaged": {damaged, damaged, true},
		"one damaged":       {first, damaged, false},
		"unknown":           {unknown, first, false},
	} {
		if got := hasSameKey(c.a, c.b); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func requestOf(t *testing.T, key *ecdsa.PrivateKey) string {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
}
