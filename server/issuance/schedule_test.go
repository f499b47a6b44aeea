package issuance_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
	"github.com/certctl/terraform-provider-certctl/server/gate"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// listJobs returns the jobs of a certificate, newest first.
func listJobs(t *testing.T, s *servertest.Server, id string) []api.Job {
	t.Helper()
	var jobs []api.Job
	for j, err := range s.Client(t, "vera").ListJobs(context.Background(), client.ListJobsOptions{CertificateID: id}) {
		if err != nil {
			t.Fatal(err)
		}
		jobs = append(jobs, j)
	}
	return jobs
}

func renewDue(t *testing.T, s *servertest.Server) {
	t.Helper()
	if err := s.App.RenewDue(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// The scheduler requests an issued certificate that is due. Under a gated profile the request waits, and excludes the
// accountable person. After a rejection the scheduler waits a day, unless the certificate changes.
func TestRenewDue_RequestsWhatIsDue(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		ctx := context.Background()
		first := s.RequestOlgasCertificate(t, "alice")
		never := s.CreateCertificateAsOlga(t, s.CreateProfileAsOlga(t, true).ID) // never issued, so never due
		if _, err := s.Client(t, "bob").ApproveApproval(ctx, *first.ApprovalID, api.Decision{}); err != nil {
			t.Fatal(err)
		}
		s.WaitUntilFinalAsVera(t, first.ID)
		renewDue(t, s)
		if jobs := listJobs(t, s, first.CertificateID); len(jobs) != 1 {
			t.Fatalf("not due, and there are %d jobs", len(jobs))
		}
		s.Clock.Advance(61 * 24 * time.Hour) // a third of the 90 days is left
		renewDue(t, s)
		renewDue(t, s)
		jobs := listJobs(t, s, first.CertificateID)
		if len(jobs) != 2 || jobs[0].Status != api.JobAwaitingApproval || jobs[0].Type != api.JobRenewal || jobs[0].RequestedBy != "system-scheduler" {
			t.Fatalf("due: %+v", jobs)
		}
		a, err := s.Client(t, "vera").GetApproval(ctx, *jobs[0].ApprovalID)
		if err != nil || a.Accountable != "alice" {
			t.Fatalf("%v, %+v", err, a)
		}
		if diff := cmp.Diff([]string{"alice"}, a.Excluded); diff != "" {
			t.Error(diff)
		}
		if _, err := s.Client(t, "bob").RejectApproval(ctx, a.ID, api.Decision{}); err != nil {
			t.Fatal(err)
		}
		renewDue(t, s)
		if jobs := listJobs(t, s, first.CertificateID); len(jobs) != 2 {
			t.Errorf("requested again at once after a rejection: %+v", jobs)
		}
		s.Clock.Advance(25 * time.Hour)
		renewDue(t, s)
		if jobs := listJobs(t, s, first.CertificateID); len(jobs) != 3 {
			t.Errorf("not requested again after a day: %+v", jobs)
		}
		c, err := s.Client(t, "vera").GetCertificate(ctx, first.CertificateID)
		if err != nil {
			t.Fatal(err)
		}
		c.SANs = append(c.SANs, "more.example.com")
		replaceCertificate(t, s, "bob", c.ID, c.CertificateSpec)
		renewDue(t, s)
		if jobs := listJobs(t, s, first.CertificateID); len(jobs) != 4 || jobs[1].ErrorMessage != "subject changed" {
			t.Errorf("not requested for the new names: %+v", jobs)
		}
		if jobs := listJobs(t, s, never.ID); len(jobs) != 0 {
			t.Errorf("requested though never issued: %+v", jobs)
		}
	})
}

// If nobody in a team of two may decide a scheduled request, an operator withdraws it. The author requests it again, and the
// other person approves it.
func TestRenewDue_LetsATeamOfTwoRequestAgain(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		ctx := context.Background()
		first := s.RequestOlgasCertificate(t, "alice")
		if _, err := s.Client(t, "bob").ApproveApproval(ctx, *first.ApprovalID, api.Decision{}); err != nil {
			t.Fatal(err)
		}
		s.WaitUntilFinalAsVera(t, first.ID)
		c, err := s.Client(t, "bob").GetCertificate(ctx, first.CertificateID)
		if err != nil {
			t.Fatal(err)
		}
		c.SANs = append(c.SANs, "more.example.com")
		replaceCertificate(t, s, "bob", c.ID, c.CertificateSpec)
		s.Clock.Advance(61 * 24 * time.Hour)
		renewDue(t, s)
		scheduled := listJobs(t, s, c.ID)[0]
		for _, who := range []string{"alice", "bob"} {
			_, err := s.Client(t, who).ApproveApproval(ctx, *scheduled.ApprovalID, api.Decision{})
			servertest.RequireProblem(t, err, api.CodeTwoPersonIntegrity)
		}
		if _, err := s.Client(t, "bob").WithdrawApproval(ctx, *scheduled.ApprovalID, api.Withdrawal{}); err != nil {
			t.Fatal(err)
		}
		again, err := s.Client(t, "bob").RenewCertificate(ctx, c.ID, api.Renew{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Client(t, "alice").ApproveApproval(ctx, *again.ApprovalID, api.Decision{}); err != nil {
			t.Error(err)
		}
	})
}

// issueCertificate makes a certificate as olga and requests it as alice. If it is gated, bob approves. It waits for the leaf.
func issueCertificate(t *testing.T, s *servertest.Server, gated bool) api.Certificate {
	t.Helper()
	ctx := context.Background()
	c := s.CreateCertificateAsOlga(t, s.CreateProfileAsOlga(t, gated).ID)
	j, err := s.Client(t, "alice").RenewCertificate(ctx, c.ID, api.Renew{})
	if err != nil {
		t.Fatal(err)
	}
	if gated {
		if _, err := s.Client(t, "bob").ApproveApproval(ctx, *j.ApprovalID, api.Decision{}); err != nil {
			t.Fatal(err)
		}
	}
	if j = s.WaitUntilFinalAsVera(t, j.ID); j.Status != api.JobCompleted {
		t.Fatalf("the job is %s: %s", j.Status, j.ErrorMessage)
	}
	return c
}

// The scheduler requests nothing in the name of a disabled person, gated or not.
func TestRenewDue_SkipsADisabledPerson(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		certificates := []api.Certificate{issueCertificate(t, s, false), issueCertificate(t, s, true)}
		s.Write(t, func(tx *store.Tx) error {
			_, err := s.App.DisablePrincipal(tx, "alice")
			return err
		})
		s.Clock.Advance(61 * 24 * time.Hour)
		renewDue(t, s)
		for _, c := range certificates {
			if jobs := listJobs(t, s, c.ID); len(jobs) != 1 {
				t.Errorf("requested in the name of a disabled person: %+v", jobs[0])
			}
		}
	})
}

// observedIssuer calls beforeDraft before it drafts a certificate.
type observedIssuer struct {
	gate.Issuer
	beforeDraft func(certificateID string)
}

func (d *observedIssuer) Draft(s gate.Subject, serial gate.Serial, v gate.Validity) ([]byte, error) {
	d.beforeDraft(s.CertificateID)
	return d.Issuer.Draft(s, serial, v)
}

// After a handover the scheduler requests in the name of the successor.
func TestRenewDue_NamesTheSuccessor(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		ctx := context.Background()
		first := s.RequestOlgasCertificate(t, "alice")
		if _, err := s.Client(t, "bob").ApproveApproval(ctx, *first.ApprovalID, api.Decision{}); err != nil {
			t.Fatal(err)
		}
		s.WaitUntilFinalAsVera(t, first.ID)
		if effects := s.HandOver(t, "alice", "carol"); len(effects.MovedServices) != 1 || effects.MovedServices[0] != "terraform" {
			t.Errorf("the effects are %+v", effects)
		}
		s.Disable(t, "alice")
		s.Clock.Advance(61 * 24 * time.Hour)
		renewDue(t, s)
		jobs := listJobs(t, s, first.CertificateID)
		if len(jobs) != 2 || jobs[0].Accountable != "carol" {
			t.Fatalf("due: %+v", jobs)
		}
		_, err := s.Client(t, "carol").ApproveApproval(ctx, *jobs[0].ApprovalID, api.Decision{})
		servertest.RequireProblem(t, err, api.CodeTwoPersonIntegrity)
		if _, err := s.Client(t, "bob").ApproveApproval(ctx, *jobs[0].ApprovalID, api.Decision{}); err != nil {
			t.Error(err)
		}
	})
}

// A panic for one certificate stops no other renewal.
func TestRenewDue_ContinuesAfterAPanic(t *testing.T) {
	test := func(t *testing.T, start func(testing.TB, ...servertest.Option) *servertest.Server) {
		t.Parallel()
		var breaks atomic.Value
		breaks.Store("")
		s := start(t, servertest.Issuer(&observedIssuer{servertest.CA(t), func(id string) {
			if id == breaks.Load() {
				panic("a lint failed")
			}
		}}))
		broken, other := issueCertificate(t, s, true), issueCertificate(t, s, true)
		breaks.Store(broken.ID)
		s.Clock.Advance(61 * 24 * time.Hour)
		renewDue(t, s)
		if jobs := listJobs(t, s, broken.ID); len(jobs) != 1 {
			t.Errorf("the failed renewal left a job: %+v", jobs)
		}
		if jobs := listJobs(t, s, other.ID); len(jobs) != 2 {
			t.Errorf("the other certificate was not renewed: %+v", jobs)
		}
	}
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) { test(t, servertest.New) })
	t.Run("postgres", func(t *testing.T) { test(t, servertest.NewPostgres) })
}

// Requests expire while the scheduler works. SQLite has one writer, so only PostgreSQL shows this with one certificate.
func TestRenewDue_DoesNotBlockExpiry(t *testing.T) {
	t.Parallel()
	var slow atomic.Value
	slow.Store("")
	reached, release := make(chan struct{}, 1), make(chan struct{})
	s := servertest.NewPostgres(t, servertest.Issuer(&observedIssuer{servertest.CA(t), func(id string) {
		if id == slow.Load() {
			reached <- struct{}{}
			<-release
		}
	}}))
	c := issueCertificate(t, s, true)
	s.Clock.Advance(61 * 24 * time.Hour)
	slow.Store(c.ID)
	s.Restart(t) // the first tick is at the start
	<-reached
	defer func() {
		slow.Store("")
		close(release)
	}()
	overdue := s.RequestOlgasCertificate(t, "alice")
	s.Clock.Advance(200 * time.Hour)
	servertest.WaitUntil(t, func() error {
		state := ""
		s.Query(t, &state, "SELECT state FROM approvals WHERE id = ?", *overdue.ApprovalID)
		if state != string(api.ApprovalExpired) {
			return fmt.Errorf("the approval is %s", state)
		}
		return nil
	})
}

// With issue=true a write requests issuance as renew does. If that is refused, the write stores nothing.
func TestWrite_IssuesOrStoresNothing(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		ctx, olga := context.Background(), s.Client(t, "olga")
		p := s.CreateProfileAsOlga(t, true)
		spec := api.DefaultCertificateSpec()
		spec.SANs, spec.ProfileID, spec.CSRPEM = []string{"a.example.com"}, p.ID, servertest.CSR(t)
		c, err := olga.CreateCertificate(ctx, api.CreateCertificate{ID: "mc-a", CertificateSpec: spec}, client.IssueOptions{Reason: "first"})
		if err != nil || c.Status != api.CertificateAwaitingApproval || c.ApprovalID == nil {
			t.Fatalf("%v, %+v", err, c)
		}
		if a, err := olga.GetApproval(ctx, *c.ApprovalID); err != nil || a.Reason != "first" {
			t.Errorf("%v, %+v", err, a)
		}
		spec.SANs = append(spec.SANs, "b.example.com")
		changed, err := olga.ReplaceCertificate(ctx, c.ID, spec, client.IssueOptions{})
		if err != nil || changed.Status != api.CertificateAwaitingApproval || *changed.ApprovalID == *c.ApprovalID {
			t.Fatalf("%v, %+v", err, changed)
		}
		p.Enabled = false
		if _, err := olga.ReplaceProfile(ctx, p.ID, p.ProfileSpec); err != nil {
			t.Fatal(err)
		}
		_, err = olga.CreateCertificate(ctx, api.CreateCertificate{ID: "mc-b", CertificateSpec: spec}, client.IssueOptions{})
		servertest.RequireProblem(t, err, api.CodeProfileDisabled)
		_, err = olga.GetCertificate(ctx, "mc-b")
		servertest.RequireProblem(t, err, api.CodeNotFound)
	})
}

// An overdue request blocks neither a new request nor archiving. Both record its expiry.
func TestRenew_ExpiresAnOverdueRequest(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		ctx := context.Background()
		overdue := s.RequestOlgasCertificate(t, "alice")
		s.Clock.Advance(200 * time.Hour)
		again, err := s.Client(t, "alice").RenewCertificate(ctx, overdue.CertificateID, api.Renew{})
		if err != nil || again.Status != api.JobAwaitingApproval {
			t.Fatalf("%v, %+v", err, again)
		}
		s.Clock.Advance(200 * time.Hour)
		if err := s.Client(t, "olga").DeleteCertificate(ctx, overdue.CertificateID); err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{overdue.ID, again.ID} {
			j, err := s.Client(t, "vera").GetJob(ctx, id)
			if err != nil || j.Status != api.JobCancelled || j.ErrorMessage != "approval expired" {
				t.Errorf("%v, %+v", err, j)
			}
		}
	}, servertest.NoWorkers())
}

// Turning the gate on cancels a job without approval. At its next tick the scheduler requests the certificate again, with
// an approval.
func TestRenewDue_RequestsAgainAfterTheGateWasTurnedOn(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		ctx := context.Background()
		p := s.CreateProfileAsOlga(t, false)
		c := s.CreateCertificateAsOlga(t, p.ID)
		if _, err := s.Client(t, "alice").RenewCertificate(ctx, c.ID, api.Renew{}); err != nil {
			t.Fatal(err)
		}
		s.Drain(t)
		s.Clock.Advance(61 * 24 * time.Hour)
		renewDue(t, s)
		p.RequiresApproval = true
		if answer, err := s.Client(t, "olga").ReplaceProfile(ctx, p.ID, p.ProfileSpec); err != nil || answer.Effects == nil || answer.Effects.JobsCancelled != 1 {
			t.Fatalf("%+v, %v", answer.Effects, err)
		}
		s.Drain(t)
		if j := listJobs(t, s, c.ID)[0]; j.Status != api.JobCancelled || j.Cause == nil || *j.Cause != api.CauseGateRefused {
			t.Fatalf("the job is %+v", j)
		}
		renewDue(t, s)
		if j := listJobs(t, s, c.ID)[0]; j.Status != api.JobAwaitingApproval || j.RequestedBy != "system-scheduler" {
			t.Errorf("the job is %+v", j)
		}
	}, servertest.NoWorkers())
}
