package faults_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/certctl/terraform-provider-certctl/api"
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

func inserted(table string) fault {
	return fault{event: "INSERT", table: table, when: "NEW.created_at IS NOT NULL"}
}

func updated(table, when string) fault { return fault{event: "UPDATE", table: table, when: when} }

func uncommitted(action string) fault {
	f := audited(action)
	f.commit = true
	return f
}

var tables = []string{
	"profiles", "certificates", "profile_changes", "certificate_changes", "approvals", "jobs", "intents", "leaves", "audit_events",
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
				p, profile := peopleOf(t, s), s.Profile(t, true).ID
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

// The same for renew, with and without the gate.
func TestRenewWithFailingStatement(t *testing.T) {
	each(t, func(t *testing.T, start start) {
		s := start(t, servertest.NoWorkers())
		p := peopleOf(t, s)
		for gated, faults := range map[bool][]fault{
			true:  {inserted("approvals"), inserted("jobs"), audited("approval_requested"), uncommitted("approval_requested")},
			false: {inserted("jobs"), audited("issuance_requested"), uncommitted("issuance_requested")},
		} {
			profile := s.Profile(t, gated).ID
			for _, fault := range faults {
				if fault.commit && s.Store.IsSQLite() {
					continue
				}
				c := s.Certificate(t, profile)
				renew := func() error {
					_, err := p.alice.RenewCertificate(context.Background(), c.ID, api.Renew{})
					return err
				}
				failsWhole(t, s, fault, renew)
				if err := renew(); err != nil {
					t.Errorf("%s: %v", fault, err)
				}
			}
		}
	})
}

// failsWhole has a call run into a fault: nothing may be left of it, and nothing told.
func failsWhole(t *testing.T, s *servertest.Server, f fault, call func() error) {
	t.Helper()
	before := rows(t, s, tables...)
	drop := f.breaks(t, s)
	err := call()
	drop()
	refusal := servertest.RefusedWith(t, err, api.CodeInternal)
	if said := refusal.Error() + refusal.Title; refusal.Status != 500 || strings.Contains(said, breakage) ||
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
				p, profile := peopleOf(t, s), s.Profile(t, true).ID
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
	servertest.Eventually(t, func() error {
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
		p, profile := peopleOf(t, s), s.Profile(t, true).ID
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
			s.UseIssuer(issuer)
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
			s.UseIssuer(servertest.CA(t))
			s.Drain(t)
			p = peopleOf(t, s)
		}
	})
}

// One request that cannot be expired stops no other, and is never approved either.
func TestReaperWithFailingStatement(t *testing.T) {
	each(t, func(t *testing.T, start start) {
		s := start(t)
		p, profile := peopleOf(t, s), s.Profile(t, true).ID
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
			servertest.RefusedWith(t, world{p, s, c, bad}.approve(), api.CodeInternal)
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
		p, profile := peopleOf(t, s), s.Profile(t, false).ID
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
