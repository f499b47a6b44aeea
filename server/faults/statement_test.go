package faults_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/gate"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// fault makes a statement fail: a trigger that raises an error for one kind of row.
type fault struct {
	event, table, when string
	commit             bool // not the statement fails but the commit; PostgreSQL only
}

func (f fault) String() string {
	if f.commit {
		return "commit"
	}
	return strings.ToLower(f.event) + " of " + f.table
}

const breakage = "broken on purpose, and nobody's business"

// breaks sets the fault, and returns what drops it.
func (f fault) breaks(t testing.TB, s *servertest.Server) (drop func()) {
	t.Helper()
	if s.Store.IsSQLite() {
		s.Exec(t, fmt.Sprintf("CREATE TRIGGER fault BEFORE %s ON %s WHEN %s BEGIN SELECT RAISE(ABORT, '%s'); END",
			f.event, f.table, f.when, strings.ReplaceAll(breakage, "'", "''")))
		return func() { s.Exec(t, "DROP TRIGGER fault") }
	}
	s.Exec(t, fmt.Sprintf(`CREATE OR REPLACE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN RAISE EXCEPTION '%s'; END $$`, strings.ReplaceAll(breakage, "'", "''")))
	kind, deferred := "TRIGGER fault BEFORE", ""
	if f.commit {
		kind, deferred = "CONSTRAINT TRIGGER fault AFTER", "DEFERRABLE INITIALLY DEFERRED"
	}
	s.Exec(t, fmt.Sprintf("CREATE %s %s ON %s %s FOR EACH ROW WHEN (%s) EXECUTE FUNCTION fault()", kind, f.event, f.table, deferred, f.when))
	return func() { s.Exec(t, "DROP TRIGGER fault ON "+f.table) }
}

// audited is the fault that the audit row of an action cannot be written.
func audited(action string) fault {
	return fault{event: "INSERT", table: "audit_events", when: fmt.Sprintf("NEW.action = '%s'", action)}
}

func inserted(table string) fault { return fault{event: "INSERT", table: table, when: "1 = 1"} }

func updated(table, when string) fault { return fault{event: "UPDATE", table: table, when: when} }

func uncommitted(action string) fault {
	f := audited(action)
	f.commit = true
	return f
}

var tables = []string{
	"profiles", "certificates", "profile_changes", "certificate_changes", "approvals", "profile_edits", "jobs", "intents", "leaves",
	"audit_events", "principals", "keys", "issuers",
}

// rows are all rows of some tables, as text, in an order that does not change.
func rows(t testing.TB, s *servertest.Server, tables ...string) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for _, table := range tables {
		var found []map[string]any
		s.Query(t, &found, "SELECT * FROM "+table)
		for _, row := range found {
			text, err := json.Marshal(row)
			if err != nil {
				t.Fatal(err)
			}
			all[table] = append(all[table], string(text))
		}
		slices.Sort(all[table])
	}
	return all
}

// Whichever of its statements fails, a call does nothing, says nothing of why, and works once the fault is gone.
func TestCallWithFailingStatement(t *testing.T) {
	after := func(code api.Code, state api.ApprovalState) func(*testing.T, world, error) {
		return func(t *testing.T, w world, err error) {
			if answered(t, "again", err, code) != code {
				t.Errorf("without the fault the answer is %v, want %q", err, code)
			}
			a, err := w.vera.GetApproval(context.Background(), *w.job.ApprovalID)
			if err != nil || a.State != state {
				t.Errorf("the approval is %s (%v), want %s", a.State, err, state)
			}
		}
	}
	late := func(w world) error {
		w.server.Clock.Advance(200 * time.Hour)
		return w.approve()
	}
	for _, call := range []struct {
		name   string
		call   func(world) error
		faults []fault
		then   func(*testing.T, world, error)
	}{
		{"approve", world.approve, []fault{
			updated("approvals", "NEW.state = 'approved'"), updated("jobs", "NEW.status = 'Pending'"),
			audited("approval_approved"), uncommitted("approval_approved"),
		}, after("", api.ApprovalApproved)},
		{"reject", world.reject, []fault{
			updated("approvals", "NEW.state = 'rejected'"), updated("jobs", "NEW.status = 'Cancelled'"),
			audited("approval_rejected"), uncommitted("approval_rejected"),
		}, after("", api.ApprovalRejected)},
		{"withdraw", world.withdraw, []fault{
			updated("approvals", "NEW.state = 'cancelled'"), updated("jobs", "NEW.status = 'Cancelled'"),
			audited("approval_withdrawn"), uncommitted("approval_withdrawn"),
		}, after("", api.ApprovalCancelled)},
		{"approve too late", late, []fault{
			updated("approvals", "NEW.state = 'expired'"), updated("jobs", "NEW.status = 'Cancelled'"),
			audited("approval_expired"), uncommitted("approval_expired"),
		}, after(api.CodeApprovalExpired, api.ApprovalExpired)},
		{"approve by the same person", func(w world) error {
			_, err := w.alice.ApproveApproval(context.Background(), *w.job.ApprovalID, api.Decision{})
			return err
		}, []fault{audited("decision_denied")}, after(api.CodeTwoPersonIntegrity, api.ApprovalPending)},
		{"rename", world.rename, []fault{
			updated("approvals", "NEW.state = 'cancelled'"), updated("jobs", "NEW.status = 'Cancelled'"),
			audited("approval_cancelled"), updated("certificates", "NEW.version > OLD.version"),
			audited("certificate_updated"), uncommitted("certificate_updated"),
		}, after("", api.ApprovalCancelled)},
		{"archive", world.archive, []fault{
			updated("approvals", "NEW.state = 'cancelled'"), updated("jobs", "NEW.status = 'Cancelled'"),
			audited("approval_cancelled"), updated("certificates", "NEW.archived_at IS NOT NULL"),
			audited("certificate_archived"), uncommitted("certificate_archived"),
		}, after("", api.ApprovalCancelled)},
	} {
		t.Run(call.name, func(t *testing.T) {
			each(t, func(t *testing.T, start start) {
				s := start(t, servertest.NoWorkers())
				p, profile := peopleOf(t, s), s.CreateProfileAsOlga(t, true).ID
				var approved []string
				for _, fault := range call.faults {
					if fault.commit && s.Store.IsSQLite() {
						continue
					}
					c, j := renewed(t, s, p, profile)
					w := world{p, s, c, j}
					failsWhole(t, s, fault, func() error { return call.call(w) })
					call.then(t, w, call.call(w))
					approved = append(approved, j.ID)
				}
				s.Drain(t)
				for _, id := range approved {
					if j := jobOf(t, peopleOf(t, s), id); call.name == "approve" && j.Status != api.JobCompleted {
						t.Errorf("the approved job is %s: %s", j.Status, j.ErrorMessage)
					}
				}
			})
		})
	}
}

// The same for renew, without the gate, with it, and with the bypass, which asks and approves in one.
func TestRenewWithFailingStatement(t *testing.T) {
	asked := []fault{inserted("approvals"), inserted("jobs"), audited("approval_requested"), uncommitted("approval_requested")}
	for _, renew := range []struct {
		name   string
		gated  bool
		opts   []servertest.Option
		faults []fault
		opened api.JobStatus
	}{
		{"ungated", false, nil, []fault{inserted("jobs"), audited("issuance_requested"), uncommitted("issuance_requested")}, api.JobPending},
		{"gated", true, nil, asked, api.JobAwaitingApproval},
		{"bypassed", true, []servertest.Option{servertest.Bypass()}, append([]fault{
			updated("approvals", "NEW.state = 'approved'"), updated("jobs", "NEW.status = 'Pending'"),
			audited("approval_bypassed"), uncommitted("approval_bypassed"),
		}, asked...), api.JobPending},
	} {
		t.Run(renew.name, func(t *testing.T) {
			each(t, func(t *testing.T, start start) {
				s := start(t, append(renew.opts, servertest.NoWorkers())...)
				p, profile := peopleOf(t, s), s.CreateProfileAsOlga(t, renew.gated).ID
				for _, fault := range renew.faults {
					if fault.commit && s.Store.IsSQLite() {
						continue
					}
					w := world{people: p, server: s, certificate: s.CreateCertificateAsOlga(t, profile)}
					failsWhole(t, s, fault, w.renew)
					if err := w.renew(); err != nil {
						t.Errorf("%s: %v", fault, err)
					}
					if n := count(t, s, "SELECT count(*) FROM jobs WHERE certificate_id = ? AND status = ?", w.certificate.ID, renew.opened); n != 1 {
						t.Errorf("%s: without the fault %d jobs are %s", fault, n, renew.opened)
					}
				}
			})
		})
	}
}

// The same for an edit of a profile: asked for, decided, applied at once, and approved by the bypass.
func TestEditWithFailingStatement(t *testing.T) {
	asked := []fault{inserted("approvals"), inserted("profile_edits"), audited("approval_requested")}
	closed := []fault{updated("approvals", "NEW.state = 'cancelled'"), audited("approval_cancelled")}
	applied := []fault{updated("profiles", "NEW.version > OLD.version"), audited("profile_updated"), uncommitted("profile_updated")}
	signed := append([]fault{inserted("profile_changes")}, applied...) // what changes a signed field has an author
	for _, edit := range []struct {
		name         string
		gated, waits bool // before
		opts         []servertest.Option
		call         func(*scene) error
		faults       []fault
		// The profile's version and the state of its newest edit, after.
		version int64
		state   api.ApprovalState
	}{
		{"ask", true, false, nil, (*scene).gateOff, append(asked, uncommitted("approval_requested")), 1, api.ApprovalPending},
		{"replace", true, true, nil, (*scene).replaceEdit, slices.Concat(closed, asked, []fault{uncommitted("approval_cancelled")}), 1, api.ApprovalPending},
		{"take back", true, true, nil, (*scene).gateOn, append(closed, uncommitted("approval_cancelled")), 1, api.ApprovalCancelled},
		{"approve", true, true, nil, (*scene).approve, append([]fault{
			updated("approvals", "NEW.state = 'approved'"), audited("approval_approved"), uncommitted("approval_approved"),
		}, applied...), 2, api.ApprovalApproved},
		{"reject", true, true, nil, (*scene).reject, []fault{
			updated("approvals", "NEW.state = 'rejected'"), audited("approval_rejected"), uncommitted("approval_rejected"),
		}, 1, api.ApprovalRejected},
		{"apply", false, false, nil, func(s *scene) error {
			return s.put(s.alice, func(p *api.ProfileSpec) { p.RequiresApproval, p.MaxTTLSeconds = true, 3600 })
		}, signed, 2, ""},
		{"apply while another waits", true, true, nil, (*scene).disableProfile, slices.Concat(closed, applied), 2, api.ApprovalCancelled},
		{"bypass", true, false, []servertest.Option{servertest.Bypass()}, (*scene).replaceEdit, slices.Concat(asked, signed, []fault{
			updated("approvals", "NEW.state = 'approved'"), audited("approval_bypassed"), uncommitted("approval_bypassed"),
		}), 2, api.ApprovalApproved},
	} {
		t.Run(edit.name, func(t *testing.T) {
			each(t, func(t *testing.T, start start) {
				server := start(t, append(edit.opts, servertest.NoWorkers())...)
				p := peopleOf(t, server)
				for _, fault := range edit.faults {
					if fault.commit && server.Store.IsSQLite() {
						continue
					}
					s := &scene{world: world{people: p, server: server}, profile: server.CreateProfileAsOlga(t, edit.gated)}
					if edit.waits {
						s.ask(t, s.gateOff)
					}
					call := func() error { return edit.call(s) }
					failsWhole(t, server, fault, call)
					if err := call(); err != nil {
						t.Errorf("%s: without the fault: %v", fault, err)
					}
					var state api.ApprovalState
					server.Query(t, &state, "SELECT state FROM approvals WHERE profile_id = ? ORDER BY created_at DESC LIMIT 1", s.profile.ID)
					version := count(t, server, "SELECT version FROM profiles WHERE id = ?", s.profile.ID)
					if int64(version) != edit.version || state != edit.state {
						t.Errorf("%s: the profile is version %d and its edit %q, want %d and %q", fault, version, state, edit.version, edit.state)
					}
				}
			})
		})
	}
}

// failsWhole has a call run into a fault: nothing may be left of it, and nothing told.
func failsWhole(t *testing.T, s *servertest.Server, f fault, call func() error) {
	t.Helper()
	before := rows(t, s, tables...)
	drop := f.breaks(t, s)
	err := call()
	drop()
	refusal := servertest.RequireProblem(t, err, api.CodeInternal)
	said := strings.ReplaceAll(refusal.Error()+refusal.Title, refusal.RequestID, "") // which may spell anything
	if refusal.Status != 500 || strings.Contains(said, breakage) ||
		strings.Contains(said, f.table) || strings.Contains(strings.ToUpper(said), "SQL") {
		t.Errorf("%s: the caller was told %d %q", f, refusal.Status, said)
	}
	if diff := cmp.Diff(before, rows(t, s, tables...)); diff != "" {
		t.Errorf("%s: something happened all the same:\n%s", f, diff)
	}
}

// Whichever statement of a worker's fails, the job stays where it was, nothing is half stored, and it goes on by itself
// once the fault is gone, with the bytes it had.
func TestWorkerWithFailingStatement(t *testing.T) {
	for _, step := range []struct {
		name   string
		faults []fault
		signed bool // the issuer has signed before the fault
	}{
		{"claim", []fault{updated("jobs", "NEW.fence > OLD.fence"), {event: "UPDATE", table: "jobs", when: "NEW.status = 'Running'", commit: true}}, false},
		{"admit", []fault{
			updated("jobs", "OLD.status = 'Running' AND NEW.status = 'Running'"), inserted("intents"),
			audited("issuance_admitted"), uncommitted("issuance_admitted"),
		}, false},
		{"finish", []fault{
			inserted("leaves"), updated("certificates", "NEW.current_serial IS NOT NULL"),
			audited("certificate_issued"), updated("jobs", "NEW.status = 'Completed'"), uncommitted("certificate_issued"),
		}, true},
	} {
		t.Run(step.name, func(t *testing.T) {
			each(t, func(t *testing.T, start start) {
				issuer := newDouble(t, nil)
				s := start(t, servertest.Issuer(issuer))
				p, profile := peopleOf(t, s), s.CreateProfileAsOlga(t, true).ID
				for _, fault := range step.faults {
					if fault.commit && s.Store.IsSQLite() {
						continue
					}
					c, j := renewed(t, s, p, profile)
					drop := fault.breaks(t, s)
					if err := (world{p, s, c, j}).approve(); err != nil {
						t.Fatal(err)
					}
					stuck(t, s, j.ID, step.name == "claim")
					stalled := jobOf(t, p, j.ID)
					if stalled.FinishedAt != nil || stalled.Attempt != 0 {
						t.Errorf("%s: the job is %s after %d attempts", fault, stalled.Status, stalled.Attempt)
					}
					signed := len(issuer.calls(j.ID))
					if (signed > 0) != step.signed {
						t.Errorf("%s: the issuer was asked %d times", fault, signed)
					}
					for table, want := range map[string]bool{"intents": step.signed, "leaves": false} {
						if n := count(t, s, "SELECT count(*) FROM "+table+" WHERE job_id = ?", j.ID); (n > 0) != want {
							t.Errorf("%s: %d %s", fault, n, table)
						}
					}
					if n := count(t, s, "SELECT count(*) FROM audit_events WHERE action = 'certificate_issued' AND resource_id = ?", c.ID); n != 0 {
						t.Errorf("%s: the trail tells of a certificate", fault)
					}
					drop()
					s.Clock.Advance(time.Minute)
					if done := ended(t, s, j.ID, api.JobCompleted, ""); done.Attempt != 0 {
						t.Errorf("%s: a fault of the database counted as an attempt", fault)
					}
					issuer.askedFor(t, j.ID, len(issuer.calls(j.ID)))
				}
			})
		})
	}
}

// stuck waits until a worker has run into a fault some times over and given the job back.
func stuck(t testing.TB, s *servertest.Server, job string, atClaim bool) {
	t.Helper()
	if atClaim {
		time.Sleep(100 * time.Millisecond) // it leaves no trace
		return
	}
	servertest.WaitUntil(t, func() error {
		fence := count(t, s, "SELECT fence FROM jobs WHERE id = ? AND status = 'Pending'", job)
		if fence < 3 {
			time.Sleep(20 * time.Millisecond)
			s.Clock.Advance(time.Second)
			return fmt.Errorf("the job was claimed %d times", fence)
		}
		return nil
	})
}

// A gate that cannot record its refusal does not end the job, and does not let it pass either.
func TestRefusalWithFailingStatement(t *testing.T) {
	each(t, func(t *testing.T, start start) {
		s := start(t, servertest.NoWorkers())
		p, profile := peopleOf(t, s), s.CreateProfileAsOlga(t, true).ID
		faults := []fault{updated("jobs", "NEW.status = 'Cancelled'"), audited("issuance_refused")}
		for _, fault := range faults {
			c, j := renewed(t, s, p, profile)
			if err := (world{p, s, c, j}).approve(); err != nil {
				t.Fatal(err)
			}
			drop := fault.breaks(t, s)
			// Another CA, so that what was approved is no longer what would be signed.
			issuer := newDouble(t, nil)
			issuer.Issuer = anotherCA(t)
			s.ReplaceIssuer(t, issuer)
			s.Restart(t)
			stuck(t, s, j.ID, false)
			if n := count(t, s, "SELECT count(*) FROM intents WHERE job_id = ?", j.ID); n != 0 || len(issuer.calls(j.ID)) != 0 {
				t.Errorf("%s: it passed", fault)
			}
			drop()
			s.Clock.Advance(time.Minute)
			ended(t, s, j.ID, api.JobCancelled, "subject changed")
			if n := count(t, s, "SELECT count(*) FROM audit_events WHERE action = 'issuance_refused' AND resource_id = ?", j.ID); n != 1 {
				t.Errorf("%d refusals in the trail", n)
			}
			s.ReplaceIssuer(t, servertest.CA(t))
			s.Drain(t)
			p = peopleOf(t, s)
		}
	})
}

// One request that cannot be expired stops no other, and is never approved either.
func TestReaperWithFailingStatement(t *testing.T) {
	each(t, func(t *testing.T, start start) {
		s := start(t)
		p, profile := peopleOf(t, s), s.CreateProfileAsOlga(t, true).ID
		for _, fault := range []func(approval, job string) fault{
			func(approval, _ string) fault { return updated("approvals", fmt.Sprintf("NEW.id = '%s'", approval)) },
			func(_, job string) fault { return updated("jobs", fmt.Sprintf("NEW.id = '%s'", job)) },
			func(approval, _ string) fault {
				f := audited("approval_expired")
				f.when += fmt.Sprintf(" AND NEW.resource_id = '%s'", approval)
				return f
			},
		} {
			c, bad := renewed(t, s, p, profile)
			_, good := renewed(t, s, p, profile)
			drop := fault(*bad.ApprovalID, bad.ID).breaks(t, s)
			before := rows(t, s, "leaves", "intents")
			s.Clock.Advance(200 * time.Hour)
			ended(t, s, good.ID, api.JobCancelled, "approval expired")
			servertest.RequireProblem(t, world{p, s, c, bad}.approve(), api.CodeInternal)
			if j := jobOf(t, p, bad.ID); j.Status != api.JobAwaitingApproval {
				t.Errorf("the job is %s", j.Status)
			}
			if n := count(t, s, "SELECT count(*) FROM audit_events WHERE resource_id = ? AND action <> 'approval_requested'", *bad.ApprovalID); n != 0 {
				t.Errorf("%d audit rows of what did not happen", n)
			}
			drop()
			ended(t, s, bad.ID, api.JobCancelled, "approval expired")
			if diff := cmp.Diff(before, rows(t, s, "leaves", "intents")); diff != "" {
				t.Error(diff)
			}
		}
	})
}

// A job that cannot be taken back from a lost worker stops no other.
func TestReapWithFailingStatement(t *testing.T) {
	each(t, func(t *testing.T, start start) {
		s := start(t, servertest.NoWorkers())
		p, profile := peopleOf(t, s), s.CreateProfileAsOlga(t, false).ID
		_, bad := renewed(t, s, p, profile)
		_, good := renewed(t, s, p, profile)
		// A worker that was never heard of again had both.
		s.Exec(t, "UPDATE jobs SET status = 'Running', fence = 1, lease_until = ?", s.Store.Now().Add(-time.Hour))
		drop := updated("jobs", fmt.Sprintf("NEW.id = '%s' AND OLD.status = 'Running' AND NEW.status = 'Pending'", min(bad.ID, good.ID))).breaks(t, s)
		s.Restart(t)
		ended(t, s, max(bad.ID, good.ID), api.JobCompleted, "")
		drop()
		ended(t, s, min(bad.ID, good.ID), api.JobCompleted, "")
	})
}

// One certificate that the scheduler cannot ask for stops no other, nothing is left of the attempt, and it is asked for
// the next time.
func TestScanWithFailingStatement(t *testing.T) {
	each(t, func(t *testing.T, start start) {
		s := start(t)
		p := peopleOf(t, s)
		for gated, action := range map[bool]string{true: "approval_requested", false: "issuance_requested"} {
			profile, scans := s.CreateProfileAsOlga(t, gated).ID, 0
			issue := func(certificate string) {
				t.Helper()
				var j api.Job
				s.Query(t, &j, "SELECT id, approval_id FROM jobs WHERE certificate_id = ? ORDER BY created_at DESC LIMIT 1", certificate)
				if gated {
					if err := (world{people: p, job: j}).approve(); err != nil {
						t.Fatal(err)
					}
				}
				ended(t, s, j.ID, api.JobCompleted, "")
			}
			for range 3 {
				c, _ := renewed(t, s, p, profile)
				issue(c.ID)
			}
			for _, fault := range []fault{
				{event: "INSERT", table: "approvals"}, {event: "INSERT", table: "jobs"}, {event: "INSERT", table: "jobs", commit: true}, audited(action),
			} {
				if fault.table == "approvals" && !gated || fault.commit && s.Store.IsSQLite() {
					continue
				}
				s.Clock.Advance(mostOfALife)
				var due []struct{ ID, Digest string } // in the scheduler's order, so that the first one comes before the others
				s.Query(t, &due, `SELECT DISTINCT c.renew_at, c.uid, c.id, j.digest FROM certificates c JOIN jobs j ON j.certificate_uid = c.uid
					WHERE c.profile_id = ? ORDER BY c.renew_at, c.uid`, profile)
				bad, good := due[0], due[1:]
				if fault.when == "" {
					fault.when = fmt.Sprintf("NEW.certificate_id = '%s'", bad.ID)
				} else {
					fault.when += fmt.Sprintf(" AND NEW.details LIKE '%%%s%%'", bad.Digest) // what is asked for is what it was
				}
				drop := fault.breaks(t, s)
				scan(t, s)
				scans++
				drop()
				for _, c := range good {
					scheduled(t, s, c.ID, scans)
					issue(c.ID)
				}
				scheduled(t, s, bad.ID, scans-1)
				scan(t, s)
				scheduled(t, s, bad.ID, scans)
				issue(bad.ID)
			}
		}
		// Of each request there is everything or nothing.
		jobs := count(t, s, "SELECT count(*) FROM jobs WHERE requested_by = 'system-scheduler'")
		if n := count(t, s, "SELECT count(*) FROM audit_events WHERE actor = 'system-scheduler'"); n != jobs {
			t.Errorf("the trail tells of %d requests, and there are %d", n, jobs)
		}
	})
}

// After so long a certificate is due, whose last third begins after 60 days.
const mostOfALife = 61 * 24 * time.Hour

func scan(t testing.TB, s *servertest.Server) {
	t.Helper()
	if err := s.App.RenewDue(context.Background()); err != nil {
		t.Error(err)
	}
}

// scheduled fails the test unless the scheduler has asked for a certificate so many times.
func scheduled(t testing.TB, s *servertest.Server, certificate string, times int) {
	t.Helper()
	if n := count(t, s, "SELECT count(*) FROM jobs WHERE certificate_id = ? AND requested_by = 'system-scheduler'", certificate); n != times {
		t.Errorf("the scheduler asked for certificate %s %d times, not %d", certificate, n, times)
	}
}

// An issuer's failure that cannot be stored is not lost and not counted: the job is another's when its lease is over.
func TestFailureWithFailingStatement(t *testing.T) {
	const attempts = 5
	for _, failure := range []struct {
		name   string
		before int // attempts that were counted
		faults []fault
	}{
		{"tried again", 0, []fault{
			updated("jobs", "NEW.attempt > OLD.attempt"), audited("issuance_retried"), uncommitted("issuance_retried"),
		}},
		{"failed for good", attempts - 1, []fault{
			updated("jobs", "NEW.status = 'Failed'"), audited("issuance_failed"), uncommitted("issuance_failed"),
		}},
	} {
		t.Run(failure.name, func(t *testing.T) {
			each(t, func(t *testing.T, start start) {
				for _, fault := range failure.faults {
					var sound atomic.Bool
					issuer := newDouble(t, func(ctx context.Context, c signing, real gate.Issuer) (gate.Chain, error) {
						if sound.Load() {
							return real.Sign(ctx, c.Permit)
						}
						return gate.Chain{}, errors.New("no luck")
					})
					log := &journal{}
					s := start(t, servertest.Issuer(issuer), servertest.Log(log))
					if fault.commit && s.Store.IsSQLite() {
						continue
					}
					p := peopleOf(t, s)
					drop := fault.breaks(t, s)
					j := approved(t, s, p, s.CreateProfileAsOlga(t, true).ID)
					for attempt := range failure.before {
						s.Clock.Advance(attempted(t, s, p, j.ID, attempt+1).RunAt.Sub(s.Clock.Now()))
					}
					counted := func() int {
						return count(t, s, "SELECT count(*) FROM audit_events WHERE resource_id = ? AND action IN ('issuance_retried', 'issuance_failed')", j.ID)
					}
					for stuck := range 2 {
						servertest.WaitUntil(t, func() error { return log.said("could not return the job to the queue", stuck+1) })
						if lies := jobOf(t, p, j.ID); lies.Status != api.JobRunning || lies.Attempt != failure.before || counted() != failure.before {
							t.Errorf("%s: the job is %s after %d attempts, %d of them in the trail", fault, lies.Status, lies.Attempt, counted())
						}
						if stuck == 1 {
							drop()
						}
						s.Clock.Advance(40 * time.Second)
					}
					want, asked := api.JobFailed, failure.before+3
					if failure.before+1 < attempts {
						again := attempted(t, s, p, j.ID, failure.before+1)
						sound.Store(true)
						s.Clock.Advance(again.RunAt.Sub(s.Clock.Now()))
						want, asked = api.JobCompleted, asked+1
					}
					if done := s.WaitUntilFinalAsVera(t, j.ID); done.Status != want || done.Attempt != failure.before+1 || counted() != failure.before+1 {
						t.Errorf("%s: the job is %s after %d attempts, %d of them in the trail", fault, done.Status, done.Attempt, counted())
					}
					issuer.askedFor(t, j.ID, asked)
				}
			})
		})
	}
}
