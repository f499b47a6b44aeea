package provider_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"regexp"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// A plan has the pending approvals, with the values that a policy needs.
func TestPendingApprovals_ShowsPendingApprovals(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	older := openRenewal(t, s, "mc-a", "a.example.com")
	newer := openRenewal(t, s, "mc-b", "b.example.com")

	runSteps(t, resource.TestStep{
		Config: configurationAs(t, s, "vera", `
data "certctl_pending_approvals" "all" {
  kind         = "issuance"
  profile_id   = "p-cdn"
  requested_by = "terraform"
}

data "certctl_pending_approvals" "one" {
  limit = 1
}

data "certctl_pending_approvals" "none" {
  certificate_id = "mc-c"
}
`),
		ConfigStateChecks: append(append(
			expectOutput("all", map[string]knownvalue.Check{
				"total_count":         knownvalue.Int64Exact(2),
				"truncated":           knownvalue.Bool(false),
				"ids":                 knownvalue.ListExact(exactStrings(older.ID, newer.ID)),
				"count_by_kind":       knownvalue.MapExact(map[string]knownvalue.Check{"issuance": knownvalue.Int64Exact(2), "profile_edit": knownvalue.Int64Exact(0)}),
				"count_by_profile":    knownvalue.MapExact(map[string]knownvalue.Check{"p-cdn": knownvalue.Int64Exact(2)}),
				"oldest_requested_at": knownvalue.NotNull(),
				"oldest_age_seconds":  knownvalue.Int64Func(atLeast(0)),
				"evaluated_at":        knownvalue.NotNull(),
				"approval_bypass":     knownvalue.Bool(false),
				"endpoint":            knownvalue.StringExact(s.URL),
				"server_version":      knownvalue.NotNull(),
				"approvals":           knownvalue.ListExact([]knownvalue.Check{approvalCheck(t, older, "a.example.com"), approvalCheck(t, newer, "b.example.com")}),
			}),
			expectOutput("one", map[string]knownvalue.Check{
				"total_count": knownvalue.Int64Exact(2),
				"truncated":   knownvalue.Bool(true),
				"ids":         knownvalue.ListExact(exactStrings(older.ID)),
			})...),
			expectOutput("none", map[string]knownvalue.Check{
				"total_count":         knownvalue.Int64Exact(0),
				"ids":                 knownvalue.ListExact(nil),
				"approvals":           knownvalue.ListExact(nil),
				"count_by_kind":       knownvalue.MapExact(map[string]knownvalue.Check{"issuance": knownvalue.Int64Exact(0), "profile_edit": knownvalue.Int64Exact(0)}),
				"count_by_profile":    knownvalue.MapExact(nil),
				"oldest_requested_at": knownvalue.Null(),
				"oldest_age_seconds":  knownvalue.Int64Exact(0),
			})...),
	})
}

// A precondition on the data source stops the plan while an approval is pending.
func TestPendingApprovals_BlocksAPlan(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	waiting := openRenewal(t, s, "mc-a", "a.example.com")
	configuration := configurationAs(t, s, "terraform", `
data "certctl_pending_approvals" "now" {
  kind = "issuance"
}

resource "terraform_data" "deploy" {
  lifecycle {
    precondition {
      condition     = data.certctl_pending_approvals.now.total_count == 0
      error_message = "Waiting: ${join(", ", data.certctl_pending_approvals.now.ids)}"
    }
  }
}
`)
	decide := func() {
		if _, err := s.Client(t, "bob").ApproveApproval(t.Context(), waiting.ID, api.Decision{Digest: waiting.Digest}); err != nil {
			t.Error(err)
		}
	}
	runSteps(t,
		resource.TestStep{Config: configuration, PlanOnly: true, ExpectError: regexp.MustCompile(`Waiting: ` + waiting.ID)},
		resource.TestStep{PreConfig: decide, Config: configuration},
	)
}

// openRenewal opens a renewal of a gated certificate as the service terraform.
func openRenewal(t *testing.T, s *servertest.Server, id, name string) api.Approval {
	t.Helper()
	c := s.Client(t, "terraform")
	spec := api.DefaultProfileSpec()
	spec.Name, spec.RequiresApproval, spec.AllowedDNSNames = "CDN", true, []string{"*.example.com"}
	if _, err := c.CreateProfile(t.Context(), api.CreateProfile{ID: "p-cdn", ProfileSpec: spec}); err != nil && !isCode(err, api.CodeAlreadyExists) {
		t.Fatal(err)
	}
	certificate := api.DefaultCertificateSpec()
	certificate.CommonName, certificate.SANs, certificate.ProfileID, certificate.CSRPEM = name, []string{name}, "p-cdn", csr(t)
	if _, err := c.CreateCertificate(t.Context(), api.CreateCertificate{ID: id, CertificateSpec: certificate}); err != nil {
		t.Fatal(err)
	}
	job, err := c.RenewCertificate(t.Context(), id, api.Renew{})
	if err != nil {
		t.Fatal(err)
	}
	approval, err := c.GetApproval(t.Context(), *job.ApprovalID)
	if err != nil {
		t.Fatal(err)
	}
	return approval
}

func csr(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
}

func approvalCheck(t *testing.T, a api.Approval, commonName string) knownvalue.Check {
	t.Helper()
	return knownvalue.ObjectExact(map[string]knownvalue.Check{
		"id":                   knownvalue.StringExact(a.ID),
		"job_id":               knownvalue.StringExact(*a.JobID),
		"excluded":             knownvalue.SetExact(exactStrings("alice")),
		"also_excluded":        knownvalue.SetExact(nil),
		"stands_for":           knownvalue.SetExact(nil),
		"undecidable":          knownvalue.Bool(false),
		"reason":               knownvalue.StringExact(""),
		"context":              firstContext(commonName),
		"effects":              knownvalue.Null(),
		"csr_ignored":          knownvalue.ListExact(nil),
		"previous_approval_id": knownvalue.Null(),
		"previous":             knownvalue.Null(),
		"rejections":           knownvalue.ListExact(nil),
		"kind":                 knownvalue.StringExact("issuance"),
		"profile_id":           knownvalue.StringExact("p-cdn"),
		"profile_name":         knownvalue.StringExact("CDN"),
		"certificate_id":       knownvalue.StringExact(*a.CertificateID),
		"common_name":          knownvalue.StringExact(commonName),
		"requested_by":         knownvalue.StringExact("terraform"),
		"accountable":          knownvalue.StringExact("alice"),
		"created_at":           knownvalue.NotNull(),
		"expires_at":           knownvalue.NotNull(),
		"age_seconds":          knownvalue.Int64Func(atLeast(0)),
		"digest":               knownvalue.StringExact(a.Digest),
		"subject_json":         knownvalue.StringExact(compact(t, a.Subject)),
	})
}

func compact(t *testing.T, subject json.RawMessage) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Compact(&b, subject); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func expectOutput(name string, checks map[string]knownvalue.Check) (out []statecheck.StateCheck) {
	for attribute, check := range checks {
		out = append(out, statecheck.ExpectKnownValue("data.certctl_pending_approvals."+name, tfjsonpath.New(attribute), check))
	}
	return out
}

func exactStrings(values ...string) (out []knownvalue.Check) {
	for _, v := range values {
		out = append(out, knownvalue.StringExact(v))
	}
	return out
}

func atLeast(least int64) func(int64) error {
	return func(v int64) error {
		if v < least {
			return fmt.Errorf("%d is less than %d", v, least)
		}
		return nil
	}
}
