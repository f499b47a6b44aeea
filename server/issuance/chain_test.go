package issuance_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/ca"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// testChain is a root, a policy CA and an issuing CA, as a company has them.
type testChain struct {
	root, policy, issuing *x509.Certificate
	key                   *ecdsa.PrivateKey // of issuing
}

// newChain makes a chain. change edits the issuing CA before the policy CA signs it.
func newChain(t *testing.T, change func(*x509.Certificate)) testChain {
	t.Helper()
	rootKey, policyKey, key := newP256(t), newP256(t), newP256(t)
	root := signCA(t, "root", nil, rootKey, rootKey, func(*x509.Certificate) {})
	policy := signCA(t, "policy CA", root, policyKey, rootKey, func(*x509.Certificate) {})
	return testChain{root, policy, signCA(t, "issuing CA", policy, key, policyKey, change), key}
}

func newP256(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func signCA(t *testing.T, name string, parent *x509.Certificate, key, parentKey *ecdsa.PrivateKey, change func(*x509.Certificate)) *x509.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * 365 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	change(template)
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), parentKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// load writes the certificates into one file and loads the CA with the key of the issuing CA.
func (c testChain) load(t *testing.T, certificates ...*x509.Certificate) (*ca.CA, error) {
	t.Helper()
	dir := t.TempDir()
	var text bytes.Buffer
	for _, cert := range certificates {
		text.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}))
	}
	key, err := x509.MarshalPKCS8PrivateKey(c.key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "key.pem")
	writeFile(t, certFile, text.Bytes())
	writeFile(t, keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))
	return ca.Load(certFile, keyFile)
}

func writeFile(t *testing.T, file string, content []byte) {
	t.Helper()
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// The server sends the CAs above the issuing one, and not the root. OpenSSL verifies the leaf with the root alone.
func TestChain_IsServedWhole(t *testing.T) {
	chain := newChain(t, func(*x509.Certificate) {})
	for name, file := range map[string][]*x509.Certificate{
		"with the root":    {chain.issuing, chain.policy, chain.root},
		"without the root": {chain.issuing, chain.policy},
	} {
		t.Run(name, func(t *testing.T) {
			issuer, err := chain.load(t, file...)
			if err != nil {
				t.Fatal(err)
			}
			servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
				c := s.CreateCertificateAsOlga(t, s.CreateProfileAsOlga(t, false).ID)
				j, err := s.Client(t, "olga").RenewCertificate(t.Context(), c.ID, api.Renew{})
				if err != nil {
					t.Fatal(err)
				}
				if ended := s.WaitUntilFinalAsVera(t, j.ID); ended.Status != api.JobCompleted {
					t.Fatalf("%s: %s", ended.Status, ended.ErrorMessage)
				}
				issued, err := s.Client(t, "vera").GetCertificate(t.Context(), c.ID)
				if err != nil {
					t.Fatal(err)
				}
				if n := strings.Count(issued.Current.ChainPEM, "BEGIN CERTIFICATE"); n != 2 {
					t.Errorf("the chain has %d certificates", n)
				}
				dir := t.TempDir()
				writeFile(t, filepath.Join(dir, "root.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: chain.root.Raw}))
				writeFile(t, filepath.Join(dir, "chain.pem"), []byte(issued.Current.ChainPEM))
				writeFile(t, filepath.Join(dir, "leaf.pem"), []byte(issued.Current.CertificatePEM))
				verify := exec.CommandContext(t.Context(), "openssl", "verify", "-x509_strict", "-CAfile", "root.pem", "-untrusted", "chain.pem", "leaf.pem")
				verify.Dir = dir
				if out, err := verify.CombinedOutput(); err != nil {
					t.Errorf("%v: %s", err, out)
				}
			}, servertest.Issuer(issuer))
		})
	}
}

// A file of certificates that are no chain stops the start and says what is wrong.
func TestLoad_RefusesABrokenChain(t *testing.T) {
	t.Parallel()
	chain := newChain(t, func(*x509.Certificate) {})
	for name, c := range map[string]struct {
		file []*x509.Certificate
		want string
	}{
		"root first":      {[]*x509.Certificate{chain.root, chain.policy, chain.issuing}, "must be the first one"},
		"a gap":           {[]*x509.Certificate{chain.issuing, chain.root}, "certificate 2"},
		"another's":       {[]*x509.Certificate{chain.issuing, chain.policy, newChain(t, func(*x509.Certificate) {}).root}, "certificate 3"},
		"the issuer last": {[]*x509.Certificate{chain.policy, chain.issuing}, "must be the first one"},
		"nothing":         {nil, "does not hold"},
	} {
		if _, err := chain.load(t, c.file...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// If clients would refuse the certificate, the request is refused before anyone is asked, with the reason.
func TestRenew_RefusesWhatClientsRefuse(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*x509.Certificate)
		want   string
	}{
		"name constraints": {func(c *x509.Certificate) {
			c.PermittedDNSDomainsCritical, c.PermittedDNSDomains = true, []string{"corp.example.org"}
		}, "not permitted"},
		"another usage": {func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }, "serverAuth"},
		"a short life":  {func(c *x509.Certificate) { c.NotAfter = time.Now().Add(24 * time.Hour) }, "longer than its issuer"},
	} {
		t.Run(name, func(t *testing.T) {
			chain := newChain(t, c.change)
			issuer, err := chain.load(t, chain.issuing, chain.policy)
			if err != nil {
				t.Fatal(err)
			}
			servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
				certificate := s.CreateCertificateAsOlga(t, s.CreateProfileAsOlga(t, true).ID)
				_, err := s.Client(t, "olga").RenewCertificate(t.Context(), certificate.ID, api.Renew{})
				if refusal := servertest.RequireProblem(t, err, api.CodeInvalidRequest); !strings.Contains(refusal.Detail, c.want) {
					t.Errorf("%s", refusal.Detail)
				}
			}, servertest.Issuer(issuer), servertest.NoWorkers())
		})
	}
}

// A URN and a SPIFFE id with a trust domain of one label are signed.
func TestIssue_SignsApplicationNames(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		profile := api.DefaultProfileSpec()
		profile.Name, profile.AllowedURIs = "applications", []string{"urn:opc.example.com:**", "spiffe://prod/**"}
		p, err := s.Client(t, "olga").CreateProfile(t.Context(), api.CreateProfile{ProfileSpec: profile})
		if err != nil {
			t.Fatal(err)
		}
		spec := api.DefaultCertificateSpec()
		spec.ProfileID, spec.SANs, spec.CSRPEM = p.ID, []string{"urn:opc.example.com:Vendor:app", "spiffe://prod/ns/web"}, servertest.CSR(t)
		c, err := s.Client(t, "olga").CreateCertificate(t.Context(), api.CreateCertificate{CertificateSpec: spec})
		if err != nil {
			t.Fatal(err)
		}
		j, err := s.Client(t, "olga").RenewCertificate(t.Context(), c.ID, api.Renew{})
		if err != nil {
			t.Fatal(err)
		}
		if ended := s.WaitUntilFinalAsVera(t, j.ID); ended.Status != api.JobCompleted {
			t.Fatalf("%s: %s", ended.Status, ended.ErrorMessage)
		}
		issued, err := s.Client(t, "vera").GetCertificate(t.Context(), c.ID)
		if err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode([]byte(issued.Current.CertificatePEM))
		leaf, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		if len(leaf.URIs) != 2 || leaf.URIs[0].String() != "spiffe://prod/ns/web" || leaf.URIs[1].String() != spec.SANs[0] {
			t.Errorf("%v", leaf.URIs)
		}
	})
}
