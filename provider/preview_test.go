package provider_test

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
	"github.com/certctl/terraform-provider-certctl/server/servertest/terraformtest"
)

func newProfile(name, more string) string {
	return fmt.Sprintf("resource \"certctl_certificate_profile\" \"this\" {\n  name = %q\n  requires_approval = true\n%s\n}\n", name, more)
}

// A plan fails for what the server refuses in any case. What depends on the server, on the key or on another resource of the
// plan is a warning.
func TestPreview_Plan(t *testing.T) {
	terraformtest.UseBinaries(t)
	t.Parallel()
	s := servertest.New(t, servertest.NoWorkers())
	foreign, err := os.ReadFile("../rules/testdata/csr/keytool-cn-san.csr")
	if err != nil {
		t.Fatal(err)
	}
	csr, open, gated := servertest.CSR(t), s.CreateProfileAsOlga(t, false), s.CreateProfileAsOlga(t, true)
	viewer := "CERTCTL_API_KEY=" + s.Key(t, "vera")
	for name, tc := range map[string]struct {
		configuration string
		env           string
		code          int
		words         []string
		silent        bool
	}{
		"a profile that the server accepts":    {configuration: newProfile("A", ""), silent: true},
		"a profile with a broken rule":         {configuration: newProfile("A", "allowed_ip_ranges = [\"10.0.0.1/8\"]"), code: 1, words: []string{"The server would refuse a certificate profile", "allowed_ip_ranges", "write \"10.0.0.0/8\""}},
		"a profile whose name is taken":        {configuration: newProfile(open.Name, ""), words: []string{"Warning: The server would refuse a certificate profile", "has the name", "import {", "The plan goes on"}},
		"a profile of which the server warns":  {configuration: newProfile("A", "max_ttl_seconds = 86400000\nallowed_dns_names = [\"*.example.com\"]"), words: []string{"Warning: The server warns of this plan", "Certificate profile \"A\""}},
		"a profile by an import block":         {configuration: fmt.Sprintf("import {\n  to = certctl_certificate_profile.this\n  id = %q\n}\n", gated.ID) + newProfile(gated.Name, ""), words: []string{"An edit of a certificate profile needs an approval", "allowed_dns_names"}},
		"a certificate that is signed at once": {configuration: certificate(open.ID, csr, www, ""), silent: true},
		"a certificate that waits":             {configuration: certificate(gated.ID, csr, www, ""), words: []string{"Warning: A certificate will await approval", "Certificate mc-www"}},
		"a certificate that would be refused":  {configuration: certificate(open.ID, csr, []string{"www.example.net"}, ""), words: []string{"Warning: The server would refuse a certificate today", "www.example.net", "The plan goes on"}},
		"a certificate in a wrong spelling":    {configuration: certificate(open.ID, csr, []string{"WWW.example.com"}, ""), code: 1, words: []string{"No profile allows this certificate", "write \"www.example.com\""}},
		"a certificate of another CSR":         {configuration: certificate(open.ID, string(foreign), www, ""), code: 1, words: []string{"No profile allows this certificate", "csr_pem"}},
		"a profile of a mock output":           {configuration: certificate("p-mock", csr, www, ""), words: []string{"Warning: The server would refuse a certificate today", "there is no profile"}},
		"a key that may only read":             {configuration: newProfile("A", "") + certificate(open.ID, csr, www, ""), env: viewer, words: []string{"Warning: The key cannot apply this plan", "vera", "role operator"}},
		"a server that is away":                {configuration: newProfile("A", ""), env: "CERTCTL_ENDPOINT=http://127.0.0.1:1", words: []string{"Warning: The server did not check this plan", "No answer from"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorkspace(t, s, s.URL, tc.configuration)
			if tc.env != "" {
				w.Env = append(slices.Clone(w.Env), tc.env)
			}
			out := terraformtest.JoinLines(w.Run(t, tc.code, "plan", "-no-color"))
			for _, words := range tc.words {
				mustSay(t, out, words)
			}
			if n := countWarnings(out); n > 1 || tc.silent && n > 0 {
				t.Errorf("%d warnings: %s", n, out)
			}
		})
	}
}

// countWarnings counts the warnings of the provider. Terraform warns that the provider is not from a registry.
func countWarnings(out string) int {
	return strings.Count(out, "Warning:") - strings.Count(out, "Warning: Provider development overrides")
}

// The plan of a certificate whose name another resource of the plan allows is no error, and the apply succeeds.
func TestPreview_ProfileChangesInTheSamePlan(t *testing.T) {
	terraformtest.UseBinaries(t)
	t.Parallel()
	s := servertest.New(t)
	csr := servertest.CSR(t)
	configuration := func(domain string) string {
		return fmt.Sprintf(`
resource "certctl_certificate_profile" "this" {
  name              = "A"
  requires_approval = false
  allowed_dns_names = ["*.%s"]
}
`, domain) + strings.Replace(certificate("PROFILE", csr, []string{"www." + domain}, ""), `"PROFILE"`, "certctl_certificate_profile.this.id", 1)
	}
	w := newWorkspace(t, s, s.URL, configuration("example.com"))
	w.Run(t, 0, terraformtest.Apply...)
	w.Configure(t, configuration("example.net"))
	out := terraformtest.JoinLines(w.Run(t, 0, terraformtest.Apply...))
	mustSay(t, out, "Warning: The server would refuse a certificate today", "The plan goes on", "Apply complete!")
	w.ExpectNoChanges(t)
}

// The plan of a certificate that exists tells what will wait, and what the server would refuse.
func TestPreview_ExistingCertificate(t *testing.T) {
	terraformtest.UseBinaries(t)
	t.Parallel()
	s := servertest.New(t)
	profile, csr := s.CreateProfileAsOlga(t, true), servertest.CSR(t)
	w := newWorkspace(t, s, s.URL, certificate(profile.ID, csr, www, "renewal_triggers = { a = 1 }"))
	w.Run(t, 0, terraformtest.Apply...)
	a := newestApproval(t, s)
	if _, err := s.Client(t, "bob").ApproveApproval(t.Context(), a.ID, api.Decision{}); err != nil {
		t.Fatal(err)
	}
	s.WaitUntilFinalAsVera(t, *a.JobID)
	const waits, refused = "Warning: A certificate will await approval", "Warning: The server would refuse a certificate today"
	plan := func(configuration string, words ...string) {
		t.Helper()
		w.Configure(t, configuration)
		out := terraformtest.JoinLines(w.Run(t, 0, "plan", "-no-color"))
		mustSay(t, out, append(words, "Certificate mc-www:")...)
		if n := countWarnings(out); n != 1 {
			t.Errorf("%d warnings: %s", n, out)
		}
	}
	renewed := certificate(profile.ID, csr, www, "renewal_triggers = { a = 2 }")
	plan(certificate(profile.ID, csr, append([]string{"a.example.com"}, www...), "renewal_triggers = { a = 1 }"), waits)
	plan(certificate(profile.ID, csr, []string{"www.example.net"}, "renewal_triggers = { a = 1 }"), refused, "www.example.net")
	plan(certificate(profile.ID, csr, www, "renewal_triggers = { a = 1 }\nrenew_before_seconds = 7000000"), refused, "renew_before_seconds", "half of")
	plan(renewed, waits)
	spec := profile.ProfileSpec
	spec.Enabled = false
	if _, err := s.Client(t, "olga").ReplaceProfile(t.Context(), profile.ID, spec); err != nil {
		t.Fatal(err)
	}
	plan(renewed, refused, "is disabled")
}

// Many certificates that wait give one warning of a plan. The apply adds one that names an approval.
func TestPreview_ManyWaitingCertificates(t *testing.T) {
	terraformtest.UseBinaries(t)
	t.Parallel()
	const many = 75
	s := servertest.New(t)
	configuration := strings.Replace(certificate(s.CreateProfileAsOlga(t, true).ID, servertest.CSR(t), []string{"${count.index}.example.com"}, "count = 75"),
		`"mc-www"`, `"mc-${count.index}"`, 1)
	w := newWorkspace(t, s, s.URL, configuration)
	out := w.Run(t, 0, "plan", "-no-color")
	if n := countWarnings(out); n != 1 || !strings.Contains(out, "(and 74 more similar warnings elsewhere)") {
		t.Errorf("%d warnings: %s", n, out)
	}
	out = w.Run(t, 0, terraformtest.Apply...)
	if n := countWarnings(out); n != 2 || strings.Count(out, "Warning: A certificate awaits approval") != 1 {
		t.Errorf("%d warnings: %s", n, out)
	}
	mustSay(t, terraformtest.JoinLines(out), "approvals?state=pending")
	if n := count(t, s, "approvals"); n != many {
		t.Errorf("%d approvals", n)
	}
}

// If the server does not answer one preview, the plan asks for no other, and does not fail.
func TestPreview_WithoutAnAnswer(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]http.HandlerFunc{
		"rate limited": sendProblem(api.CodeRateLimited, http.StatusTooManyRequests),
		"unavailable":  sendProblem(api.CodeUnavailable, http.StatusServiceUnavailable),
		"an old one":   sendProblem(api.CodeNoSuchRoute, http.StatusNotFound),
		"a proxy's":    status(http.StatusBadGateway),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			st, asked := newFakeServer(t), new(atomic.Int64)
			st.answerWith(func(w http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				answer(w, r)
			})
			for range 2 {
				for _, kind := range []string{profileType, certificateType} {
					diags := st.planCreate(t, kind)
					if len(diags) != 1 || diags[0].Severity != tfprotov6.DiagnosticSeverityWarning || diags[0].Summary != "The server did not check this plan" {
						t.Errorf("%s: %v", kind, diags)
					}
				}
			}
			if n := asked.Load(); n != 1 {
				t.Errorf("the server was asked %d times", n)
			}
		})
	}
}

func sendProblem(code api.Code, status int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"type":"urn:certctl:problem:%s","detail":"words","request_id":"r-1"}`, code)
	}
}

// planCreate returns the diagnostics of a plan of a new object.
func (st fakeServer) planCreate(t *testing.T, kind string) []*tfprotov6.Diagnostic {
	t.Helper()
	nothing, config := newDynamicValue(t, st.typeOf(kind), tftypes.NewValue(st.typeOf(kind), nil)), newDynamicValue(t, st.typeOf(kind), st.minimalObject(t, kind))
	plan, err := st.PlanResourceChange(t.Context(), &tfprotov6.PlanResourceChangeRequest{TypeName: kind, PriorState: nothing, Config: config, ProposedNewState: config})
	if err != nil {
		t.Fatal(err)
	}
	return plan.Diagnostics
}
