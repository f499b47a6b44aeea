package faults_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// rounds is the number of rounds of each race on each database.
const rounds = 20

// If fifty decisions on one request are concurrent, one wins. All answers and the database agree on it.
func TestManyDecisions_HaveOneWinner(t *testing.T) {
	runOnEach(t, func(t *testing.T, start startFunc) {
		ctx := context.Background()
		s := start(t)
		p, profile := peopleOf(t, s), s.CreateProfileAsOlga(t, true).ID
		for range 4 {
			_, j := requestNew(t, s, p, profile)
			type answer struct {
				approval api.Approval
				err      error
			}
			answers := make([]answer, 50)
			calls := make([]func(), len(answers))
			for i := range answers {
				who, decide := p.bob, (*client.Client).ApproveApproval
				if i%2 == 1 {
					who = p.carol
				}
				if i%4 > 1 {
					decide = (*client.Client).RejectApproval
				}
				calls[i] = func() {
					answers[i].approval, answers[i].err = decide(who, ctx, *j.ApprovalID, api.Decision{})
				}
			}
			callTogether(calls...)

			a, err := p.vera.GetApproval(ctx, *j.ApprovalID)
			if err != nil {
				t.Fatal(err)
			}
			winners := 0
			for _, answer := range answers {
				if answer.err == nil {
					winners++
					if answer.approval.State != a.State || *answer.approval.DecidedBy != *a.DecidedBy {
						t.Errorf("the winner got %+v, but the approval is %+v", answer.approval, a)
					}
					continue
				}
				refusal := servertest.RequireProblem(t, answer.err, api.CodeAlreadyDecided)
				if refusal.Status != 409 || refusal.State != string(a.State) || refusal.DecidedBy != *a.DecidedBy || !refusal.DecidedAt.Equal(*a.DecidedAt) {
					t.Errorf("a loser got %+v, but the approval is %+v", refusal, a)
				}
			}
			if winners != 1 {
				t.Errorf("%d decisions won", winners)
			}
			leaves := 0
			if a.State == api.ApprovalApproved {
				leaves = 1
				waitUntilEnded(t, s, j.ID, api.JobCompleted, "")
			} else {
				waitUntilEnded(t, s, j.ID, api.JobCancelled, "approval rejected")
			}
			if n := countRows(t, s, "SELECT count(*) FROM leaves WHERE job_id = ?", j.ID); n != leaves {
				t.Errorf("%d leaves of a request that is %s", n, a.State)
			}
			if n := countRows(t, s, "SELECT count(*) FROM audit_events WHERE resource_id = ? AND action <> 'approval_requested'", a.ID); n != 1 {
				t.Errorf("%d audit rows for one decision", n)
			}
		}
	})
}

// fixture has the objects of one round.
type fixture struct {
	people
	server      *servertest.Server
	certificate api.Certificate
	job         api.Job
}

func (w fixture) approve() error {
	_, err := w.bob.ApproveApproval(context.Background(), *w.job.ApprovalID, api.Decision{})
	return err
}

func (w fixture) reject() error {
	_, err := w.carol.RejectApproval(context.Background(), *w.job.ApprovalID, api.Decision{})
	return err
}

func (w fixture) withdraw() error {
	_, err := w.alice.WithdrawApproval(context.Background(), *w.job.ApprovalID, api.Withdrawal{})
	return err
}

// rename gives the certificate a new name.
func (w fixture) rename() error {
	spec := w.certificate.CertificateSpec
	spec.CommonName = fmt.Sprintf("new-%d.%s", rand.Uint32(), spec.CommonName)
	spec.SANs = []string{spec.CommonName}
	_, err := w.olga.ReplaceCertificate(context.Background(), w.certificate.ID, spec)
	return err
}

func (w fixture) archive() error {
	return w.olga.DeleteCertificate(context.Background(), w.certificate.ID)
}

// Decisions come shortly before and after the deadline, while the reaper runs.
func TestDecisionAgainstDeadline_HasOneEnd(t *testing.T) {
	runOnEach(t, func(t *testing.T, start startFunc) {
		ctx := context.Background()
		s := start(t, servertest.ApprovalTimeout(time.Hour))
		p, profile := peopleOf(t, s), s.CreateProfileAsOlga(t, true).ID
		for range 3 {
			requests := make([]api.Job, rounds)
			deadlines := make([]time.Time, rounds)
			for i := range requests {
				_, requests[i] = requestNew(t, s, p, profile)
				a, err := p.vera.GetApproval(ctx, *requests[i].ApprovalID)
				if err != nil {
					t.Fatal(err)
				}
				deadlines[i] = a.ExpiresAt
			}
			s.Clock.Advance(deadlines[0].Sub(s.Clock.Now()))
			answers := make([]error, rounds)
			var deciding sync.WaitGroup
			for i := range requests {
				deciding.Go(func() {
					time.Sleep(deadlines[i].Sub(s.Clock.Now()) + rand.N(6*time.Millisecond) - 3*time.Millisecond)
					decide := p.bob.ApproveApproval
					if i%2 == 1 {
						decide = p.carol.RejectApproval
					}
					_, answers[i] = decide(ctx, *requests[i].ApprovalID, api.Decision{})
				})
			}
			deciding.Wait()
			expired := 0
			for i, j := range requests {
				switch {
				case checkAnswer(t, "decide", answers[i], api.CodeApprovalExpired) != "":
					expired++
					waitUntilEnded(t, s, j.ID, api.JobCancelled, "approval expired")
				case i%2 == 1:
					waitUntilEnded(t, s, j.ID, api.JobCancelled, "approval rejected")
				default:
					waitUntilEnded(t, s, j.ID, api.JobCompleted, "")
				}
			}
			t.Logf("%d of %d expired", expired, rounds)
		}
	})
}

// Concurrent renewals open one job, and the refusals of the others name it.
func TestManyRenewals_OpenOneJob(t *testing.T) {
	runOnEach(t, func(t *testing.T, start startFunc) {
		ctx := context.Background()
		s := start(t)
		p := peopleOf(t, s)
		gated := s.CreateProfileAsOlga(t, true).ID
		for range rounds {
			c := s.CreateCertificateAsOlga(t, gated)
			jobs, errs := make([]api.Job, 4), make([]error, 4)
			calls := make([]func(), len(jobs))
			for i := range calls {
				who := p.alice
				if i%2 == 1 {
					who = p.olga
				}
				calls[i] = func() { jobs[i], errs[i] = who.RenewCertificate(ctx, c.ID, api.Renew{}) }
			}
			callTogether(calls...)
			winner := slices.IndexFunc(errs, func(err error) bool { return err == nil })
			if winner < 0 {
				t.Fatalf("no renewal succeeded: %v", errs)
			}
			for i, err := range errs {
				if i == winner {
					continue
				}
				refusal := servertest.RequireProblem(t, err, api.CodeJobAlreadyOpen)
				if refusal.JobID != jobs[winner].ID || refusal.ApprovalID != *jobs[winner].ApprovalID {
					t.Errorf("refused because of %s, but %s is open", refusal.JobID, jobs[winner].ID)
				}
			}
			if n := countRows(t, s, "SELECT count(*) FROM approvals WHERE certificate_id = ?", c.ID); n != 1 {
				t.Errorf("%d requests", n)
			}
		}
	})
}

// A job that was admitted before the gate is turned on is signed. After that, no job is admitted without approval.
func TestRenewalAgainstGating_SignsNothingUnapproved(t *testing.T) {
	runOnEach(t, func(t *testing.T, start startFunc) {
		ctx := context.Background()
		s := start(t)
		p := peopleOf(t, s)
		for range rounds {
			profile := s.CreateProfileAsOlga(t, false)
			c := s.CreateCertificateAsOlga(t, profile.ID)
			spec := profile.ProfileSpec
			spec.RequiresApproval = true
			var j api.Job
			var renew, gate error
			callTogether(
				func() { j, renew = p.alice.RenewCertificate(ctx, c.ID, api.Renew{}) },
				func() {
					time.Sleep(rand.N(8 * time.Millisecond))
					_, gate = p.olga.ReplaceProfile(ctx, profile.ID, spec)
				},
			)
			checkAnswer(t, "renew", renew)
			checkAnswer(t, "gate", gate)
			if j.Status == api.JobAwaitingApproval {
				continue
			}
			j = s.WaitUntilFinalAsVera(t, j.ID)
			before := countRows(t, s, "SELECT count(*) FROM intents WHERE job_id = ? AND profile_version = ?", j.ID, profile.Version)
			switch {
			case before == 1 && j.Status == api.JobCompleted:
			case before == 0 && j.Status == api.JobCancelled && countRows(t, s, "SELECT count(*) FROM intents WHERE job_id = ?", j.ID) == 0:
			// Without a crash, every intent is signed.
			default:
				t.Errorf("the job is %s (%s) with %d intents from before the gate", j.Status, j.ErrorMessage, before)
			}
		}
	})
}

// The scheduler lists what is due at the start of its scan. If a person or another server renews a certificate before the
// scheduler reaches it, the scheduler requests nothing.
func TestScanAgainstRenewals_RequestsOnlyWhatIsDue(t *testing.T) {
	runOnEach(t, func(t *testing.T, start startFunc) {
		s := start(t)
		p, profile := peopleOf(t, s), s.CreateProfileAsOlga(t, false).ID
		for range rounds {
			_, j := requestNew(t, s, p, profile)
			waitUntilEnded(t, s, j.ID, api.JobCompleted, "")
		}
		for range 2 {
			s.Clock.Advance(untilDue)
			var due []string
			s.Query(t, &due, "SELECT id FROM certificates ORDER BY renew_at DESC, uid DESC")
			began := s.Store.Now()
			scan := func() { renewDue(t, s) }
			callTogether(scan, scan, func() {
				for _, id := range due {
					_, err := p.alice.RenewCertificate(context.Background(), id, api.Renew{})
					checkAnswer(t, "renew", err, api.CodeJobAlreadyOpen)
				}
			})
			servertest.WaitUntil(t, func() error {
				if n := countRows(t, s, "SELECT count(*) FROM jobs WHERE status IN ('Pending', 'Running')"); n > 0 {
					return fmt.Errorf("%d jobs do not end", n)
				}
				return nil
			})
			if n := countRows(t, s, `SELECT count(*) FROM jobs j JOIN leaves l ON l.certificate_uid = j.certificate_uid
				WHERE j.requested_by = 'system-scheduler' AND l.created_at BETWEEN ? AND j.created_at`, began); n > 0 {
				t.Errorf("the scheduler requested %d certificates that were not due", n)
			}
			if n := countRows(t, s, "SELECT count(*) FROM certificates WHERE renew_at <= ?", began); n > 0 {
				t.Errorf("%d certificates are due", n)
			}
		}
	})
}
