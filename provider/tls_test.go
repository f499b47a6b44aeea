package provider_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"

	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// clientPair is a client certificate and its key as PEM text.
type clientPair struct {
	certificate, key string
	parsed           *x509.Certificate
}

func newClientPair(t *testing.T) clientPair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return clientPair{newPEM("CERTIFICATE", der), newPEM("PRIVATE KEY", keyDER), parsed}
}

func newPEM(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// newStrictProxy returns the address and the CA of a TLS listener before a server. The listener demands the client certificate.
func newStrictProxy(t *testing.T, s *servertest.Server, want clientPair) (endpoint, ca string) {
	t.Helper()
	target, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	clients := x509.NewCertPool()
	clients.AddCert(want.parsed)
	proxy := httptest.NewUnstartedServer(httputil.NewSingleHostReverseProxy(target))
	proxy.TLS = &tls.Config{MinVersion: tls.VersionTLS12, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients}
	proxy.StartTLS()
	t.Cleanup(proxy.Close)
	return proxy.URL, newPEM("CERTIFICATE", proxy.Certificate().Raw)
}

// The provider shows a client certificate, and trusts a CA that is text. The settings come from attributes or variables.
func TestProvider_ShowsAClientCertificate(t *testing.T) {
	s := servertest.New(t)
	pair, other := newClientPair(t), newClientPair(t)
	endpoint, ca := newStrictProxy(t, s, pair)
	block := func(settings string) string {
		return fmt.Sprintf("provider \"certctl\" {\n  endpoint = %q\n  api_key = %q\n  max_retries = 0\n%s}\n", endpoint, s.Key(t, "vera"), settings) + readPending
	}
	withCA := fmt.Sprintf("  ca_pem = %q\n", ca)
	withPair := func(p clientPair) string {
		return fmt.Sprintf("  client_certificate = %q\n  client_key = %q\n", p.certificate, p.key)
	}
	refused := func(config, words string) resource.TestStep {
		return resource.TestStep{Config: config, ExpectError: regexp.MustCompile(words)}
	}
	caFile := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(caFile, []byte(ca), 0o600); err != nil {
		t.Fatal(err)
	}
	runSteps(t,
		refused(block(withPair(pair)), `(?s)Could not read the pending approvals.*certificate.*ca_pem\s+\(CERTCTL_CA_PEM\)`),
		refused(block(withCA), `(?s)Could not read the pending approvals.*set\s+client_certificate\s+\(CERTCTL_CLIENT_CERTIFICATE\)`),
		refused(block(withCA+withPair(other)), `(?s)Could not read the pending approvals.*No\s+answer\s+from`),
		refused(block(withCA+withPair(clientPair{certificate: pair.certificate, key: other.key})),
			`(?s)Invalid client_certificate \(CERTCTL_CLIENT_CERTIFICATE\).*does\s+not\s+match`),
		refused(block(withCA+fmt.Sprintf("  client_certificate = %q\n", pair.certificate)), `(?s)client certificate has no key.*CERTCTL_CLIENT_KEY`),
		refused(block(withCA+fmt.Sprintf("  client_key = %q\n", pair.key)), `(?s)client key has no certificate.*CERTCTL_CLIENT_CERTIFICATE`),
		refused(block("  ca_pem = \"nothing\"\n"), `(?s)Invalid ca_pem \(CERTCTL_CA_PEM\).*no\s+PEM\s+certificate`),
		refused(block(withCA+fmt.Sprintf("  ca_file = %q\n", caFile)), `(?s)has CAs twice.*CERTCTL_CA_FILE.*CERTCTL_CA_PEM`),
		resource.TestStep{Config: block(withCA + withPair(pair))},
		resource.TestStep{
			PreConfig: func() { t.Setenv("CERTCTL_CA_PEM", "nothing") },
			Config:    block(fmt.Sprintf("  ca_file = %q\n", caFile) + withPair(pair)),
		},
		resource.TestStep{
			PreConfig: func() {
				t.Setenv("CERTCTL_CA_PEM", ca)
				t.Setenv("CERTCTL_CLIENT_CERTIFICATE", pair.certificate)
				t.Setenv("CERTCTL_CLIENT_KEY", pair.key)
			},
			Config: block(""),
		},
	)
}
