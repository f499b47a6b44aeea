package provider_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
	"github.com/certctl/terraform-provider-certctl/server/servertest/terraformtest"
)

// Every later plan shows that a change of an issued certificate was rejected or expired, also after a refresh. A change of
// the common name is treated like a change of the sans.
func TestCertificate_ChangeIsNotIssued(t *testing.T) {
	terraformtest.UseBinaries(t)
	t.Parallel()
	sans := []string{"www.example.com", "shop.example.com"}
	for name, change := range map[string]struct {
		sans []string
		more string
	}{
		"common name": {sans, `common_name = "shop.example.com"`},
		"sans":        {append(sans, "more.example.com"), `common_name = "www.example.com"`},
	} {
		t.Run(name, func(t *testing.T) {
			s := servertest.New(t)
			profile, csr := s.CreateProfileAsOlga(t, true).ID, servertest.CSR(t)
			w := newWorkspace(t, s, s.URL, certificate(profile, csr, sans, `common_name = "www.example.com"`))
			w.Run(t, 0, terraformtest.Apply...)
			approveNewest(t, s)()
			w.Run(t, 0, terraformtest.Apply...)
			w.ExpectNoChanges(t)
			refreshOnly := append(slices.Clone(terraformtest.Apply), "-refresh-only")

			w.Configure(t, certificate(profile, csr, change.sans, change.more))
			w.Run(t, 0, terraformtest.Apply...)
			if _, err := s.Client(t, "carol").RejectApproval(t.Context(), newestApproval(t, s).ID, api.Decision{Note: "wrong name"}); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				out := w.Run(t, 0, "plan", "-no-color", "-detailed-exitcode")
				mustSay(t, terraformtest.JoinLines(out), "A certificate was rejected", "mc-www: carol rejected approval "+newestApproval(t, s).ID, "wrong name")
				w.Run(t, 0, refreshOnly...)
				if values := w.State(t)[certificateAddress].Values; values["approval_state"] != "rejected" || values["status"] != "issued" {
					t.Errorf("the state has %v", values)
				}
			}

			w.Configure(t, certificate(profile, csr, change.sans, change.more+"\n  renewal_triggers = { n = 1 }"))
			w.Run(t, 0, terraformtest.Apply...)
			expired := newestApproval(t, s).ID
			s.Clock.Advance(200 * time.Hour)
			if err := s.App.Expire(t.Context()); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				mustSay(t, w.Run(t, 2, "plan", "-no-color", "-detailed-exitcode"), "certctl_certificate.this will be updated in-place")
				w.Run(t, 0, refreshOnly...)
			}
			mustSay(t, terraformtest.JoinLines(w.Run(t, 0, terraformtest.Apply...)), "awaits approval "+newestApproval(t, s).ID)
			if newestApproval(t, s).ID == expired {
				t.Error("the apply did not ask again")
			}
		})
	}
}

// The resource on the page about CSRs takes the first example of the tls provider's page as it is. The apply warns of the part
// of the CSR that is not signed, once, and plans no change afterwards.
func TestCertificate_WarnsOfAnIgnoredPart(t *testing.T) {
	terraformtest.UseBinaries(t)
	t.Parallel()
	_, configuration, _ := strings.Cut(string(readFile(t, "../docs/server/csr-sources.md")), "\nresource \"certctl_certificate\"")
	configuration, _, _ = strings.Cut("resource \"certctl_certificate\""+configuration, "```")
	csr := string(readFile(t, "../rules/testdata/csr/terraform-tls-docs-example.csr"))
	s := servertest.New(t)
	profile := api.DefaultProfileSpec()
	profile.Name, profile.AllowedDNSNames, profile.RequiresApproval = "Web", []string{"example.com"}, true
	if _, err := s.Client(t, "olga").CreateProfile(t.Context(), api.CreateProfile{ID: "p-web", ProfileSpec: profile}); err != nil {
		t.Fatal(err)
	}
	configuration = strings.ReplaceAll(configuration, "tls_cert_request.example.cert_request_pem", strconv.Quote(csr))
	w := newWorkspace(t, s, s.URL, strings.ReplaceAll(configuration, "mc-example", "mc-www"))
	out := w.Run(t, 0, terraformtest.Apply...)
	mustSay(t, terraformtest.JoinLines(out), "Parts of a CSR are not signed", "Certificate mc-www gets", "organizationName (2.5.4.10)")
	approveNewest(t, s)()
	if out := w.Run(t, 0, terraformtest.Apply...); strings.Contains(out, "are not signed") {
		t.Errorf("the second apply warns too: %s", out)
	}
	w.ExpectNoChanges(t)
}
