package provider_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
	"github.com/certctl/terraform-provider-certctl/server/servertest/terraformtest"
)

const consumerAddress = "terraform_data.consumer"

// consumer is replaced whenever the leaf changes.
const consumer = "resource \"terraform_data\" \"consumer\" {\n  triggers_replace = [certctl_certificate.this.certificate_pem]\n}\n"

// idOf returns the id of an object in the state.
func (w workspace) idOf(t *testing.T, address string) string {
	t.Helper()
	id, _ := w.State(t)[address].Values["id"].(string)
	return id
}

func (w workspace) apply(t *testing.T) string {
	t.Helper()
	return terraformtest.JoinLines(w.Run(t, 0, terraformtest.Apply...))
}

func reject(t *testing.T, s *servertest.Server, note string) {
	t.Helper()
	if _, err := s.Client(t, "carol").RejectApproval(t.Context(), newestApproval(t, s).ID, api.Decision{Note: note}); err != nil {
		t.Fatal(err)
	}
}

func expireAll(t *testing.T, s *servertest.Server) {
	t.Helper()
	s.Clock.Advance(200 * time.Hour)
	if err := s.App.Expire(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// Without a gate one apply gives the certificate, although nothing says to wait.
func TestCertificate_UngatedIsIssuedByOneApply(t *testing.T) {
	terraformtest.UseBinaries(t)
	t.Parallel()
	s := servertest.New(t)
	w := newWorkspace(t, s, s.URL, certificate(s.CreateProfileAsOlga(t, false).ID, servertest.CSR(t), www, "")+consumer)
	out := w.apply(t)
	if values := w.State(t)[certificateAddress].Values; values["status"] != "issued" || values["up_to_date"] != true || values["certificate_pem"] == nil {
		t.Errorf("the state has %v\n%s", values, out)
	}
	if strings.Contains(out, "Warning: Certificate") {
		t.Errorf("the apply warns: %s", out)
	}
	w.ExpectNoChanges(t)
}

// A change that waits for a person replaces no consumer. The new leaf replaces the consumer once.
func TestCertificate_ReplacesConsumersOnce(t *testing.T) {
	terraformtest.UseBinaries(t)
	t.Parallel()
	s := servertest.New(t)
	profile, csr := s.CreateProfileAsOlga(t, true).ID, servertest.CSR(t)
	w := newWorkspace(t, s, s.URL, certificate(profile, csr, www, "")+consumer)
	w.apply(t)
	approveNewest(t, s)()
	w.apply(t)
	issued := w.idOf(t, consumerAddress)
	for _, more := range []string{"", "renewal_triggers = { n = 1 }", "renewal_triggers = { n = 2 }"} {
		w.Configure(t, certificate(profile, csr, append([]string{"a.example.com"}, www...), more)+consumer)
		w.apply(t)
		if id := w.idOf(t, consumerAddress); id != issued {
			t.Errorf("%q: the apply replaced the consumer before a person decided", more)
		}
		w.ExpectNoChanges(t)
	}
	approveNewest(t, s)()
	w.apply(t)
	if w.idOf(t, consumerAddress) == issued {
		t.Error("the new leaf did not replace the consumer")
	}
	w.ExpectNoChanges(t)
}

// An update that waits fails if the request brings no certificate. The state has the outcome, and nothing is tainted.
func TestCertificate_WaitingUpdateFails(t *testing.T) {
	terraformtest.UseBinaries(t)
	t.Parallel()
	for name, c := range map[string]struct {
		timeout string
		decide  bool
		says    string
		status  string
	}{
		"rejected":  {"5m", true, "carol rejected approval", "issued"},
		"timed out": {"1ms", false, "awaits approval", "awaiting_approval"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := servertest.New(t)
			p := newProxy(t, s)
			profile, csr := s.CreateProfileAsOlga(t, true).ID, servertest.CSR(t)
			w := newWorkspace(t, s, p.URL, certificate(profile, csr, www, ""))
			w.apply(t)
			approveNewest(t, s)()
			w.apply(t)
			if c.decide {
				decide := sync.OnceFunc(func() { reject(t, s, "wrong name") })
				p.setAnswers(func(r *http.Request, nth int) error {
					if r.Method == http.MethodGet && p.count("PUT /api/v1/certificates/mc-www?issue=true") > 0 && strings.HasPrefix(r.URL.Path, "/api/v1/certificates/") {
						decide()
					}
					return nil
				})
			}
			w.Configure(t, certificate(profile, csr, append([]string{"a.example.com"}, www...),
				fmt.Sprintf("wait_for_issuance = true\n  timeouts = { update = %q }", c.timeout))+
				"resource \"terraform_data\" \"after\" {\n  input = certctl_certificate.this.certificate_pem\n}\n")
			mustSay(t, terraformtest.JoinLines(w.Run(t, 1, terraformtest.Apply...)), "Error: A certificate ", "Certificate mc-www", c.says)
			state := w.State(t)
			if r := state[certificateAddress]; r.Tainted || r.Values["status"] != c.status || r.Values["up_to_date"] != false || len(r.Values["sans"].([]any)) != 2 {
				t.Errorf("the state has %+v", r)
			}
			if _, ok := state["terraform_data.after"]; ok {
				t.Error("the consumer was made")
			}
		})
	}
}

// countApprovals returns the number of approvals of the certificate.
func countApprovals(t *testing.T, s *servertest.Server) int {
	t.Helper()
	return len(collect(t, s.Client(t, "bob").ListApprovals, client.ListApprovalsOptions{ApprovalFilter: client.ApprovalFilter{CertificateID: "mc-www"}}))
}

// Names that are taken back to those of the leaf are not requested, whether the request for the others waits or was rejected.
func TestCertificate_RequestsNoIssuedLeaf(t *testing.T) {
	terraformtest.UseBinaries(t)
	t.Parallel()
	s := servertest.New(t)
	profile, csr := s.CreateProfileAsOlga(t, true).ID, servertest.CSR(t)
	w := newWorkspace(t, s, s.URL, certificate(profile, csr, www, ""))
	w.apply(t)
	approveNewest(t, s)()
	w.apply(t)
	for i, rejected := range []bool{true, false} {
		w.Configure(t, certificate(profile, csr, append([]string{"a.example.com"}, www...), ""))
		w.apply(t)
		if rejected {
			reject(t, s, "no")
		}
		w.Configure(t, certificate(profile, csr, www, ""))
		w.apply(t)
		if n := countApprovals(t, s); n != 2+i || newestApproval(t, s).State == api.ApprovalPending {
			t.Errorf("there are %d approvals, the newest is %s", n, newestApproval(t, s).State)
		}
		if values := w.State(t)[certificateAddress].Values; values["up_to_date"] != true || values["status"] != "issued" {
			t.Errorf("the state has %v", values)
		}
		w.ExpectNoChanges(t)
	}
}

// Another CSR of the same key, or white space around a CSR, is stored and not requested.
func TestCertificate_SameKeyInAnotherCSR(t *testing.T) {
	terraformtest.UseBinaries(t)
	t.Parallel()
	s := servertest.New(t)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	csr := func() string {
		der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
		if err != nil {
			t.Fatal(err)
		}
		return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
	}
	profile, first, second := s.CreateProfileAsOlga(t, true).ID, csr(), csr()
	w := newWorkspace(t, s, s.URL, certificate(profile, first, www, ""))
	w.apply(t)
	asked := newestApproval(t, s).ID
	for _, text := range []string{second, strings.TrimSpace(second)} {
		w.Configure(t, certificate(profile, text, www, ""))
		w.apply(t)
		w.ExpectNoChanges(t)
		if a := newestApproval(t, s); a.ID != asked || a.State != api.ApprovalPending {
			t.Errorf("the request that waited is %s, the newest is %s", asked, a.ID)
		}
	}
	approveNewest(t, s)()
	w.apply(t)
	w.Configure(t, certificate(profile, first, www, ""))
	w.apply(t)
	w.ExpectNoChanges(t)
	if n := countApprovals(t, s); n != 1 {
		t.Errorf("there are %d approvals", n)
	}
}

// A renewal by a trigger that was rejected is in every plan. One that expired is requested again, and the plan says why.
func TestCertificate_TriggerWithoutOutcome(t *testing.T) {
	terraformtest.UseBinaries(t)
	t.Parallel()
	s := servertest.New(t)
	profile, csr := s.CreateProfileAsOlga(t, true).ID, servertest.CSR(t)
	triggered := func(n int) string {
		return certificate(profile, csr, www, fmt.Sprintf("renewal_triggers = { n = %d }", n))
	}
	w := newWorkspace(t, s, s.URL, triggered(1))
	w.apply(t)
	approveNewest(t, s)()
	w.apply(t)

	w.Configure(t, triggered(2))
	w.apply(t)
	reject(t, s, "not now")
	for range 2 {
		out := terraformtest.JoinLines(w.Run(t, 0, "plan", "-no-color", "-detailed-exitcode"))
		mustSay(t, out, "A certificate was rejected", "mc-www: carol rejected approval "+newestApproval(t, s).ID, "not now")
	}

	w.Configure(t, triggered(3))
	w.apply(t)
	expired := newestApproval(t, s).ID
	expireAll(t, s)
	out := terraformtest.JoinLines(w.Run(t, 2, "plan", "-no-color", "-detailed-exitcode"))
	mustSay(t, out, "A certificate is requested again", "Nobody decided on approval "+expired+" before it expired on")
	w.apply(t)
	if a := newestApproval(t, s); a.ID == expired || a.State != api.ApprovalPending {
		t.Errorf("the newest approval is %s, %s", a.ID, a.State)
	}
	approveNewest(t, s)()
	w.apply(t)
	w.ExpectNoChanges(t)
}

// The first triggers of an imported certificate request nothing.
func TestCertificate_FirstTriggersAreRecorded(t *testing.T) {
	terraformtest.UseBinaries(t)
	t.Parallel()
	s := servertest.New(t)
	profile, csr := s.CreateProfileAsOlga(t, true).ID, servertest.CSR(t)
	w := newWorkspace(t, s, s.URL, certificate(profile, csr, www, ""))
	w.apply(t)
	approveNewest(t, s)()
	w.Run(t, 0, "state", "rm", certificateAddress)
	w.Configure(t, certificate(profile, csr, www, "renewal_triggers = { n = 1 }")+"import {\n  to = certctl_certificate.this\n  id = \"mc-www\"\n}\n")
	w.apply(t)
	w.ExpectNoChanges(t)
	if n := countApprovals(t, s); n != 1 {
		t.Errorf("there are %d approvals", n)
	}
}

// Without id a certificate moves to another profile before the old one is archived. The plan warns of the old leaf.
func TestCertificate_CreateBeforeDestroy(t *testing.T) {
	terraformtest.UseBinaries(t)
	t.Parallel()
	s := servertest.New(t)
	csr := servertest.CSR(t)
	with := func(profile, id string) string {
		text := certificate(profile, csr, www, "lifecycle {\n    create_before_destroy = true\n  }")
		return strings.Replace(text, `id         = "mc-www"`, id, 1)
	}
	w := newWorkspace(t, s, s.URL, with(s.CreateProfileAsOlga(t, false).ID, ""))
	w.apply(t)
	w.ExpectNoChanges(t)
	before := w.idOf(t, certificateAddress)
	w.Configure(t, with(s.CreateProfileAsOlga(t, false).ID, ""))
	mustSay(t, w.apply(t), "An issued certificate is replaced", before, "moved {")
	w.ExpectNoChanges(t)
	if after := w.idOf(t, certificateAddress); after == before || !strings.HasPrefix(after, "mc-") {
		t.Errorf("the certificate was %s and is %s", before, after)
	}
	if _, err := s.Client(t, "vera").GetCertificate(t.Context(), before); !api.Is(err, api.CodeNotFound) {
		t.Errorf("the old certificate: %v", err)
	}

	w.Configure(t, with(s.CreateProfileAsOlga(t, false).ID, `id = "`+w.idOf(t, certificateAddress)+`"`))
	mustSay(t, terraformtest.JoinLines(w.Run(t, 1, terraformtest.Apply...)), "leave out its id")

	mustSay(t, terraformtest.JoinLines(w.Run(t, 0, "destroy", "-auto-approve", "-no-color")), "An issued certificate is destroyed")
}

// While a profile is disabled, a request that ended is not repeated. Other changes apply.
func TestCertificate_DisabledProfile(t *testing.T) {
	terraformtest.UseBinaries(t)
	t.Parallel()
	s := servertest.New(t)
	profile, csr := s.CreateProfileAsOlga(t, true), servertest.CSR(t)
	w := newWorkspace(t, s, s.URL, certificate(profile.ID, csr, www, ""))
	w.apply(t)
	spec := profile.ProfileSpec
	spec.Enabled = false
	if _, err := s.Client(t, "olga").ReplaceProfile(t.Context(), profile.ID, spec); err != nil {
		t.Fatal(err)
	}
	expireAll(t, s)
	out := terraformtest.JoinLines(w.Run(t, 0, "plan", "-no-color", "-detailed-exitcode"))
	mustSay(t, out, "A certificate cannot be requested now", "is disabled", "Nobody decided on approval")
	w.Configure(t, certificate(profile.ID, csr, www, `labels = { team = "web" }`))
	w.apply(t)

	spec.Enabled = true
	_, err := s.Client(t, "olga").ReplaceProfile(t.Context(), profile.ID, spec)
	if awaiting, ok := errors.AsType[*client.AwaitingApprovalError](err); ok {
		_, err = s.Client(t, "bob").ApproveApproval(t.Context(), awaiting.Approval.ID, api.Decision{})
	}
	if err != nil {
		t.Fatal(err)
	}
	w.apply(t)
	if a := newestApproval(t, s); a.State != api.ApprovalPending {
		t.Errorf("the newest approval is %s", a.State)
	}
	w.ExpectNoChanges(t)
}

// A new key under a gate leaves the old leaf. A precondition on up_to_date keeps what needs both as it is. It does not stop the
// correction.
func TestCertificate_PreconditionKeepsTheOldPair(t *testing.T) {
	terraformtest.UseBinaries(t)
	t.Parallel()
	s := servertest.New(t)
	profile, first, second := s.CreateProfileAsOlga(t, true).ID, servertest.CSR(t), servertest.CSR(t)
	with := func(csr string) string {
		return certificate(profile, csr, www, "") + `
resource "terraform_data" "pair" {
  input = [certctl_certificate.this.csr_pem, certctl_certificate.this.certificate_pem]
  lifecycle {
    precondition {
      condition     = certctl_certificate.this.up_to_date
      error_message = "The certificate awaits a decision."
    }
  }
}
`
	}
	w := newWorkspace(t, s, s.URL, with(first))
	mustSay(t, w.Run(t, 1, terraformtest.Apply...), "The certificate awaits a decision")
	approveNewest(t, s)()
	w.apply(t)
	pair := fmt.Sprint(w.State(t)["terraform_data.pair"].Values["output"])
	w.Configure(t, with(second))
	mustSay(t, w.Run(t, 1, terraformtest.Apply...), "The certificate awaits a decision")
	if got := fmt.Sprint(w.State(t)["terraform_data.pair"].Values["output"]); got != pair {
		t.Errorf("the pair became %s", got)
	}
	w.Configure(t, with(first))
	w.apply(t)
	w.ExpectNoChanges(t)
}
