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

// jobsOf are a certificate's jobs, newest first.
func jobsOf(t *testing.T, s *servertest.Server, id string) []api.Job {
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

// The scheduler renews what was issued once and is due, and asks like anyone else: a gated renewal waits, not for the
// one who stands behind the last certificate. A rejection is not asked for again at once; a person may ask at any time.
func TestRenewDue(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		ctx := context.Background()
		first := s.RequestOlgasCertificate(t, "alice")
		never := s.CreateCertificateAsOlga(t, s.CreateProfileAsOlga(t, true).ID) // never issued, so never due
		if _, err := s.Client(t, "bob").ApproveApproval(ctx, *first.ApprovalID, api.Decision{}); err != nil {
			t.Fatal(err)
		}
		s.WaitUntilFinalAsVera(t, first.ID)
		renewDue(t, s)
		if jobs := jobsOf(t, s, first.CertificateID); len(jobs) != 1 {
			t.Fatalf("not due, and there are %d jobs", len(jobs))
		}
		s.Clock.Advance(61 * 24 * time.Hour) // of 90 days a third is left
		renewDue(t, s)
		renewDue(t, s)
		jobs := jobsOf(t, s, first.CertificateID)
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
		if jobs := jobsOf(t, s, first.CertificateID); len(jobs) != 2 {
			t.Errorf("asked again at once after a rejection: %+v", jobs)
		}
		s.Clock.Advance(25 * time.Hour)
		renewDue(t, s)
		if jobs := jobsOf(t, s, first.CertificateID); len(jobs) != 3 {
			t.Errorf("not asked again after a day: %+v", jobs)
		}
		c, err := s.Client(t, "vera").GetCertificate(ctx, first.CertificateID)
		if err != nil {
			t.Fatal(err)
		}
		c.SANs = append(c.SANs, "more.example.com")
		replace(t, s, "bob", c.ID, c.CertificateSpec)
		renewDue(t, s)
		if jobs := jobsOf(t, s, first.CertificateID); len(jobs) != 4 || jobs[1].ErrorMessage != "subject changed" {
			t.Errorf("not asked for the new names: %+v", jobs)
		}
		if jobs := jobsOf(t, s, never.ID); len(jobs) != 0 {
			t.Errorf("asked for what was never issued: %+v", jobs)
		}
	})
}

// A team of two has no dead end: the scheduler's request that nobody may decide is withdrawn by an operator, renewed by
// a person, and approved by the other.
func TestRenewDue_TeamOfTwo(t *testing.T) {
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
		replace(t, s, "bob", c.ID, c.CertificateSpec)
		s.Clock.Advance(61 * 24 * time.Hour)
		renewDue(t, s)
		asked := jobsOf(t, s, c.ID)[0]
		for _, who := range []string{"alice", "bob"} {
			_, err := s.Client(t, who).ApproveApproval(ctx, *asked.ApprovalID, api.Decision{})
			servertest.RequireProblem(t, err, api.CodeTwoPersonIntegrity)
		}
		if _, err := s.Client(t, "bob").WithdrawApproval(ctx, *asked.ApprovalID, api.Withdrawal{}); err != nil {
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

// issued makes a certificate and waits for its leaf. alice asks for it, and bob approves if the profile is gated.
func issued(t *testing.T, s *servertest.Server, gated bool) api.Certificate {
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

// The scheduler asks in nobody's name who is disabled, gated or not.
func TestRenewDue_DisabledPerson(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		certificates := []api.Certificate{issued(t, s, false), issued(t, s, true)}
		s.Write(t, func(tx *store.Tx) error {
			_, err := s.App.DisablePrincipal(tx, "alice")
			return err
		})
		s.Clock.Advance(61 * 24 * time.Hour)
		renewDue(t, s)
		for _, c := range certificates {
			if jobs := jobsOf(t, s, c.ID); len(jobs) != 1 {
				t.Errorf("asked in the name of a disabled person: %+v", jobs[0])
			}
		}
	})
}

// drafting is an issuer that calls each before it drafts for a certificate.
type drafting struct {
	gate.Issuer
	each func(certificateID string)
}

func (d *drafting) Draft(s gate.Subject, serial gate.Serial, v gate.Validity) ([]byte, error) {
	d.each(s.CertificateID)
	return d.Issuer.Draft(s, serial, v)
}

// The scheduler asks in the name of the successor of a person who left.
func TestRenewDue_Handover(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		ctx := context.Background()
		first := s.RequestOlgasCertificate(t, "alice")
		if _, err := s.Client(t, "bob").ApproveApproval(ctx, *first.ApprovalID, api.Decision{}); err != nil {
			t.Fatal(err)
		}
		s.WaitUntilFinalAsVera(t, first.ID)
		if done := s.HandOver(t, "alice", "carol"); len(done.MovedServices) != 1 || done.MovedServices[0] != "terraform" {
			t.Errorf("it did %+v", done)
		}
		s.Disable(t, "alice")
		s.Clock.Advance(61 * 24 * time.Hour)
		renewDue(t, s)
		jobs := jobsOf(t, s, first.CertificateID)
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

// A panic over one certificate stops no other renewal.
func TestRenewDue_Panic(t *testing.T) {
	test := func(t *testing.T, start func(testing.TB, ...servertest.Option) *servertest.Server) {
		t.Parallel()
		var breaks atomic.Value
		breaks.Store("")
		s := start(t, servertest.Issuer(&drafting{servertest.CA(t), func(id string) {
			if id == breaks.Load() {
				panic("a lint failed")
			}
		}}))
		broken, other := issued(t, s, true), issued(t, s, true)
		breaks.Store(broken.ID)
		s.Clock.Advance(61 * 24 * time.Hour)
		renewDue(t, s)
		if jobs := jobsOf(t, s, broken.ID); len(jobs) != 1 {
			t.Errorf("half a renewal was left: %+v", jobs)
		}
		if jobs := jobsOf(t, s, other.ID); len(jobs) != 2 {
			t.Errorf("the other certificate was not renewed: %+v", jobs)
		}
	}
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) { test(t, servertest.New) })
	t.Run("postgres", func(t *testing.T) { test(t, servertest.NewPostgres) })
}

// Requests expire while the scheduler works. SQLite has one writer, so only PostgreSQL shows this with one certificate.
func TestRenewDue_ExpiryGoesOn(t *testing.T) {
	t.Parallel()
	var slow atomic.Value
	slow.Store("")
	reached, release := make(chan struct{}, 1), make(chan struct{})
	s := servertest.NewPostgres(t, servertest.Issuer(&drafting{servertest.CA(t), func(id string) {
		if id == slow.Load() {
			reached <- struct{}{}
			<-release
		}
	}}))
	c := issued(t, s, true)
	s.Clock.Advance(61 * 24 * time.Hour)
	slow.Store(c.ID)
	s.Restart(t) // the first tick comes with the start
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

// With issue=true a write opens what renew would open, or nothing at all happens.
func TestIssueWithTheWrite(t *testing.T) {
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

// A request whose deadline passed before anyone looked is in nobody's way.
func TestRenew_Overdue(t *testing.T) {
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

// Turning the gate on cancels what nobody approved, and the scheduler asks for it again in its next tick, not after a
// day: this time somebody has to approve.
func TestRenewDue_AfterTheGateWasTurnedOn(t *testing.T) {
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
		if j := jobsOf(t, s, c.ID)[0]; j.Status != api.JobCancelled || j.Cause == nil || *j.Cause != api.CauseGateRefused {
			t.Fatalf("the job is %+v", j)
		}
		renewDue(t, s)
		if j := jobsOf(t, s, c.ID)[0]; j.Status != api.JobAwaitingApproval || j.RequestedBy != "system-scheduler" {
			t.Errorf("the job is %+v", j)
		}
	}, servertest.NoWorkers())
}
