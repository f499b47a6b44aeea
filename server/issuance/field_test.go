package issuance_test

import (
	"crypto/x509"
	"encoding/pem"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/rules/rulestest"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// Every CSR that the manifest accepts is issued. Go, OpenSSL and GnuTLS verify the leaf for each of its usages and names.
func TestIssue_SignsWhatToolsAsk(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		profiles := map[string]string{}
		issued := 0
		for _, field := range rulestest.ReadFieldCSRs(t, "../../rules/testdata/csr") {
			if field.Outcome != "accept" {
				continue
			}
			issued++
			profile := field.Profile()
			if profiles[profile.Name] == "" {
				p, err := s.Client(t, "olga").CreateProfile(t.Context(), api.CreateProfile{ProfileSpec: profile})
				if err != nil {
					t.Fatal(err)
				}
				profiles[profile.Name] = p.ID
			}
			spec := api.DefaultCertificateSpec()
			spec.ProfileID, spec.CommonName, spec.SANs, spec.CSRPEM = profiles[profile.Name], field.CommonName, field.SANs, field.PEM
			t.Run(field.File, func(t *testing.T) {
				verifyEverywhere(t, issueLeaf(t, s, spec), field.EKUs)
			})
		}
		if issued < 40 {
			t.Errorf("issued %d", issued)
		}
	})
}

// issueLeaf issues a certificate under a profile without a gate.
func issueLeaf(t *testing.T, s *servertest.Server, spec api.CertificateSpec) *api.Leaf {
	t.Helper()
	c, err := s.Client(t, "olga").CreateCertificate(t.Context(), api.CreateCertificate{CertificateSpec: spec})
	if err != nil {
		t.Fatal(err)
	}
	j, err := s.Client(t, "olga").RenewCertificate(t.Context(), c.ID, api.Renew{})
	if err != nil {
		t.Fatal(err)
	}
	if ended := s.WaitUntilFinalAsVera(t, j.ID); ended.Status != api.JobCompleted {
		t.Fatal(ended.ErrorMessage)
	}
	c, err = s.Client(t, "vera").GetCertificate(t.Context(), c.ID)
	if err != nil {
		t.Fatal(err)
	}
	return c.Current
}

// purposes are the names of the usages in Go, OpenSSL and GnuTLS.
var purposes = map[string]struct {
	usage   x509.ExtKeyUsage
	openssl string
	oid     string
}{
	"serverAuth":      {x509.ExtKeyUsageServerAuth, "sslserver", "1.3.6.1.5.5.7.3.1"},
	"clientAuth":      {x509.ExtKeyUsageClientAuth, "sslclient", "1.3.6.1.5.5.7.3.2"},
	"timeStamping":    {x509.ExtKeyUsageTimeStamping, "timestampsign", "1.3.6.1.5.5.7.3.8"},
	"emailProtection": {x509.ExtKeyUsageEmailProtection, "smimesign", "1.3.6.1.5.5.7.3.4"},
}

// verifyEverywhere verifies a leaf for each usage in Go, OpenSSL and GnuTLS.
func verifyEverywhere(t *testing.T, current *api.Leaf, ekus []string) {
	t.Helper()
	dir := t.TempDir()
	leaf, ca := filepath.Join(dir, "leaf.pem"), filepath.Join(dir, "ca.pem")
	writeFile(t, leaf, []byte(current.CertificatePEM))
	writeFile(t, ca, []byte(current.ChainPEM))
	for _, eku := range ekus {
		purpose, known := purposes[eku]
		if !known {
			t.Fatalf("nothing verifies %s", eku)
		}
		verifyInGo(t, current, purpose.usage)
		runVerifier(t, "openssl", "verify", "-x509_strict", "-purpose", purpose.openssl, "-CAfile", ca, leaf)
		// The profile refuses keys and signatures below 112 bits of security.
		runVerifier(t, "certtool", "--verify", "--verify-profile", "medium", "--verify-purpose", purpose.oid, "--load-ca-certificate", ca, "--infile", leaf)
	}
}

func verifyInGo(t *testing.T, current *api.Leaf, usage x509.ExtKeyUsage) {
	t.Helper()
	block, _ := pem.Decode([]byte(current.CertificatePEM))
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(current.ChainPEM)) {
		t.Fatal("there is no chain")
	}
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{usage}}); err != nil {
		t.Error(err)
	}
	for _, name := range leaf.DNSNames {
		if err := leaf.VerifyHostname(strings.Replace(name, "*", "any", 1)); err != nil {
			t.Error(err)
		}
	}
	for _, address := range leaf.IPAddresses {
		if err := leaf.VerifyHostname(address.String()); err != nil {
			t.Error(err)
		}
	}
}

func runVerifier(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput(); err != nil {
		t.Errorf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}
