package certificate_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// The status of a certificate follows its newest request. After the first leaf it stays issued.
func TestStatus_FollowsTheNewestRequest(t *testing.T) {
	ctx := context.Background()
	cases := map[string]struct {
		change  func(t *testing.T, s *servertest.Server, j api.Job)
		without api.CertificateStatus // before the first leaf
		with    api.CertificateStatus // after it
		state   api.ApprovalState
	}{
		"waiting": {func(*testing.T, *servertest.Server, api.Job) {}, api.CertificateAwaitingApproval, api.CertificateAwaitingApproval, api.ApprovalPending},
		"approved": {func(t *testing.T, s *servertest.Server, j api.Job) {
			approve(t, s, j)
		}, api.CertificateIssuing, api.CertificateIssuing, api.ApprovalApproved},
		"rejected": {func(t *testing.T, s *servertest.Server, j api.Job) {
			if _, err := s.Client(t, "bob").RejectApproval(ctx, *j.ApprovalID, api.Decision{}); err != nil {
				t.Fatal(err)
			}
		}, api.CertificateRejected, api.CertificateIssued, api.ApprovalRejected},
		"withdrawn": {func(t *testing.T, s *servertest.Server, j api.Job) {
			if _, err := s.Client(t, "alice").WithdrawApproval(ctx, *j.ApprovalID, api.Withdrawal{}); err != nil {
				t.Fatal(err)
			}
		}, api.CertificateCancelled, api.CertificateIssued, api.ApprovalCancelled},
		"request_expired": {func(t *testing.T, s *servertest.Server, _ api.Job) {
			s.Clock.Advance(200 * time.Hour)
			if err := s.App.Expire(ctx); err != nil {
				t.Fatal(err)
			}
		}, api.CertificateRequestExpired, api.CertificateIssued, api.ApprovalExpired},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
				j := s.RequestOlgasCertificate(t, "alice")
				c.change(t, s, j)
				checkStatus(t, s, j, c.without, c.state)

				first := s.RequestOlgasCertificate(t, "alice")
				approve(t, s, first)
				s.Drain(t)
				again, err := s.Client(t, "alice").RenewCertificate(ctx, first.CertificateID, api.Renew{})
				if err != nil {
					t.Fatal(err)
				}
				c.change(t, s, again)
				checkStatus(t, s, again, c.with, c.state)
			}, servertest.NoWorkers())
		})
	}
}

func approve(t *testing.T, s *servertest.Server, j api.Job) {
	t.Helper()
	if _, err := s.Client(t, "bob").ApproveApproval(context.Background(), *j.ApprovalID, api.Decision{}); err != nil {
		t.Fatal(err)
	}
}

func checkStatus(t *testing.T, s *servertest.Server, j api.Job, want api.CertificateStatus, state api.ApprovalState) {
	t.Helper()
	c, err := s.Client(t, "vera").GetCertificate(context.Background(), j.CertificateID)
	if err != nil {
		t.Fatal(err)
	}
	if c.Status != want || c.Job.ID != j.ID || *c.ApprovalID != *j.ApprovalID || *c.ApprovalState != state ||
		(c.OpenJobID != nil) != (want == api.CertificateAwaitingApproval || want == api.CertificateIssuing) {
		t.Errorf("want %s, got %+v", want, c)
	}
}

// While a worker has the job, names and key cannot change. Other fields can.
func TestReplace_RefusesNewNamesWhileAJobIsReady(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		ctx, olga := context.Background(), s.Client(t, "olga")
		j := s.RequestOlgasCertificate(t, "alice")
		approve(t, s, j)
		c, err := olga.GetCertificate(ctx, j.CertificateID)
		if err != nil {
			t.Fatal(err)
		}
		names := c.CertificateSpec
		names.SANs = append([]string{"more.example.com"}, names.SANs...)
		key := c.CertificateSpec
		key.CSRPEM = servertest.CSR(t)
		for _, change := range []api.CertificateSpec{names, key} {
			_, err := olga.ReplaceCertificate(ctx, c.ID, change)
			if p := servertest.RequireProblem(t, err, api.CodeJobAlreadyOpen); p.JobID != j.ID || p.ApprovalID != *j.ApprovalID {
				t.Errorf("the refusal names job %q and approval %q", p.JobID, p.ApprovalID)
			}
		}
		if p := servertest.RequireProblem(t, olga.DeleteCertificate(ctx, c.ID), api.CodeInUse); p.UsedBy[0].ID != j.ID {
			t.Errorf("the refusal names %v", p.UsedBy)
		}
		harmless := c.CertificateSpec
		harmless.Labels = map[string]string{"team": "web"}
		after, err := olga.ReplaceCertificate(ctx, c.ID, harmless)
		if err != nil || after.Version != c.Version+1 {
			t.Fatalf("labels: %v, version %d", err, after.Version)
		}
		s.Drain(t)
		if done := s.WaitUntilFinalAsVera(t, j.ID); done.Status != api.JobCompleted {
			t.Errorf("the job is %s: %s", done.Status, done.ErrorMessage)
		}
	}, servertest.NoWorkers())
}

// A key that can be factored is refused, although its signature verifies.
func TestCreate_RefusesAWeakKey(t *testing.T) {
	p := big.NewInt(65539)
	q, err := rand.Prime(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	one, e := big.NewInt(1), big.NewInt(65537)
	phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
	key := &rsa.PrivateKey{
		PublicKey: rsa.PublicKey{N: new(big.Int).Mul(p, q), E: 65537}, D: new(big.Int).ModInverse(e, phi), Primes: []*big.Int{p, q},
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		spec := api.DefaultCertificateSpec()
		spec.SANs, spec.ProfileID = []string{"www.example.com"}, s.CreateProfileAsOlga(t, true).ID
		spec.CSRPEM = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
		_, err := s.Client(t, "olga").CreateCertificate(context.Background(), api.CreateCertificate{CertificateSpec: spec})
		problem := servertest.RequireProblem(t, err, api.CodeInvalidRequest)
		if len(problem.Errors) != 1 || problem.Errors[0].Pointer != "/csr_pem" || !strings.Contains(problem.Errors[0].Detail, "small factor") {
			t.Errorf("the faults are %+v", problem.Errors)
		}
	}, servertest.NoWorkers())
}

// A stored CSR that cannot be read hides no certificate, and a PUT replaces it.
func TestReplace_RepairsAnUnreadableCSR(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		olga := s.Client(t, "olga")
		c := s.CreateCertificateAsOlga(t, s.CreateProfileAsOlga(t, false).ID)
		s.Exec(t, "UPDATE certificates SET spec = REPLACE(spec, 'BEGIN CERTIFICATE REQUEST', 'BEGIN CERTIFICATE')")
		broken, err := olga.GetCertificate(t.Context(), c.ID)
		if err != nil || len(broken.CSRIgnored) != 1 || broken.CSRIgnored[0].What != "the CSR cannot be read" {
			t.Fatalf("%v, %v", broken.CSRIgnored, err)
		}
		repaired, err := olga.ReplaceCertificate(t.Context(), c.ID, c.CertificateSpec)
		if err != nil || len(repaired.CSRIgnored) != 0 {
			t.Errorf("%v, %v", repaired.CSRIgnored, err)
		}
	}, servertest.NoWorkers(), servertest.WithoutInvariants())
}
