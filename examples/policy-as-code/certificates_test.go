package policy_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
	"github.com/certctl/terraform-provider-certctl/provider/terraformtest"
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
	for a, err := range bob.ListApprovals(t.Context(), client.ListApprovalsOptions{ApprovalFilter: client.ApprovalFilter{State: api.ApprovalPending}}) {
		if err != nil {
			t.Fatal(err)
		}
		if _, err := bob.ApproveApproval(t.Context(), a.ID, api.Decision{}); err != nil {
			t.Fatal(err)
		}
	}
	servertest.Eventually(t, func() error {
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
	both := web() + open
	gatedToo := strings.NewReplacer("open", "other", "Open", "Other", "= false", "= true").Replace(open)
	before := both + certificateUnder("www", gated)
	asked := []string{"this certificate will wait"}
	return map[string]scenario{
		"issued":          {first: before, waits: approveAll, then: both + certificateUnder("www", ungated), denied: []string{"certctl_certificate.www moves from the gated profile p-web to profile p-open (not gated)"}},
		"while it waits":  {first: before, then: both + certificateUnder("www", ungated), denied: []string{"moves from the gated profile p-web"}},
		"under a literal": {first: before, then: both + certificateUnder("www", `"p-open"`), denied: []string{"moves from the gated profile p-web to profile p-open (not gated)"}},
		"created first": {
			first: before, then: both + strings.Replace(certificateUnder("www", ungated), "csr_pem ", "lifecycle {\n    create_before_destroy = true\n  }\n  csr_pem ", 1),
			denied: []string{"moves from the gated profile p-web"},
		},
		"for a profile that is not shown": {
			first: before, then: both + certificateUnder("www", `"p-elsewhere"`), denied: []string{"to profile p-elsewhere (not in the plan)"},
			warned: []string{"if its profile is gated"},
		},
		"for a new profile": {
			first: web() + certificateUnder("www", gated), then: both + certificateUnder("www", ungated), denied: []string{"to profile p-open (not gated)"},
			warned: []string{"if its profile is gated"},
		},
		"for an id that is not known yet": {
			first: web() + certificateUnder("www", gated), then: web() + strings.Replace(gatedToo, `id                = "p-other"`, "", 1) + certificateUnder("www", "certctl_certificate_profile.other.id"),
			denied: []string{"to a profile that is not known yet"}, warned: []string{"if its profile is gated"},
		},
		"for a gate that the plan turns on": {
			first: before, then: web() + strings.Replace(open, "= false", "= true", 1) + certificateUnder("www", ungated),
			denied: []string{"to profile p-open (not gated)"},
		},
		"by another block": {
			first: before, then: both + strings.Replace(certificateUnder("again", ungated), "mc-www", "mc-again", 1),
			denied: []string{"certctl_certificate.again asks for www.example.com under profile p-open (not gated). certctl_certificate.www holds it under the gated profile p-web"},
		},
		"moved to another block": {
			first: before, then: both + "moved {\n  from = certctl_certificate.www\n  to   = certctl_certificate.again\n}\n" + certificateUnder("again", ungated),
			denied: []string{"certctl_certificate.again moves from the gated profile p-web"},
		},
		"by names that are not known yet": {
			first: before, denied: []string{"certctl_certificate.again has names that are not known yet"},
			then: before + unknown(`"www.example.com"`) + strings.NewReplacer("mc-www", "mc-again", `"www.example.com"`, "terraform_data.later.output").Replace(certificateUnder("again", ungated)),
		},

		"for another gate":      {first: before + gatedToo, then: both + gatedToo + certificateUnder("www", "certctl_certificate_profile.other.id"), warned: asked},
		"for a new gate":        {first: before, then: both + gatedToo + certificateUnder("www", "certctl_certificate_profile.other.id"), warned: []string{"if its profile is gated"}},
		"for a gate, read":      {first: before + gatedToo, then: both + gatedToo + readProfile + certificateUnder("www", "data.certctl_certificate_profile.other.id"), warned: asked},
		"into a gate":           {first: both + certificateUnder("www", ungated), then: both + certificateUnder("www", gated), warned: asked},
		"destroyed":             {first: before, then: both},
		"another name, no gate": {first: before, then: before + strings.NewReplacer("mc-www", "mc-api", "www.example.com", "api.example.com").Replace(certificateUnder("api", ungated))},
	}
}

const readProfile = `
data "certctl_certificate_profile" "other" {
  id = "p-other"
}
`

// A certificate that a second person approves does not get under a profile where nobody is asked. Real Terraform makes
// each plan.
func TestPolicies_CertificateLeavesGate(t *testing.T) {
	terraformtest.Binaries(t)
	t.Parallel()
	for name, sc := range leavings() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sc.then += reading
			f := sc.fixture(t)
			f.Parameters["ungated_profiles"] = []string{"p-open"}
			if fault := sc.fault("", judge(t, "opa", map[string]fixture{"it": f})["it"]); fault != "" {
				t.Error(fault)
			}
		})
	}
}
