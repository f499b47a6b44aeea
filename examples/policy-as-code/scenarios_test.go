package policy_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// scenario is a plan, and what the policy has to say of it. Real Terraform makes the plan against a real server, or it is
// built of parts where Terraform could only make it of other values.
type scenario struct {
	parts      []part                   // of a plan that is built
	kept       []string                 // the engines whose plans are in testdata
	first      string                   // what is applied before
	waits      func(testing.TB, *scene) // what then happens on the server
	then       string                   // what is planned
	files      map[string]string        // further files of the configuration that is planned
	args       []string                 // of terraform plan
	options    []servertest.Option      // of the server
	parameters map[string]any           // other than those of the folder
	incomplete bool                     // denied for being a part of a plan, too, which OpenTofu does not show
	denied     []string                 // words of each message, in any order; none: the plan may go on
	warned     []string
}

// scene is a server, which can be reached by another name, too: that stands for another server.
type scene struct {
	*servertest.Server
	other string
}

const reading = `
data "certctl_pending_approvals" "all" {}
`

// web is a profile of production, gated unless an attribute says otherwise.
func web(attributes ...string) string {
	all := map[string]string{
		"id": `"p-web"`, "name": `"Web"`, "requires_approval": "true", "labels": `{ environment = "production" }`,
		"allowed_dns_names": `["*.example.com"]`, "allowed_key_algorithms": `[{ algorithm = "ECDSA", min_size = 256 }, { algorithm = "RSA", min_size = 3072 }]`,
		"max_sans": "10", "max_ttl_seconds": "86400", "allowed_ekus": `["serverAuth"]`,
	}
	for _, a := range attributes {
		name, value, _ := strings.Cut(a, " = ")
		all[name] = value
	}
	var b strings.Builder
	b.WriteString("\nresource \"certctl_certificate_profile\" \"web\" {\n")
	for _, name := range sortedKeys(all) {
		fmt.Fprintf(&b, "  %s = %s\n", name, all[name])
	}
	return b.String() + "}\n"
}

// request is a certificate under p-web that waits for a second person since so long.
func request(id string, since time.Duration) func(testing.TB, *scene) {
	return func(t testing.TB, s *scene) {
		t.Helper()
		s.Clock.Advance(-since)
		name := strings.TrimPrefix(id, "mc-") + ".example.com"
		spec := api.DefaultCertificateSpec()
		spec.CommonName, spec.SANs, spec.ProfileID, spec.CSRPEM = name, []string{name}, "p-web", servertest.CSR(t)
		_, err := s.Client(t, "olga").CreateCertificate(t.Context(), api.CreateCertificate{ID: id, CertificateSpec: spec}, client.IssueOptions{})
		if err != nil {
			t.Fatal(err)
		}
		s.Clock.Advance(since)
	}
}

// ungatedProfile makes p-web without Terraform, and without a gate.
func ungatedProfile(t testing.TB, s *scene) {
	t.Helper()
	spec := api.DefaultProfileSpec()
	spec.Name, spec.AllowedDNSNames = "Web", []string{"*.example.com"}
	if _, err := s.Client(t, "olga").CreateProfile(t.Context(), api.CreateProfile{ID: "p-web", ProfileSpec: spec}); err != nil {
		t.Fatal(err)
	}
}

func all(steps ...func(testing.TB, *scene)) func(testing.TB, *scene) {
	return func(t testing.TB, s *scene) {
		t.Helper()
		for _, step := range steps {
			step(t, s)
		}
	}
}

const (
	fresh = time.Minute
	long  = 30 * time.Hour
)

// module puts a configuration into a module, with these arguments.
func module(configuration, call string) scenario {
	return scenario{
		then:  "module \"policy\" {\n  source = \"./policy\"\n" + call + "}\n",
		files: map[string]string{"policy/main.tf": configuration},
	}
}

// unknown is a value that is known only after the apply.
func unknown(value string) string {
	return "resource \"terraform_data\" \"later\" {\n  input = " + value + "\n}\n"
}

// scenarios are all that the policies are tested with.
func scenarios() map[string]scenario {
	all := planned()
	maps.Copy(all, builtScenarios())
	return all
}

// planned are those whose plan is Terraform's to shape: what is put off, nested, forged, refreshed or left out.
func planned() map[string]scenario {
	inModule := module(required+reading, "")
	inModule.first, inModule.waits = web(), request("mc-www", long)
	inModule.then += web()
	inModule.denied = []string{"waited 30 hours"}

	nested := module(required+"module \"deeper\" {\n  source   = \"./deeper\"\n  for_each = toset([\"a\"])\n}\n", "  count = 1\n")
	nested.first, nested.waits, nested.denied = web(), request("mc-www", long), []string{"waited 30 hours"}
	nested.then += web()
	nested.files["policy/deeper/main.tf"] = required + reading

	noModule := module(required+reading, "  count = 0\n")
	noModule.first, noModule.waits, noModule.denied = web(), request("mc-www", long), []string{"No reading"}
	noModule.then += web()

	all := map[string]scenario{
		// Plans that are allowed.
		"nothing-but-a-reading": {then: reading},
		"certificate":           {first: web(), then: web() + reading + certificate, warned: []string{"certctl_certificate.www: this certificate will wait for a second person."}},
		"certificate-under-new-profile": {
			then:   strings.Replace(web(), `"p-web"`, "null", 1) + reading + strings.Replace(certificate, `"p-web"`, "certctl_certificate_profile.web.id", 1),
			warned: []string{"if its profile is gated"},
		},

		// Plans with waiting requests.
		"waits-too-long":    {kept: []string{"terraform"}, first: web(), waits: all(request("mc-www", long), request("mc-api", fresh)), then: web() + reading, denied: []string{"waited 30 hours, and 24 are allowed: ar-1 (certificate mc-www, profile Web, asked by olga): curl -X POST"}},
		"in-a-module":       inModule,
		"in-nested-modules": nested,
		"one-of-many-readings": {
			first: web(), waits: request("mc-www", long), denied: []string{"waited 30 hours"},
			then: web() + "data \"certctl_pending_approvals\" \"all\" {\n  for_each = toset([\"a\"])\n}\n",
		},
		"truncated-and-many": {
			first: web(), waits: all(request("mc-www", long), request("mc-api", fresh)), then: web("max_sans = 5") + "data \"certctl_pending_approvals\" \"all\" {\n  limit = 1\n}\n",
			parameters: map[string]any{"max_pending": 1}, denied: []string{"2 approvals await", "waited 30 hours", "while 2 approvals"}, warned: []string{"this edit"},
		},

		// What waits does not hold up what the server applies at once, or replaces.
		"disabled-at-once":   {first: web(), waits: request("mc-www", long), then: web("enabled = false", "description = \"x\"") + reading, warned: []string{"waited 30 hours"}},
		"corrects-an-edit":   {first: web(), waits: all(edit, request("mc-www", fresh)), then: web("max_sans = 5") + reading, warned: []string{"this edit"}},
		"edits-what-waits":   {first: web(), waits: request("mc-www", fresh), then: web("max_sans = 5") + reading, denied: []string{"while 1 approvals"}, warned: []string{"this edit"}},
		"narrower-in-a-plan": {first: web(), then: web(`allowed_dns_names = ["www.example.com"]`) + reading, warned: []string{"this edit"}},

		// Plans that change profiles.
		"imported": {
			waits: ungatedProfile, denied: []string{"is not gated"},
			then: web("requires_approval = false") + "import {\n  to = certctl_certificate_profile.web\n  id = \"p-web\"\n}\n" + reading,
		},
		"removed": {
			first: web(), denied: []string{"leaves the state, and the gated profile p-web stays on the server (forget)"},
			then: "removed {\n  from = certctl_certificate_profile.web\n  lifecycle {\n    destroy = false\n  }\n}\n" + reading,
		},
		"gate-off":  {kept: []string{"terraform", "opentofu"}, first: web(), then: web("requires_approval = false") + reading, denied: []string{"turns requires_approval off"}, warned: []string{"this edit"}},
		"destroyed": {first: web(), then: reading, denied: []string{"destroys the gated profile p-web"}},
		"replaced":  {first: web(), then: web(`id = "p-other"`) + reading, denied: []string{"destroys the gated profile p-web"}},
		"wider-unknown": {
			kept: []string{"terraform", "opentofu"}, first: web() + unknown("10"), then: web("max_sans = terraform_data.later.output") + unknown("5") + reading, denied: []string{"widens max_sans"}, warned: []string{"this edit"},
		},
		"wider-partly-unknown": {
			first: web() + unknown(`"a.example.com"`), then: web("allowed_dns_names = [terraform_data.later.output]") + unknown(`"*.example.com"`) + reading,
			denied: []string{"widens allowed_dns_names"}, warned: []string{"this edit"},
		},

		// Plans that cannot be judged.
		"no-reading":         {first: web(), waits: request("mc-www", long), then: web(), denied: []string{"No reading"}},
		"reading-of-none":    {first: web(), waits: request("mc-www", long), then: web() + "data \"certctl_pending_approvals\" \"all\" {\n  count = 0\n}\n", denied: []string{"No reading"}},
		"reading-removed":    {first: web() + reading, waits: request("mc-www", long), then: web(), denied: []string{"No reading"}},
		"deferred-argument":  {first: web(), waits: request("mc-www", long), then: web() + unknown(`"issuance"`) + "data \"certctl_pending_approvals\" \"all\" {\n  kind = terraform_data.later.output\n}\n", denied: []string{"No reading", "was not read while planning"}},
		"deferred-dependent": {kept: []string{"terraform"}, first: web(), waits: request("mc-www", long), then: web() + unknown("1") + "data \"certctl_pending_approvals\" \"all\" {\n  depends_on = [terraform_data.later]\n}\n", denied: []string{"No reading", "was not read while planning"}},
		"deferred-after-one-that-was-read": {
			first: web() + unknown("1") + reading, waits: request("mc-www", long), denied: []string{"No reading", "was not read while planning"},
			then: web() + unknown("2") + "data \"certctl_pending_approvals\" \"all\" {\n  depends_on = [terraform_data.later]\n}\n",
		},
		"in-a-check": {
			kept: []string{"terraform", "opentofu"}, first: web(), waits: request("mc-www", long), denied: []string{"was not read while planning", "waited 30 hours"},
			then: web() + "check \"approvals\" {\n  data \"certctl_pending_approvals\" \"all\" {}\n  assert {\n    condition     = data.certctl_pending_approvals.all.total_count == 0\n    error_message = \"x\"\n  }\n}\n",
		},
		"failed-in-a-check": {
			kept: []string{"terraform"}, first: web(), waits: request("mc-www", long), denied: []string{"No reading", "holds no reading: the read failed", "was not read while planning"},
			then: web() + "provider \"certctl\" {\n  alias       = \"away\"\n  endpoint    = \"http://127.0.0.1:9\"\n  max_retries = 0\n}\ncheck \"approvals\" {\n  data \"certctl_pending_approvals\" \"all\" {\n    provider = certctl.away\n  }\n  assert {\n    condition     = data.certctl_pending_approvals.all.total_count == 0\n    error_message = \"x\"\n  }\n}\n",
		},
		"targeted": {kept: []string{"terraform"}, first: web(), then: web() + reading, args: []string{"-target=data.certctl_pending_approvals.all"}, incomplete: true},
		"targeted-beside": {
			first: web(), waits: request("mc-www", long), then: web() + unknown("1") + reading, args: []string{"-target=terraform_data.later"},
			denied: []string{"No reading"}, incomplete: true,
		},
		"module-of-none": noModule,
		"not-refreshed": {
			first: web() + reading, waits: request("mc-www", long), then: web() + reading, args: []string{"-refresh=false"}, denied: []string{"waited 30 hours"},
		},
		"fork": {
			first: web(), waits: request("mc-www", long), then: web() + reading, denied: []string{"data.certctl_pending_approvals.all comes from the provider", "certctl_certificate_profile.web comes from the provider", "waited 30 hours"},
			files: map[string]string{"provider.tf": strings.Replace(required, `"certctl/certctl"`, `"registry.example.com/fork/certctl"`, 1)},
		},
		"other-server": {
			first: web(), waits: request("mc-www", long), denied: []string{"No reading of the pending approvals of https://certctl.example.com", "was read from https://other.example.com", "waited 30 hours"},
			then: web() + otherServer + "data \"certctl_pending_approvals\" \"all\" {\n  provider = certctl.other\n}\n",
		},
		"filtered": {first: web(), waits: request("mc-www", long), then: web() + "data \"certctl_pending_approvals\" \"all\" {\n  kind = \"profile_edit\"\n}\n", denied: []string{`shows only a part of the pending approvals: kind = "profile_edit"`}},
		"overridden": {
			first: web(), waits: request("mc-www", long), then: web() + reading, denied: []string{`certificate_id = "mc-none"`},
			files: map[string]string{"quiet_override.tf": "data \"certctl_pending_approvals\" \"all\" {\n  certificate_id = \"mc-none\"\n}\n"},
		},
		"forged": {
			first: web() + forged, waits: request("mc-www", long), then: web() + forged, denied: []string{"No reading"},
		},
	}
	maps.Copy(all, leavings())
	return all
}

const required = `
terraform {
  required_providers {
    certctl = {
      source = "certctl/certctl"
    }
  }
}
`

const otherServer = `
provider "certctl" {
  alias    = "other"
  endpoint = var.other
}
`

const variables = "\nvariable \"other\" {}\n"

// forged has the looks of a reading in the values of another resource.
const forged = `
resource "terraform_data" "forged" {
  input = { resources = [{
    address = "data.certctl_pending_approvals.all", mode = "data", type = "certctl_pending_approvals", name = "all"
    provider_name = "registry.terraform.io/certctl/certctl"
    values = { endpoint = "https://certctl.example.com", total_count = 0, truncated = false, oldest_age_seconds = 0, approval_bypass = false
      count_by_profile = {}, evaluated_at = plantimestamp(), approvals = [], ids = [] }
  }] }
  lifecycle {
    ignore_changes = [input]
  }
}
`

const certificate = `
resource "certctl_certificate" "www" {
  id         = "mc-www"
  profile_id = "p-web"
  sans       = ["www.example.com"]
  csr_pem    = file("www.csr")
}
`
