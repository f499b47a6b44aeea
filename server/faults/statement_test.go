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

// fault is a trigger that makes a statement fail for some rows.
type fault struct {
	event, table, when string
	commit             bool // whether the commit fails, not the statement; PostgreSQL only
}

func (f fault) String() string {
	if f.commit {
		return "commit"
	}
	return strings.ToLower(f.event) + " of " + f.table
}

const breakage = "broken on purpose, and nobody's business"

// apply creates the trigger, and returns a function that drops it.
func (f fault) apply(t testing.TB, s *servertest.Server) (drop func()) {
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

// auditFault makes the audit row of an action fail.
func auditFault(action string) fault {
	return fault{event: "INSERT", table: "audit_events", when: fmt.Sprintf("NEW.action = '%s'", action)}
}

func insertFault(table string) fault { return fault{event: "INSERT", table: table, when: "1 = 1"} }

func updateFault(table, when string) fault { return fault{event: "UPDATE", table: table, when: when} }

func commitFault(action string) fault {
	f := auditFault(action)
	f.commit = true
	return f
}

var tables = []string{
	"profiles", "certificates", "profile_changes", "certificate_changes", "approvals", "profile_edits", "jobs", "intents", "leaves",
	"audit_events", "principals", "keys", "issuers",
}

// readRows returns all rows of some tables, as sorted texts.
func readRows(t testing.TB, s *servertest.Server, tables ...string) map[string][]string {
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

// If a statement fails, the call changes nothing and its answer hides the cause. Without the fault the call works.
func TestCallWithFailingStatement_DoesNothing(t *testing.T) {
	after := func(code api.Code, state api.ApprovalState) func(*testing.T, fixture, error) {
		return func(t *testing.T, w fixture, err error) {
			if checkAnswer(t, "again", err, code) != code {
				t.Errorf("without the fault the answer is %v, want %q", err, code)
			}
			a, err := w.vera.GetApproval(context.Background(), *w.job.ApprovalID)
			if err != nil || a.State != state {
				t.Errorf("the approval is %s (%v), want %s", a.State, err, state)
			}
		}
	}
	late := func(w fixture) error {
		w.server.Clock.Advance(200 * time.Hour)
		return w.approve()
	}
	for _, call := range []struct {
		name   string
		call   func(fixture) error
		faults []fault
		then   func(*testing.T, fixture, error)
	}{
		{"approve", fixture.approve, []fault{
			updateFault("approvals", "NEW.state = 'approved'"), updateFault("jobs", "NEW.status = 'Pending'"),
			auditFault("approval_approved"), commitFault("approval_approved"),
		}, after("", api.ApprovalApproved)},
		{"reject", fixture.reject, []fault{
			updateFault("approvals", "NEW.state = 'rejected'"), updateFault("jobs", "NEW.status = 'Cancelled'"),
			auditFault("approval_rejected"), commitFault("approval_rejected"),
		}, after("", api.ApprovalRejected)},
		{"withdraw", fixture.withdraw, []fault{
			updateFault("approvals", "NEW.state = 'cancelled'"), updateFault("jobs", "NEW.status = 'Cancelled'"),
			auditFault("approval_withdrawn"), commitFault("approval_withdrawn"),
		}, after("", api.ApprovalCancelled)},
		{"approve too late", late, []fault{
			updateFault("approvals", "NEW.state = 'expired'"), updateFault("jobs", "NEW.status = 'Cancelled'"),
			auditFault("approval_expired"), commitFault("approval_expired"),
		}, after(api.CodeApprovalExpired, api.ApprovalExpired)},
		{"approve by the same person", func(w fixture) error {
			_, err := w.alice.ApproveApproval(context.Background(), *w.job.ApprovalID, api.Decision{})
			return err
		}, []fault{auditFault("decision_denied")}, after(api.CodeTwoPersonIntegrity, api.ApprovalPending)},
		{"rename", fixture.rename, []fault{
			updateFault("approvals", "NEW.state = 'cancelled'"), updateFault("jobs", "NEW.status = 'Cancelled'"),
			auditFault("approval_cancelled"), updateFault("certificates", "NEW.version > OLD.version"),
			auditFault("certificate_updated"), commitFault("certificate_updated"),
		}, after("", api.ApprovalCancelled)},
		{"archive", fixture.archive, []fault{
			updateFault("approvals", "NEW.state = 'cancelled'"), updateFault("jobs", "NEW.status = 'Cancelled'"),
			auditFault("approval_cancelled"), updateFault("certificates", "NEW.archived_at IS NOT NULL"),
			auditFault("certificate_archived"), commitFault("certificate_archived"),
		}, after("", api.ApprovalCancelled)},
	} {
		t.Run(call.name, func(t *testing.T) {
			runOnEach(t, func(t *testing.T, start startFunc) {
				s := start(t, servertest.NoWorkers())
				p, profile := peopleOf(t, s), s.CreateProfileAsOlga(t, true).ID
				var approved []string
				for _, fault := range call.faults {
					if fault.commit && s.Store.IsSQLite() {
						continue
					}
					c, j := requestNew(t, s, p, profile)
					w := fixture{p, s, c, j}
					checkFailsWhole(t, s, fault, func() error { return call.call(w) })
					call.then(t, w, call.call(w))
					approved = append(approved, j.ID)
				}
				s.Drain(t)
				for _, id := range approved {
					if j := getJob(t, peopleOf(t, s), id); call.name == "approve" && j.Status != api.JobCompleted {
						t.Errorf("the approved job is %s: %s", j.Status, j.ErrorMessage)
					}
				}
			})
		})
	}
}

// If a statement fails, renew changes nothing: without the gate, with the gate, and with the bypass.
func TestRenewWithFailingStatement_DoesNothing(t *testing.T) {
	requestFaults := []fault{insertFault("approvals"), insertFault("jobs"), auditFault("approval_requested"), commitFault("approval_requested")}
	for _, renew := range []struct {
		name   string
		gated  bool
		opts   []servertest.Option
		faults []fault
		opened api.JobStatus
	}{
		{"ungated", false, nil, []fault{insertFault("jobs"), auditFault("issuance_requested"), commitFault("issuance_requested")}, api.JobPending},
		{"gated", true, nil, requestFaults, api.JobAwaitingApproval},
		{"bypassed", true, []servertest.Option{servertest.Bypass()}, append([]fault{
			updateFault("approvals", "NEW.state = 'approved'"), updateFault("jobs", "NEW.status = 'Pending'"),
			auditFault("approval_bypassed"), commitFault("approval_bypassed"),
		}, requestFaults...), api.JobPending},
	} {
		t.Run(renew.name, func(t *testing.T) {
			runOnEach(t, func(t *testing.T, start startFunc) {
				s := start(t, append(renew.opts, servertest.NoWorkers())...)
				p, profile := peopleOf(t, s), s.CreateProfileAsOlga(t, renew.gated).ID
				for _, fault := range renew.faults {
					if fault.commit && s.Store.IsSQLite() {
						continue
					}
					w := fixture{people: p, server: s, certificate: s.CreateCertificateAsOlga(t, profile)}
					checkFailsWhole(t, s, fault, w.renew)
					if err := w.renew(); err != nil {
						t.Errorf("%s: %v", fault, err)
					}
					if n := countRows(t, s, "SELECT count(*) FROM jobs WHERE certificate_id = ? AND status = ?", w.certificate.ID, renew.opened); n != 1 {
						t.Errorf("%s: without the fault %d jobs are %s", fault, n, renew.opened)
					}
				}
			})
		})
	}
}

// If a statement fails, an edit of a profile changes nothing: when requested, decided, applied at once, or bypassed.
func TestEditWithFailingStatement_DoesNothing(t *testing.T) {
	requestFaults := []fault{insertFault("approvals"), insertFault("profile_edits"), auditFault("approval_requested")}
	closeFaults := []fault{updateFault("approvals", "NEW.state = 'cancelled'"), auditFault("approval_cancelled")}
	applyFaults := []fault{updateFault("profiles", "NEW.version > OLD.version"), auditFault("profile_updated"), commitFault("profile_updated")}
	signedFaults := append([]fault{insertFault("profile_changes")}, applyFaults...) // a change of a signed field also writes its author
	for _, edit := range []struct {
		name         string
		gated, waits bool // before the edit
		opts         []servertest.Option
		call         func(*raceFixture) error
		faults       []fault
		// The version of the profile and the state of its newest edit, afterwards.
		version int64
		state   api.ApprovalState
	}{
		{"request", true, false, nil, (*raceFixture).requestGateOff, append(requestFaults, commitFault("approval_requested")), 1, api.ApprovalPending},
		{"replace", true, true, nil, (*raceFixture).replaceEdit, slices.Concat(closeFaults, requestFaults, []fault{commitFault("approval_cancelled")}), 1, api.ApprovalPending},
		{"take back", true, true, nil, (*raceFixture).turnGateOn, append(closeFaults, commitFault("approval_cancelled")), 1, api.ApprovalCancelled},
		{"approve", true, true, nil, (*raceFixture).approve, append([]fault{
			updateFault("approvals", "NEW.state = 'approved'"), auditFault("approval_approved"), commitFault("approval_approved"),
		}, applyFaults...), 2, api.ApprovalApproved},
		{"reject", true, true, nil, (*raceFixture).reject, []fault{
			updateFault("approvals", "NEW.state = 'rejected'"), auditFault("approval_rejected"), commitFault("approval_rejected"),
		}, 1, api.ApprovalRejected},
		{"apply", false, false, nil, func(s *raceFixture) error {
			return s.putEdit(s.alice, func(p *api.ProfileSpec) { p.RequiresApproval, p.MaxTTLSeconds = true, 3600 })
		}, signedFaults, 2, ""},
		{"apply while another waits", true, true, nil, (*raceFixture).disableProfile, slices.Concat(closeFaults, applyFaults), 2, api.ApprovalCancelled},
		{"bypass", true, false, []servertest.Option{servertest.Bypass()}, (*raceFixture).replaceEdit, slices.Concat(requestFaults, signedFaults, []fault{
			updateFault("approvals", "NEW.state = 'approved'"), auditFault("approval_bypassed"), commitFault("approval_bypassed"),
		}), 2, api.ApprovalApproved},
	} {
		t.Run(edit.name, func(t *testing.T) {
			runOnEach(t, func(t *testing.T, start startFunc) {
				server := start(t, append(edit.opts, servertest.NoWorkers())...)
				p := peopleOf(t, server)
				for _, fault := range edit.faults {
					if fault.commit && server.Store.IsSQLite() {
						continue
					}
					s := &raceFixture{fixture: fixture{people: p, server: server}, profile: server.CreateProfileAsOlga(t, edit.gated)}
					if edit.waits {
						s.request(t, s.requestGateOff)
					}
					call := func() error { return edit.call(s) }
					checkFailsWhole(t, server, fault, call)
					if err := call(); err != nil {
						t.Errorf("%s: without the fault: %v", fault, err)
					}
					var state api.ApprovalState
					server.Query(t, &state, "SELECT state FROM approvals WHERE profile_id = ? ORDER BY created_at DESC LIMIT 1", s.profile.ID)
					version := countRows(t, server, "SELECT version FROM profiles WHERE id = ?", s.profile.ID)
					if int64(version) != edit.version || state != edit.state {
						t.Errorf("%s: the profile is version %d and its edit %q, want %d and %q", fault, version, state, edit.version, edit.state)
					}
				}
			})
		})
	}
}

// checkFailsWhole calls with a fault. The call must change nothing, and its answer must hide the cause.
func checkFailsWhole(t *testing.T, s *servertest.Server, f fault, call func() error) {
	t.Helper()
	before := readRows(t, s, tables...)
	drop := f.apply(t, s)
	err := call()
	drop()
	refusal := servertest.RequireProblem(t, err, api.CodeInternal)
	text := strings.ReplaceAll(refusal.Error()+refusal.Title, refusal.RequestID, "") // the id may contain any word
	if refusal.Status != 500 || strings.Contains(text, breakage) ||
		strings.Contains(text, f.table) || strings.Contains(strings.ToUpper(text), "SQL") {
		t.Errorf("%s: the answer is %d %q", f, refusal.Status, text)
	}
	if diff := cmp.Diff(before, readRows(t, s, tables...)); diff != "" {
		t.Errorf("%s: something changed:\n%s", f, diff)
	}
}

// If a statement of a worker fails, the job keeps its state and nothing is stored. Without the fault the job continues with
// the same bytes.
func TestWorkerWithFailingStatement_RetriesTheSameBytes(t *testing.T) {
	for _, step := range []struct {
		name   string
		faults []fault
		signed bool // whether the issuer has signed before the fault
	}{
		{"claim", []fault{updateFault("jobs", "NEW.fence > OLD.fence"), {event: "UPDATE", table: "jobs", when: "NEW.status = 'Running'", commit: true}}, false},
		{"admit", []fault{
			updateFault("jobs", "OLD.status = 'Running' AND NEW.status = 'Running'"), insertFault("intents"),
			auditFault("issuance_admitted"), commitFault("issuance_admitted"),
		}, false},
		{"finish", []fault{
			insertFault("leaves"), updateFault("certificates", "NEW.current_serial IS NOT NULL"),
			auditFault("certificate_issued"), updateFault("jobs", "NEW.status = 'Completed'"), commitFault("certificate_issued"),
		}, true},
	} {
		t.Run(step.name, func(t *testing.T) {
			runOnEach(t, func(t *testing.T, start startFunc) {
				issuer := newTestIssuer(t, nil)
				s := start(t, servertest.Issuer(issuer))
				p, profile := peopleOf(t, s), s.CreateProfileAsOlga(t, true).ID
				for _, fault := range step.faults {
					if fault.commit && s.Store.IsSQLite() {
						continue
					}
					c, j := requestNew(t, s, p, profile)
					drop := fault.apply(t, s)
					if err := (fixture{p, s, c, j}).approve(); err != nil {
						t.Fatal(err)
					}
					waitForRetries(t, s, j.ID, step.name == "claim")
					waiting := getJob(t, p, j.ID)
					if waiting.FinishedAt != nil || waiting.Attempt != 0 {
						t.Errorf("%s: the job is %s after %d attempts", fault, waiting.Status, waiting.Attempt)
					}
					signed := len(issuer.listCalls(j.ID))
					if (signed > 0) != step.signed {
						t.Errorf("%s: the issuer was called %d times", fault, signed)
					}
					for table, want := range map[string]bool{"intents": step.signed, "leaves": false} {
						if n := countRows(t, s, "SELECT count(*) FROM "+table+" WHERE job_id = ?", j.ID); (n > 0) != want {
							t.Errorf("%s: %d %s", fault, n, table)
						}
					}
					if n := countRows(t, s, "SELECT count(*) FROM audit_events WHERE action = 'certificate_issued' AND resource_id = ?", c.ID); n != 0 {
						t.Errorf("%s: the audit trail has a certificate", fault)
					}
					drop()
					s.Clock.Advance(time.Minute)
					if done := waitUntilEnded(t, s, j.ID, api.JobCompleted, ""); done.Attempt != 0 {
						t.Errorf("%s: a fault of the database counted as an attempt", fault)
					}
					issuer.checkCalls(t, j.ID, len(issuer.listCalls(j.ID)))
				}
			})
		})
	}
}

// waitForRetries waits until a worker has failed several times and returned the job.
func waitForRetries(t testing.TB, s *servertest.Server, job string, atClaim bool) {
	t.Helper()
	if atClaim {
		time.Sleep(100 * time.Millisecond) // a failed claim leaves no trace
		return
	}
	servertest.WaitUntil(t, func() error {
		fence := countRows(t, s, "SELECT fence FROM jobs WHERE id = ? AND status = 'Pending'", job)
		if fence < 3 {
			time.Sleep(20 * time.Millisecond)
			s.Clock.Advance(time.Second)
			return fmt.Errorf("the job was claimed %d times", fence)
		}
		return nil
	})
}

// If the gate cannot record its refusal, the job neither ends nor is admitted.
func TestRefusalWithFailingStatement_LeavesTheJobOpen(t *testing.T) {
	runOnEach(t, func(t *testing.T, start startFunc) {
		s := start(t, servertest.NoWorkers())
		p, profile := peopleOf(t, s), s.CreateProfileAsOlga(t, true).ID
		faults := []fault{updateFault("jobs", "NEW.status = 'Cancelled'"), auditFault("issuance_refused")}
		for _, fault := range faults {
			c, j := requestNew(t, s, p, profile)
			if err := (fixture{p, s, c, j}).approve(); err != nil {
				t.Fatal(err)
			}
			drop := fault.apply(t, s)
			// Another CA changes the subject, so the gate refuses.
			issuer := newTestIssuer(t, nil)
			issuer.Issuer = newOtherCA(t)
			s.ReplaceIssuer(t, issuer)
			s.Restart(t)
			waitForRetries(t, s, j.ID, false)
			if n := countRows(t, s, "SELECT count(*) FROM intents WHERE job_id = ?", j.ID); n != 0 || len(issuer.listCalls(j.ID)) != 0 {
				t.Errorf("%s: it passed", fault)
			}
			drop()
			s.Clock.Advance(time.Minute)
			waitUntilEnded(t, s, j.ID, api.JobCancelled, "subject changed")
			if n := countRows(t, s, "SELECT count(*) FROM audit_events WHERE action = 'issuance_refused' AND resource_id = ?", j.ID); n != 1 {
				t.Errorf("%d refusals in the trail", n)
			}
			s.ReplaceIssuer(t, servertest.CA(t))
			s.Drain(t)
			p = peopleOf(t, s)
		}
	})
}

// A request that cannot be expired stops no other expiry, and is never approved.
func TestReaperWithFailingStatement_ExpiresTheOthers(t *testing.T) {
	runOnEach(t, func(t *testing.T, start startFunc) {
		s := start(t)
		p, profile := peopleOf(t, s), s.CreateProfileAsOlga(t, true).ID
		for _, fault := range []func(approval, job string) fault{
			func(approval, _ string) fault {
				return updateFault("approvals", fmt.Sprintf("NEW.id = '%s'", approval))
			},
			func(_, job string) fault { return updateFault("jobs", fmt.Sprintf("NEW.id = '%s'", job)) },
			func(approval, _ string) fault {
				f := auditFault("approval_expired")
				f.when += fmt.Sprintf(" AND NEW.resource_id = '%s'", approval)
				return f
			},
		} {
			c, bad := requestNew(t, s, p, profile)
			_, good := requestNew(t, s, p, profile)
			drop := fault(*bad.ApprovalID, bad.ID).apply(t, s)
			before := readRows(t, s, "leaves", "intents")
			s.Clock.Advance(200 * time.Hour)
			waitUntilEnded(t, s, good.ID, api.JobCancelled, "approval expired")
			servertest.RequireProblem(t, fixture{p, s, c, bad}.approve(), api.CodeInternal)
			if j := getJob(t, p, bad.ID); j.Status != api.JobAwaitingApproval {
				t.Errorf("the job is %s", j.Status)
			}
			if n := countRows(t, s, "SELECT count(*) FROM audit_events WHERE resource_id = ? AND action <> 'approval_requested'", *bad.ApprovalID); n != 0 {
				t.Errorf("%d audit rows of what did not happen", n)
			}
			drop()
			waitUntilEnded(t, s, bad.ID, api.JobCancelled, "approval expired")
			if diff := cmp.Diff(before, readRows(t, s, "leaves", "intents")); diff != "" {
				t.Error(diff)
			}
		}
	})
}

// A job that cannot be taken back from a lost worker stops no other.
func TestReapWithFailingStatement_TakesBackTheOthers(t *testing.T) {
	runOnEach(t, func(t *testing.T, start startFunc) {
		s := start(t, servertest.NoWorkers())
		p, profile := peopleOf(t, s), s.CreateProfileAsOlga(t, false).ID
		_, bad := requestNew(t, s, p, profile)
		_, good := requestNew(t, s, p, profile)
		// A lost worker had both jobs.
		s.Exec(t, "UPDATE jobs SET status = 'Running', fence = 1, lease_until = ?", s.Store.Now().Add(-time.Hour))
		drop := updateFault("jobs", fmt.Sprintf("NEW.id = '%s' AND OLD.status = 'Running' AND NEW.status = 'Pending'", min(bad.ID, good.ID))).apply(t, s)
		s.Restart(t)
		waitUntilEnded(t, s, max(bad.ID, good.ID), api.JobCompleted, "")
		drop()
		waitUntilEnded(t, s, min(bad.ID, good.ID), api.JobCompleted, "")
	})
}

// A certificate that the scheduler cannot request stops no other, and leaves nothing. The next scan requests it.
func TestScanWithFailingStatement_RequestsTheOthers(t *testing.T) {
	runOnEach(t, func(t *testing.T, start startFunc) {
		s := start(t)
		p := peopleOf(t, s)
		for gated, action := range map[bool]string{true: "approval_requested", false: "issuance_requested"} {
			profile, scans := s.CreateProfileAsOlga(t, gated).ID, 0
			issue := func(certificate string) {
				t.Helper()
				var j struct {
					ID         string
					ApprovalID *string
				}
				s.Query(t, &j, "SELECT id, approval_id FROM jobs WHERE certificate_id = ? ORDER BY created_at DESC LIMIT 1", certificate)
				if gated {
					if err := (fixture{people: p, job: api.Job{ID: j.ID, ApprovalID: j.ApprovalID}}).approve(); err != nil {
						t.Fatal(err)
					}
				}
				waitUntilEnded(t, s, j.ID, api.JobCompleted, "")
			}
			for range 3 {
				c, _ := requestNew(t, s, p, profile)
				issue(c.ID)
			}
			for _, fault := range []fault{
				{event: "INSERT", table: "approvals"}, {event: "INSERT", table: "jobs"}, {event: "INSERT", table: "jobs", commit: true}, auditFault(action),
			} {
				if fault.table == "approvals" && !gated || fault.commit && s.Store.IsSQLite() {
					continue
				}
				s.Clock.Advance(untilDue)
				var due []struct{ ID, Digest string } // in the order of the scheduler, so that the first certificate comes first
				s.Query(t, &due, `SELECT DISTINCT c.renew_at, c.uid, c.id, j.digest FROM certificates c JOIN jobs j ON j.certificate_uid = c.uid
					WHERE c.profile_id = ? ORDER BY c.renew_at, c.uid`, profile)
				bad, good := due[0], due[1:]
				if fault.when == "" {
					fault.when = fmt.Sprintf("NEW.certificate_id = '%s'", bad.ID)
				} else {
					fault.when += fmt.Sprintf(" AND NEW.details LIKE '%%%s%%'", bad.Digest) // the new request has the same digest
				}
				drop := fault.apply(t, s)
				renewDue(t, s)
				scans++
				drop()
				for _, c := range good {
					checkScheduled(t, s, c.ID, scans)
					issue(c.ID)
				}
				checkScheduled(t, s, bad.ID, scans-1)
				renewDue(t, s)
				checkScheduled(t, s, bad.ID, scans)
				issue(bad.ID)
			}
		}
		// Each request is complete: a job and its audit row.
		jobs := countRows(t, s, "SELECT count(*) FROM jobs WHERE requested_by = 'system-scheduler'")
		if n := countRows(t, s, "SELECT count(*) FROM audit_events WHERE actor = 'system-scheduler'"); n != jobs {
			t.Errorf("the audit trail has %d requests, and there are %d", n, jobs)
		}
	})
}

// untilDue is the time after which a certificate is due: the last third of its validity begins after 60 days.
const untilDue = 61 * 24 * time.Hour

func renewDue(t testing.TB, s *servertest.Server) {
	t.Helper()
	if err := s.App.RenewDue(context.Background()); err != nil {
		t.Error(err)
	}
}

// checkScheduled fails the test unless the scheduler has requested a certificate so many times.
func checkScheduled(t testing.TB, s *servertest.Server, certificate string, times int) {
	t.Helper()
	if n := countRows(t, s, "SELECT count(*) FROM jobs WHERE certificate_id = ? AND requested_by = 'system-scheduler'", certificate); n != times {
		t.Errorf("the scheduler requested certificate %s %d times, not %d", certificate, n, times)
	}
}

// If a failure of the issuer cannot be stored, it counts no attempt. Once the lease expires, another worker takes the job.
func TestFailureWithFailingStatement_CountsOneAttempt(t *testing.T) {
	// With pauses that double from two seconds, ten minutes are over after nine attempts.
	const attempts = 10
	for _, failure := range []struct {
		name   string
		before int // attempts counted before
		faults []fault
	}{
		{"tried again", 0, []fault{
			updateFault("jobs", "NEW.attempt > OLD.attempt"), auditFault("issuance_retried"), commitFault("issuance_retried"),
		}},
		{"failed for good", attempts - 1, []fault{
			updateFault("jobs", "NEW.status = 'Failed'"), auditFault("issuance_failed"), commitFault("issuance_failed"),
		}},
	} {
		t.Run(failure.name, func(t *testing.T) {
			runOnEach(t, func(t *testing.T, start startFunc) {
				for _, fault := range failure.faults {
					var sound atomic.Bool
					issuer := newTestIssuer(t, func(ctx context.Context, c signCall, real gate.Issuer) (gate.Chain, error) {
						if sound.Load() {
							return real.Sign(ctx, c.Permit)
						}
						return gate.Chain{}, errors.New("no luck")
					})
					log := &servertest.LogBuffer{}
					s := start(t, servertest.Issuer(issuer), servertest.Log(log), servertest.IssueWithin(10*time.Minute))
					if fault.commit && s.Store.IsSQLite() {
						continue
					}
					p := peopleOf(t, s)
					drop := fault.apply(t, s)
					j := requestAndApprove(t, s, p, s.CreateProfileAsOlga(t, true).ID)
					for attempt := range failure.before {
						s.Clock.Advance(waitForAttempt(t, s, p, j.ID, attempt+1).RunAt.Sub(s.Clock.Now()))
					}
					countAttempts := func() int {
						return countRows(t, s, "SELECT count(*) FROM audit_events WHERE resource_id = ? AND action IN ('issuance_retried', 'issuance_failed')", j.ID)
					}
					for round := range 2 {
						servertest.WaitUntil(t, func() error { return checkLog(log, "could not return the job to the queue", round+1) })
						if running := getJob(t, p, j.ID); running.Status != api.JobRunning || running.Attempt != failure.before || countAttempts() != failure.before {
							t.Errorf("%s: the job is %s after %d attempts, %d of them in the trail", fault, running.Status, running.Attempt, countAttempts())
						}
						if round == 1 {
							drop()
						}
						s.Clock.Advance(40 * time.Second)
					}
					want, calls := api.JobFailed, failure.before+3
					if failure.before+1 < attempts {
						again := waitForAttempt(t, s, p, j.ID, failure.before+1)
						sound.Store(true)
						s.Clock.Advance(again.RunAt.Sub(s.Clock.Now()))
						want, calls = api.JobCompleted, calls+1
					}
					if done := s.WaitUntilFinalAsVera(t, j.ID); done.Status != want || done.Attempt != failure.before+1 || countAttempts() != failure.before+1 {
						t.Errorf("%s: the job is %s after %d attempts, %d of them in the trail", fault, done.Status, done.Attempt, countAttempts())
					}
					issuer.checkCalls(t, j.ID, calls)
				}
			})
		})
	}
}
