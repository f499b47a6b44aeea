package issuance_test

import (
	"encoding/csv"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// Every CSR that the manifest accepts is issued, and the leaf verifies strictly in OpenSSL for each of its usages.
func TestIssue_SignsWhatToolsAsk(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		olga := s.Client(t, "olga")
		profiles := map[string]string{}
		dir := t.TempDir()
		for _, row := range readAccepted(t) {
			file, name, usages := row[0], strings.Trim(row[2], `"`), row[4]
			if profiles[usages] == "" {
				profile := api.DefaultProfileSpec()
				profile.Name, profile.AllowedEKUs, profile.AllowWildcardNames = usages, strings.Split(usages, "+"), true
				profile.AllowedDNSNames, profile.AllowedIPRanges = []string{"**"}, []string{"0.0.0.0/0", "::/0"}
				profile.AllowedURIs, profile.AllowedEmailDomains = []string{"spiffe://example.com/**"}, []string{"example.com"}
				p, err := olga.CreateProfile(t.Context(), api.CreateProfile{ProfileSpec: profile})
				if err != nil {
					t.Fatal(err)
				}
				profiles[usages] = p.ID
			}
			spec := api.DefaultCertificateSpec()
			spec.ProfileID, spec.CommonName, spec.SANs, spec.CSRPEM = profiles[usages], name, strings.Fields(row[3]), readCSR(t, file)
			c, err := olga.CreateCertificate(t.Context(), api.CreateCertificate{CertificateSpec: spec})
			if err != nil {
				t.Errorf("%s: %v", file, err)
				continue
			}
			j, err := olga.RenewCertificate(t.Context(), c.ID, api.Renew{})
			if err != nil {
				t.Errorf("%s: %v", file, err)
				continue
			}
			if ended := s.WaitUntilFinalAsVera(t, j.ID); ended.Status != api.JobCompleted {
				t.Errorf("%s: %s", file, ended.ErrorMessage)
				continue
			}
			verifyStrictly(t, s, dir, c.ID, file)
		}
	})
}

func readAccepted(t *testing.T) [][]string {
	t.Helper()
	f, err := os.Open("../../rules/testdata/csr/MANIFEST.tsv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.Comma, r.LazyQuotes, r.FieldsPerRecord = '\t', true, -1
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	accepted := slices.DeleteFunc(rows, func(row []string) bool { return row[1] != "accept" })
	if len(accepted) < 40 {
		t.Fatalf("%d rows", len(accepted))
	}
	return accepted
}

func verifyStrictly(t *testing.T, s *servertest.Server, dir, id, file string) {
	t.Helper()
	c, err := s.Client(t, "vera").GetCertificate(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	leaf, ca := filepath.Join(dir, "leaf.pem"), filepath.Join(dir, "ca.pem")
	writeFile(t, leaf, []byte(c.Current.CertificatePEM))
	writeFile(t, ca, []byte(c.Current.ChainPEM))
	if block, _ := pem.Decode([]byte(c.Current.ChainPEM)); block == nil {
		t.Fatal("there is no chain")
	}
	if out, err := exec.CommandContext(t.Context(), "openssl", "verify", "-x509_strict", "-CAfile", ca, leaf).CombinedOutput(); err != nil {
		t.Errorf("%s: %v: %s", file, err, out)
	}
}
