package provider_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
	"github.com/certctl/terraform-provider-certctl/server/servertest/terraformtest"
)

// With the fingerprint between them, replace_triggered_by replaces a consumer for each new leaf and for nothing else.
func TestCertificate_ReplaceTriggeredBy(t *testing.T) {
	terraformtest.UseBinaries(t)
	t.Parallel()
	s := servertest.New(t)
	profile, csr := s.CreateProfileAsOlga(t, true).ID, servertest.CSR(t)
	with := func(more string) string {
		return certificate(profile, csr, www, more) + `
resource "terraform_data" "fingerprint" {
  input = certctl_certificate.this.fingerprint_sha256
}
resource "terraform_data" "consumer" {
  lifecycle {
    replace_triggered_by = [terraform_data.fingerprint]
  }
}
`
	}
	w := newWorkspace(t, s, s.URL, with(""))
	w.apply(t)
	approveNewest(t, s)()
	w.apply(t)
	for _, more := range []string{"labels = { team = \"web\" }\n  renewal_triggers = { n = 1 }", "labels = { team = \"web\" }\n  renewal_triggers = { n = 2 }"} {
		before := w.idOf(t, consumerAddress)
		w.Configure(t, with(more))
		w.apply(t)
		if w.idOf(t, consumerAddress) != before {
			t.Errorf("%s: the apply replaced the consumer, and the leaf is the same", more)
		}
	}
	before := w.idOf(t, consumerAddress)
	approveNewest(t, s)()
	w.apply(t)
	if w.idOf(t, consumerAddress) == before {
		t.Error("the new leaf did not replace the consumer")
	}
	w.ExpectNoChanges(t)
}

// forEach returns certificates by the keys of for_each, with additional blocks.
func forEach(profile, csr, key, more string) string {
	return fmt.Sprintf(`
resource "certctl_certificate" "this" {
  for_each   = toset([%q])
  profile_id = %q
  sans       = ["www.example.com"]
  csr_pem    = %q
}
`, key, profile, csr) + more
}

// A moved block keeps a certificate whose key of for_each changed. Without the block the plan warns of the lost leaf, and names
// the block.
func TestCertificate_Moved(t *testing.T) {
	terraformtest.UseBinaries(t)
	t.Parallel()
	s := servertest.New(t)
	profile, csr := s.CreateProfileAsOlga(t, false).ID, servertest.CSR(t)
	w := newWorkspace(t, s, s.URL, forEach(profile, csr, "shop", ""))
	w.apply(t)
	id := w.idOf(t, `certctl_certificate.this["shop"]`)

	w.Configure(t, forEach(profile, csr, "store", ""))
	mustSay(t, terraformtest.JoinLines(w.Run(t, 0, "plan", "-no-color")), "An issued certificate is destroyed", id, "moved {")

	w.Configure(t, forEach(profile, csr, "store", "moved {\n  from = certctl_certificate.this[\"shop\"]\n  to   = certctl_certificate.this[\"store\"]\n}\n"))
	w.apply(t)
	w.ExpectNoChanges(t)
	if got := w.idOf(t, `certctl_certificate.this["store"]`); got != id {
		t.Errorf("the certificate was %s and is %s", id, got)
	}
}

// With create_before_destroy and a postcondition a certificate stays until another profile's certificate is approved.
func TestCertificate_MovesToAGatedProfile(t *testing.T) {
	terraformtest.UseBinaries(t)
	t.Parallel()
	s := servertest.New(t)
	csr := servertest.CSR(t)
	with := func(profile string) string {
		text := certificate(profile, csr, www, `lifecycle {
    create_before_destroy = true
    postcondition {
      condition     = self.up_to_date
      error_message = "The certificate is not issued yet."
    }
  }`)
		return strings.Replace(text, `id         = "mc-www"`, "", 1)
	}
	w := newWorkspace(t, s, s.URL, with(s.CreateProfileAsOlga(t, false).ID))
	w.apply(t)
	before := w.idOf(t, certificateAddress)
	w.Configure(t, with(s.CreateProfileAsOlga(t, true).ID))
	for range 2 {
		mustSay(t, w.Run(t, 1, terraformtest.Apply...), "The certificate is not issued yet")
		if _, err := s.Client(t, "vera").GetCertificate(t.Context(), before); err != nil {
			t.Fatalf("while the request waits, the old certificate is gone: %v", err)
		}
	}
	a := pendingApprovals(t, s)[0]
	if _, err := s.Client(t, "carol").ApproveApproval(t.Context(), a.ID, api.Decision{}); err != nil {
		t.Fatal(err)
	}
	s.WaitUntilFinalAsVera(t, *a.JobID)
	w.apply(t)
	w.ExpectNoChanges(t)
	if _, err := s.Client(t, "vera").GetCertificate(t.Context(), before); !api.Is(err, api.CodeNotFound) {
		t.Errorf("the old certificate: %v", err)
	}
	if got := w.State(t)[certificateAddress]; got.Values["id"] != *a.CertificateID || got.Tainted {
		t.Errorf("the new certificate is %v", got)
	}
}

// With ignore_changes a CSR that somebody else renewed with stays.
func TestCertificate_IgnoreChanges(t *testing.T) {
	terraformtest.UseBinaries(t)
	t.Parallel()
	s := servertest.New(t)
	profile, csr, other := s.CreateProfileAsOlga(t, false).ID, servertest.CSR(t), servertest.CSR(t)
	w := newWorkspace(t, s, s.URL, certificate(profile, csr, www, "lifecycle {\n    ignore_changes = [csr_pem]\n  }"))
	w.apply(t)
	j, err := s.Client(t, "olga").RenewCertificate(t.Context(), "mc-www", api.Renew{CSRPEM: other})
	if err != nil {
		t.Fatal(err)
	}
	s.WaitUntilFinalAsVera(t, j.ID)
	w.ExpectNoChanges(t)
	w.apply(t)
	if values := w.State(t)[certificateAddress].Values; values["csr_pem"] != other || values["up_to_date"] != true {
		t.Errorf("the state has %v", values)
	}

	w.Configure(t, certificate(profile, csr, www, ""))
	mustSay(t, w.Run(t, 2, "plan", "-no-color", "-detailed-exitcode"), "~ csr_pem")
}

// Without auto_renew a check tells that the certificate is due, and another value of renewal_triggers renews it.
func TestCertificate_ReadyForRenewal(t *testing.T) {
	terraformtest.UseBinaries(t)
	t.Parallel()
	const sinceIssuance = 80 * 24 * time.Hour // of 90 days
	s := servertest.New(t, servertest.StartTime(time.Now().Add(-sinceIssuance)))
	profile, csr := s.CreateProfileAsOlga(t, false).ID, servertest.CSR(t)
	with := func(n int) string {
		return certificate(profile, csr, www, fmt.Sprintf("auto_renew = false\n  renewal_triggers = { n = %d }", n)) + `
check "renewal" {
  assert {
    condition     = !certctl_certificate.this.ready_for_renewal
    error_message = "The certificate www is due for renewal."
  }
}
`
	}
	w := newWorkspace(t, s, s.URL, with(1))
	w.apply(t)
	mustSay(t, w.Run(t, 0, "plan", "-no-color", "-detailed-exitcode"), "The certificate www is due for renewal")
	s.Clock.Advance(sinceIssuance)
	w.Configure(t, with(2))
	w.apply(t)
	if out := w.Run(t, 0, "plan", "-no-color", "-detailed-exitcode"); strings.Contains(out, "due for renewal") {
		t.Errorf("the plan after the renewal warns: %s", out)
	}
}

// An apply that waits requests as many certificates at a time as -parallelism says. After the decisions it requests the others.
func TestCertificate_WaitsByParallelism(t *testing.T) {
	terraformtest.UseBinaries(t)
	t.Parallel()
	const certificates, parallelism = 7, 3
	s := servertest.New(t)
	w := newWorkspace(t, s, s.URL, fmt.Sprintf(`
resource "certctl_certificate" "this" {
  count             = %d
  profile_id        = %q
  sans              = ["www.example.com"]
  csr_pem           = %q
  wait_for_issuance = true
}
`, certificates, s.CreateProfileAsOlga(t, true).ID, servertest.CSR(t)))
	apply := w.Start(t, append(slices.Clone(terraformtest.Apply), fmt.Sprintf("-parallelism=%d", parallelism))...)
	for decided := 0; decided < certificates; {
		want := min(parallelism, certificates-decided)
		pending := pendingApprovals(t, s)
		servertest.WaitUntil(t, func() error {
			if pending = pendingApprovals(t, s); len(pending) < want {
				return fmt.Errorf("%d requests wait, want %d", len(pending), want)
			}
			return nil
		})
		if len(pending) > parallelism {
			t.Fatalf("%d requests wait at a time", len(pending))
		}
		for _, a := range pending {
			if _, err := s.Client(t, "carol").ApproveApproval(t.Context(), a.ID, api.Decision{}); err != nil {
				t.Fatal(err)
			}
			decided++
		}
	}
	if out, code := apply.Wait(t); code != 0 {
		t.Fatalf("exit code %d: %s", code, out)
	}
	w.ExpectNoChanges(t)
}

func pendingApprovals(t *testing.T, s *servertest.Server) []api.Approval {
	t.Helper()
	return collect(t, s.Client(t, "carol").ListApprovals, client.ListApprovalsOptions{ApprovalFilter: client.ApprovalFilter{States: []api.ApprovalState{api.ApprovalPending}}})
}
