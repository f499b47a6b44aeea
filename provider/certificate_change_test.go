package provider_test

import (
	"slices"
	"testing"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/provider/terraformtest"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// A rejected or expired change of an issued certificate is shown by every later plan, also after a refresh. The change
// of a common name is shown like that of the sans.
func TestCertificate_ChangeIsNotIssued(t *testing.T) {
	terraformtest.Binaries(t)
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
			profile, csr := s.Profile(t, true).ID, servertest.CSR(t)
			w := newWorkspace(t, s, s.URL, certificate(profile, csr, sans, `common_name = "www.example.com"`))
			w.Run(t, 0, terraformtest.Apply...)
			approveNewest(t, s)()
			w.Run(t, 0, terraformtest.Apply...)
			w.Settled(t)
			refreshOnly := append(slices.Clone(terraformtest.Apply), "-refresh-only")

			w.Configure(t, certificate(profile, csr, change.sans, change.more))
			w.Run(t, 0, terraformtest.Apply...)
			if _, err := s.Client(t, "carol").RejectApproval(t.Context(), newest(t, s).ID, api.Decision{Note: "wrong name"}); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				out := w.Run(t, 0, "plan", "-no-color", "-detailed-exitcode")
				says(t, terraformtest.Prose(out), "Certificate mc-www was rejected", "carol rejected approval "+newest(t, s).ID, "wrong name")
				w.Run(t, 0, refreshOnly...)
				if values := w.State(t)[certificateAddress].Values; values["approval_state"] != "rejected" || values["status"] != "issued" {
					t.Errorf("the state has %v", values)
				}
			}

			w.Configure(t, certificate(profile, csr, change.sans, change.more+"\n  renewal_triggers = { n = 1 }"))
			w.Run(t, 0, terraformtest.Apply...)
			expired := newest(t, s).ID
			s.Clock.Advance(200 * time.Hour)
			if err := s.App.Expire(t.Context()); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				says(t, w.Run(t, 2, "plan", "-no-color", "-detailed-exitcode"), "certctl_certificate.this will be updated in-place")
				w.Run(t, 0, refreshOnly...)
			}
			says(t, terraformtest.Prose(w.Run(t, 0, terraformtest.Apply...)), "awaits approval "+newest(t, s).ID)
			if newest(t, s).ID == expired {
				t.Error("the apply did not ask again")
			}
		})
	}
}
