package policy_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// open is a profile without a gate.
const open = `
resource "certctl_certificate_profile" "open" {
  id                = "p-open"
  name              = "Open"
  requires_approval = false
  allowed_dns_names = ["*.example.com"]
}
`

// certificateUnder is the certificate mc-www, by this address, under a profile.
func certificateUnder(address, profile string) string {
	return strings.NewReplacer(`"www" {`, `"`+address+`" {`, `"p-web"`, profile).Replace(certificate)
}

// approveAll approves what waits, and waits until mc-www is issued.
func approveAll(t testing.TB, s *scene) {
	t.Helper()
	bob := s.Client(t, "bob")
	for a, err := range bob.ListApprovals(t.Context(), client.ListApprovalsOptions{ApprovalFilter: client.ApprovalFilter{States: []api.ApprovalState{api.ApprovalPending}}}) {
		if err != nil {
			t.Fatal(err)
		}
		if _, err := bob.ApproveApproval(t.Context(), a.ID, api.Decision{}); err != nil {
			t.Fatal(err)
		}
	}
	servertest.WaitUntil(t, func() error {
		c, err := bob.GetCertificate(t.Context(), "mc-www")
		if err == nil && c.Current == nil {
			err = errors.New("mc-www is not issued: " + string(c.Status))
		}
		return err
	})
}

// leavings are plans with which a certificate leaves a gated profile, or seems to.
func leavings() map[string]scenario {
	const gated, ungated = "certctl_certificate_profile.web.id", "certctl_certificate_profile.open.id"
	both := web() + open + reading
	other := strings.NewReplacer("open", "other", "Open", "Other", "= false", "= true").Replace(open)
	before := both + certificateUnder("www", gated)
	gone := []string{"certctl_certificate.www moves from the gated profile p-web to profile p-open (not gated)"}
	permitted := map[string]any{"ungated_profiles": []string{"p-open"}}
	return map[string]scenario{
		"issued-leaves":  {first: before, waits: approveAll, then: both + certificateUnder("www", ungated), parameters: permitted, denied: gone},
		"waiting-leaves": {first: before, then: both + certificateUnder("www", ungated), parameters: permitted, denied: gone},
		"leaves-created-first": {
			first: before, then: both + strings.Replace(certificateUnder("www", ungated), "csr_pem ", "lifecycle {\n    create_before_destroy = true\n  }\n  csr_pem ", 1),
			parameters: permitted, denied: gone,
		},
		"leaves-for-an-unknown-id": {
			first: web() + reading + certificateUnder("www", gated), denied: []string{"to a profile that is not known yet"}, warned: []string{"if its profile is gated"},
			then: web() + reading + strings.Replace(other, `id                = "p-other"`, "", 1) + certificateUnder("www", "certctl_certificate_profile.other.id"),
		},
		"leaves-by-another-block": {
			first: before, then: both + strings.Replace(certificateUnder("again", ungated), "mc-www", "mc-again", 1), parameters: permitted,
			denied: []string{"certctl_certificate.again asks for www.example.com under profile p-open (not gated). certctl_certificate.www holds www.example.com under the gated profile p-web"},
		},
		"leaves-and-is-moved": {
			first: before, then: both + "moved {\n  from = certctl_certificate.www\n  to   = certctl_certificate.again\n}\n" + certificateUnder("again", ungated),
			parameters: permitted, denied: []string{"certctl_certificate.again moves from the gated profile p-web"},
		},
		"leaves-by-unknown-names": {
			first: before, denied: []string{"certctl_certificate.again has names that are not known yet"}, parameters: permitted,
			then: before + unknown(`"www.example.com"`) + strings.NewReplacer("mc-www", "mc-again", `"www.example.com"`, "terraform_data.later.output").Replace(certificateUnder("again", ungated)),
		},
		"goes-to-a-gate-that-is-read": {
			first: before + other, then: both + other + "data \"certctl_certificate_profile\" \"other\" {\n  id = \"p-other\"\n}\n" + certificateUnder("www", "data.certctl_certificate_profile.other.id"),
			parameters: permitted, warned: []string{"this certificate will wait"},
		},
		"goes-to-a-new-gate": {
			first: before, then: both + other + certificateUnder("www", "certctl_certificate_profile.other.id"),
			parameters: permitted, warned: []string{"if its profile is gated"},
		},
	}
}
