package issuance_test

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// A CSR as a tool writes it is stored as it was sent. What it asks for and is not signed is shown to its owner, and to the
// approver with the request, where it does not change any more. The audit row has the number of the parts.
func TestCSR_IsIgnoredInPart(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		ctx, olga := context.Background(), s.Client(t, "olga")
		profile := api.DefaultProfileSpec()
		profile.Name, profile.RequiresApproval, profile.AllowedDNSNames = "any name", true, []string{"**"}
		p, err := olga.CreateProfile(ctx, api.CreateProfile{ProfileSpec: profile})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct{ file, name, ignored string }{
			{"keytool-full-dn.csr", "keytool.example.com", "countryName (2.5.4.6)"},
			{"windows-certreq-cn.csr", "web01.corp.example.com", "OS version (Microsoft) (1.3.6.1.4.1.311.13.2.3)"},
			{"f5-bigip.csr", "vip1.example.com", "challengePassword (1.2.840.113549.1.9.7)"},
			{"keytool-cn-san.csr", "keytool.example.com", ""},
		} {
			text := readCSR(t, c.file)
			spec := api.DefaultCertificateSpec()
			spec.ProfileID, spec.CommonName, spec.SANs, spec.CSRPEM = p.ID, c.name, []string{c.name}, text
			if strings.HasPrefix(c.file, "windows") {
				spec.SANs = append(spec.SANs, "web01")
			}
			created, err := olga.CreateCertificate(ctx, api.CreateCertificate{CertificateSpec: spec})
			if err != nil {
				t.Errorf("%s: %v", c.file, err)
				continue
			}
			if created.CSRPEM != text {
				t.Errorf("%s comes back as another text", c.file)
			}
			j, err := olga.RenewCertificate(ctx, created.ID, api.Renew{})
			if err != nil {
				t.Errorf("%s: %v", c.file, err)
				continue
			}
			a, err := s.Client(t, "bob").ApproveApproval(ctx, *j.ApprovalID, api.Decision{})
			if err != nil {
				t.Fatal(err)
			}
			for what, list := range map[string][]api.Ignored{"the certificate": created.CSRIgnored, "the approval": a.CSRIgnored} {
				if found := hasPart(list, c.ignored); !found || c.ignored == "" && len(list) > 0 {
					t.Errorf("%s: %s ignores %v", c.file, what, list)
				}
			}
			events := 0
			s.Query(t, &events, `SELECT count(*) FROM audit_events WHERE resource_id = ? AND action = 'approval_requested' AND details LIKE '%"csr_ignored":%'`, a.ID)
			if (events == 1) != (c.ignored != "") {
				t.Errorf("%s: %d audit rows have a number", c.file, events)
			}
		}
		s.Drain(t)
	}, servertest.NoWorkers())
}

func readCSR(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile("../../rules/testdata/csr/" + file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func hasPart(list []api.Ignored, what string) bool {
	if what == "" {
		return true
	}
	for _, part := range list {
		if part.What == what {
			return true
		}
	}
	return false
}
