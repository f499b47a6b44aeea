package faults_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
	"github.com/certctl/terraform-provider-certctl/rules"
	"github.com/certctl/terraform-provider-certctl/server/principal"
	"github.com/certctl/terraform-provider-certctl/server/profile"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// raceFixture has the objects of one race. alice requests and bob decides. Both are new principals, since a race may
// disable them.
type raceFixture struct {
	fixture
	requester, approver string // their ids
	profile             api.Profile
	waiting             []string // approvals that are pending before the race
	unapproved          []int    // intents without approval, counted each time the gate was known to be on
}

// raceTimeout is how long a request may wait in a race.
const raceTimeout = time.Hour

// setting prepares a raceFixture, which has only a gated profile.
type setting struct {
	name      string
	set       func(testing.TB, *raceFixture)
	noneWaits bool // whether nothing waits before the race
}

// certificates are settings with a certificate: gated or not, requested or not, and with the gate turned off since.
var certificates = []setting{
	{"gated", func(t testing.TB, s *raceFixture) { s.createCertificate(t) }, true},
	{"ungated", func(t testing.TB, s *raceFixture) { s.createCertificate(t); s.approveGateOff(t) }, true},
	{"requested", func(t testing.TB, s *raceFixture) { s.createCertificate(t); s.request(t, s.renew) }, false},
	{"requested, and turning the gate off waits", func(t testing.TB, s *raceFixture) {
		s.createCertificate(t)
		s.request(t, s.renew)
		s.request(t, s.requestGateOff)
	}, false},
	{"requested, and the gate is off", func(t testing.TB, s *raceFixture) { s.createCertificate(t); s.request(t, s.renew); s.approveGateOff(t) }, false},
}

// edits has no certificate, so that the profile can be deleted.
var edits = []setting{{"edit", func(t testing.TB, s *raceFixture) { s.request(t, s.requestGateOff) }, false}}

func newRace(t testing.TB, server *servertest.Server, p people, start setting) *raceFixture {
	t.Helper()
	s := &raceFixture{fixture: fixture{people: p, server: server}}
	s.createPeople(t)
	rules := api.DefaultProfileSpec()
	rules.Name, rules.RequiresApproval, rules.AllowedDNSNames = "of "+s.requester, true, []string{"**.example.com"}
	var err error
	if s.profile, err = s.alice.CreateProfile(context.Background(), api.CreateProfile{ProfileSpec: rules}); err != nil {
		t.Fatal(err)
	}
	// The server now caches bob's key, as it caches alice's. A decision must not rely on the cache.
	if _, err := s.bob.GetMe(context.Background()); err != nil {
		t.Fatal(err)
	}
	start.set(t, s)
	return s
}

// createPeople makes new principals for alice and bob.
func (s *raceFixture) createPeople(t testing.TB) {
	t.Helper()
	s.requester, s.approver = "alice-"+store.NewID(""), "bob-"+store.NewID("")
	keys := map[string]string{}
	s.server.Write(t, func(tx *store.Tx) (err error) {
		for id, role := range map[string]api.Role{s.requester: api.RoleOperator, s.approver: api.RoleApprover} {
			if err = principal.Create(tx, id, api.KindHuman, "", []api.Role{role}); err != nil {
				return err
			}
			if keys[id], err = principal.CreateKey(tx, id, "race", 0); err != nil {
				return err
			}
		}
		return nil
	})
	for id, who := range map[string]**client.Client{s.requester: &s.alice, s.approver: &s.bob} {
		var err error
		// With a transport for each of a thousand clients, a thousand connections would stay open.
		if *who, err = client.New(s.server.URL, keys[id], client.WithRetries(0), client.WithHTTPClient(http.DefaultClient)); err != nil {
			t.Fatal(err)
		}
	}
}

// createCertificate makes a certificate under the profile.
func (s *raceFixture) createCertificate(t testing.TB) {
	t.Helper()
	spec := api.DefaultCertificateSpec()
	spec.CommonName = s.requester + ".example.com"
	spec.SANs, spec.ProfileID, spec.CSRPEM = []string{spec.CommonName}, s.profile.ID, servertest.CSR(t)
	var err error
	if s.certificate, err = s.alice.CreateCertificate(context.Background(), api.CreateCertificate{CertificateSpec: spec}); err != nil {
		t.Fatal(err)
	}
}

// request makes a request that waits, and lists what waits.
func (s *raceFixture) request(t testing.TB, ask func() error) {
	t.Helper()
	err := ask()
	if err != nil {
		t.Fatal(err)
	}
	if s.waiting, err = s.listPending(); err != nil {
		t.Fatal(err)
	}
}

// approveGateOff turns the gate off, with carol's approval.
func (s *raceFixture) approveGateOff(t testing.TB) {
	t.Helper()
	before := s.waiting
	s.request(t, s.requestGateOff)
	for _, id := range s.waiting {
		if slices.Contains(before, id) {
			continue
		}
		if _, err := s.carol.ApproveApproval(context.Background(), id, api.Decision{}); err != nil {
			t.Fatal(err)
		}
	}
	s.waiting = before
}

// listPending returns the ids of the pending approvals.
func (s *raceFixture) listPending() (ids []string, err error) {
	err = s.server.Store.Read(context.Background(), func(tx *store.Tx) error {
		return tx.DB.Raw("SELECT id FROM approvals WHERE profile_id = ? AND state = 'pending'", s.profile.ID).Scan(&ids).Error
	})
	return ids, err
}

// errNothing is the result of a call that found no pending approval.
var errNothing = errors.New("nothing waits")

// decide calls decide for a pending approval. If none was pending before the race, the other call may make one.
func (s *raceFixture) decide(decide func(id string) error) error {
	waiting, err := s.waiting, error(nil)
	for try := 0; len(waiting) == 0 && try < 10; try++ {
		if waiting, err = s.listPending(); err != nil {
			return err
		}
	}
	if len(waiting) == 0 {
		return errNothing
	}
	return decide(waiting[rand.IntN(len(waiting))])
}

func (s *raceFixture) approve() error {
	return s.decide(func(id string) error {
		_, err := s.bob.ApproveApproval(context.Background(), id, api.Decision{})
		return err
	})
}

func (s *raceFixture) reject() error {
	return s.decide(func(id string) error {
		_, err := s.bob.RejectApproval(context.Background(), id, api.Decision{})
		return err
	})
}

func (s *raceFixture) withdraw() error {
	return s.decide(func(id string) error {
		_, err := s.alice.WithdrawApproval(context.Background(), id, api.Withdrawal{})
		return err
	})
}

// expire passes the deadline, and expires requests as the reaper does.
func (s *raceFixture) expire() error {
	s.server.Clock.Advance(raceTimeout)
	return s.server.App.Expire(context.Background())
}

func (s *raceFixture) disable(id string) error {
	return s.server.Store.Write(context.Background(), func(tx *store.Tx) error {
		_, err := s.server.App.DisablePrincipal(tx, id)
		return err
	})
}

func (s *raceFixture) disableRequester() error { return s.disable(s.requester) }
func (s *raceFixture) disableApprover() error  { return s.disable(s.approver) }

// putEdit edits the profile as it was before the race. It checks that the answer has the edit, stored or waiting.
func (s *raceFixture) putEdit(who *client.Client, change func(*api.ProfileSpec)) error {
	spec := s.profile.ProfileSpec
	change(&spec)
	stored, err := who.ReplaceProfile(context.Background(), s.profile.ID, spec)
	var waiting *client.AwaitingApprovalError
	switch {
	case errors.As(err, &waiting):
		var subject api.EditSubject
		if err := json.Unmarshal(waiting.Approval.Subject, &subject); err != nil {
			return err
		}
		if waiting.Approval.Kind != api.ApprovalProfileEdit || !profile.SameRules(subject.After.Spec(), spec) {
			return fmt.Errorf("the edit waits for %+v", waiting.Approval)
		}
		return nil
	case err == nil && !rules.SameProfile(stored.ProfileSpec, spec):
		return fmt.Errorf("the answer is %+v", stored)
	}
	return err
}

// turnGateOn turns the gate on, or takes back the edit that would turn it off.
func (s *raceFixture) turnGateOn() error { return s.putEdit(s.alice, func(*api.ProfileSpec) {}) }

// countUnapproved counts the intents without an approval.
const countUnapproved = "SELECT count(*) FROM intents i JOIN jobs j ON j.id = i.job_id WHERE j.profile_id = ? AND j.approval_id IS NULL"

func (s *raceFixture) requestGateOff() error {
	return s.putEdit(s.alice, func(p *api.ProfileSpec) { p.RequiresApproval = false })
}

func (s *raceFixture) replaceEdit() error {
	return s.putEdit(s.alice, func(p *api.ProfileSpec) { p.RequiresApproval, p.MaxTTLSeconds = false, 3600 })
}

func (s *raceFixture) editAsOlga() error {
	return s.putEdit(s.olga, func(p *api.ProfileSpec) { p.RequiresApproval, p.MaxTTLSeconds = false, 7200 })
}

func (s *raceFixture) disableProfile() error {
	return s.putEdit(s.olga, func(p *api.ProfileSpec) { p.Enabled = false })
}

func (s *raceFixture) deleteProfile() error {
	return s.olga.DeleteProfile(context.Background(), s.profile.ID)
}

// verb is a call that races with another.
type verb struct {
	name string
	call func(*raceFixture) error
	// refusals are the codes that may refuse the verb, each with the verbs that cause it; "" needs no other verb.
	refusals map[api.Code][]string
	// countQuery counts the effects, if every success has an effect.
	countQuery string
}

// enders are the verbs that can end a request before another call does.
var enders = []string{
	"approve", "reject", "withdraw", "rename", "archive", "gate on", "replace the edit", "disable the profile", "delete the profile",
	"disable the requester",
}

var verbs = []verb{
	{"gate on", (*raceFixture).turnGateOn, map[api.Code][]string{
		api.CodeNotFound: {"delete the profile"}, api.CodeEditAlreadyPending: {"another's edit"},
		api.CodeUnauthenticated: {"disable the requester"},
	}, ""},
	{"gate off", (*raceFixture).requestGateOff, map[api.Code][]string{
		api.CodeNotFound: {"delete the profile"}, api.CodeEditAlreadyPending: {"another's edit"},
		api.CodeUnauthenticated: {"disable the requester"}, api.CodeEditRejected: {"reject"},
	}, ""},
	{"renew", func(s *raceFixture) error { return s.renew() }, map[api.Code][]string{
		api.CodeJobAlreadyOpen: {""}, api.CodeNotFound: {"archive"}, api.CodeUnauthenticated: {"disable the requester"},
	}, "SELECT count(*) FROM jobs WHERE certificate_id = @certificate AND requested_by = @requester"},
	{"approve", (*raceFixture).approve, map[api.Code][]string{
		api.CodeAlreadyDecided: enders, api.CodeApprovalExpired: {"expire"}, api.CodeUnauthenticated: {"disable the approver"},
	}, "SELECT count(*) FROM audit_events WHERE action = 'approval_approved' AND actor = @approver"},
	{"reject", (*raceFixture).reject, map[api.Code][]string{
		api.CodeAlreadyDecided: enders, api.CodeApprovalExpired: {"expire"}, api.CodeUnauthenticated: {"disable the approver"},
	}, "SELECT count(*) FROM audit_events WHERE action = 'approval_rejected' AND actor = @approver"},
	{"withdraw", (*raceFixture).withdraw, map[api.Code][]string{
		api.CodeAlreadyDecided: enders, api.CodeApprovalExpired: {"expire"}, api.CodeUnauthenticated: {"disable the requester"},
	}, "SELECT count(*) FROM audit_events WHERE action = 'approval_withdrawn' AND actor = @requester"},
	{"expire", (*raceFixture).expire, nil, ""},
	{"disable the requester", (*raceFixture).disableRequester, nil, ""},
	{"disable the approver", (*raceFixture).disableApprover, nil, ""},
	{"rename", func(s *raceFixture) error { return s.rename() }, map[api.Code][]string{
		api.CodeJobAlreadyOpen: {"approve", "renew"}, api.CodeNotFound: {"archive"},
	}, "SELECT count(*) FROM audit_events WHERE action = 'certificate_updated' AND resource_id = @certificate"},
	{"archive", func(s *raceFixture) error { return s.archive() }, map[api.Code][]string{
		api.CodeInUse: {"approve", "renew"}, api.CodeNotFound: {"archive"},
	}, "SELECT count(*) FROM audit_events WHERE action = 'certificate_archived' AND resource_id = @certificate"},
	{"replace the edit", (*raceFixture).replaceEdit, map[api.Code][]string{
		api.CodeNotFound: {"delete the profile"}, api.CodeEditAlreadyPending: {"another's edit"},
		api.CodeUnauthenticated: {"disable the requester"},
	}, ""},
	{"another's edit", (*raceFixture).editAsOlga, map[api.Code][]string{
		api.CodeEditAlreadyPending: {""}, api.CodeNotFound: {"delete the profile"},
	}, ""},
	{"disable the profile", (*raceFixture).disableProfile, map[api.Code][]string{api.CodeNotFound: {"delete the profile"}}, ""},
	{"delete the profile", (*raceFixture).deleteProfile, map[api.Code][]string{
		api.CodeNotFound: {"delete the profile"},
	}, "SELECT count(*) FROM audit_events WHERE action = 'profile_deleted' AND resource_id = @profile"},
}

// listAllowed returns the codes with which a verb may be refused in a race with another.
func (v verb) listAllowed(other verb) (codes []api.Code) {
	for code, reasons := range v.refusals {
		if slices.Contains(reasons, "") || slices.Contains(reasons, other.name) {
			codes = append(codes, code)
		}
	}
	return codes
}

// interactsWith reports whether two verbs can affect each other if nothing waits before the race.
func (v verb) interactsWith(other verb) bool {
	requesting := []string{"renew", "gate off"}
	deciding := []string{"approve", "reject", "withdraw", "expire", "disable the requester", "disable the approver"}
	return (!slices.Contains(deciding, v.name) || slices.Contains(requesting, other.name)) &&
		(!slices.Contains(deciding, other.name) || slices.Contains(requesting, v.name))
}

func (v verb) count(t testing.TB, s *raceFixture) int {
	t.Helper()
	if v.countQuery == "" {
		return 0
	}
	return countRows(t, s.server, v.countQuery, map[string]any{
		"profile": s.profile.ID, "certificate": s.certificate.ID, "requester": s.requester, "approver": s.approver,
	})
}

// Any two of these calls run at once, on one certificate. Each is answered as if it came before or after the other. The
// server stores what it answered.
func TestRaces_AnswerAndStoreTheSame(t *testing.T) {
	raceAll(t, certificates, 1, "gate on", "gate off", "renew", "approve", "reject", "withdraw", "rename", "archive", "expire",
		"disable the requester", "disable the approver")
}

// Any two of these calls run at once, on a waiting edit. At the end the edit has one state, and the profile is unchanged or
// as approved.
func TestEditRaces_AnswerAndStoreTheSame(t *testing.T) {
	raceAll(t, edits, 2, "approve", "reject", "withdraw", "expire", "gate on", "gate off", "replace the edit", "another's edit",
		"disable the profile", "delete the profile", "disable the requester", "disable the approver")
}

// raceAll runs each pair of verbs several times in each setting.
func raceAll(t *testing.T, settings []setting, times int, names ...string) {
	t.Helper()
	var racing []verb
	for _, v := range verbs {
		if slices.Contains(names, v.name) {
			racing = append(racing, v)
		}
	}
	if len(racing) != len(names) {
		t.Fatalf("of the verbs %v there are %d", names, len(racing))
	}
	runOnEach(t, func(t *testing.T, start startFunc) {
		server := start(t, servertest.ApprovalTimeout(raceTimeout))
		p := peopleOf(t, server)
		answers := map[string]int{}
		for i, left := range racing {
			for _, right := range racing[i:] {
				for _, setting := range settings {
					times := times
					if setting.noneWaits {
						if !left.interactsWith(right) {
							continue
						}
						times *= 2 // only in these settings a renewal can succeed
					}
					for range times {
						s := newRace(t, server, p, setting)
						// The spread is about one call, or about the time of a worker.
						spread := []time.Duration{time.Millisecond, 8 * time.Millisecond}[rand.IntN(2)]
						s.runPair(t, fmt.Sprintf("%s and %s (%s)", left.name, right.name, setting.name), left, right, spread, answers)
					}
				}
			}
		}
		// Locks have an order, so there is no deadlock. PostgreSQL would end one only after a second.
		if !server.Store.IsSQLite() {
			if n := countRows(t, server, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"); n > 0 {
				t.Errorf("%d deadlocks", n)
			}
		}
		for _, answer := range slices.Sorted(maps.Keys(answers)) {
			t.Logf("%s: %d", answer, answers[answer])
		}
	})
}

// runPair runs two calls at once and checks the result.
func (s *raceFixture) runPair(t *testing.T, what string, left, right verb, spread time.Duration, answers map[string]int) {
	t.Helper()
	racers, errs, unapproved := []verb{left, right}, make([]error, 2), make([]int, 2)
	before := []int{left.count(t, s), right.count(t, s)}
	late := rand.IntN(2)
	calls := make([]func(), 2)
	for i := range racers {
		calls[i] = func() {
			if i == late {
				time.Sleep(rand.N(spread))
			}
			errs[i] = racers[i].call(s)
			if racers[i].name == "gate on" {
				unapproved[i] = countRows(t, s.server, countUnapproved, s.profile.ID)
			}
		}
	}
	callTogether(calls...)

	for i, v := range racers {
		if errors.Is(errs[i], errNothing) {
			continue
		}
		if v.name == "gate on" && errs[i] == nil {
			s.unapproved = append(s.unapproved, unapproved[i])
		}
		answers[v.name+" "+string(checkAnswer(t, what+": "+v.name, errs[i], v.listAllowed(racers[1-i])...))]++
	}
	for i, v := range racers {
		succeeded := 0
		for j := range racers {
			if racers[j].name == v.name && errs[j] == nil {
				succeeded++
			}
		}
		if done := v.count(t, s) - before[i]; v.countQuery != "" && done != succeeded {
			t.Errorf("%s: %s succeeded %d times and has %d effects", what, v.name, succeeded, done)
		}
	}
	s.checkSettled(t, what)
	for _, v := range racers {
		s.checkAfter(t, what, v)
	}
	// Close what still waits before the next race.
	if err := s.disableRequester(); err != nil {
		t.Errorf("%s: %v", what, err)
	}
}

// checkAfter checks what must not remain once a verb was answered.
func (s *raceFixture) checkAfter(t *testing.T, what string, v verb) {
	t.Helper()
	switch {
	case v.name == "expire":
		if n := countRows(t, s.server, "SELECT count(*) FROM approvals WHERE state = 'pending' AND id IN ?", append(s.waiting, "")); n != 0 {
			t.Errorf("%s: %d requests wait after their deadline", what, n)
		}
	case v.name == "disable the requester":
		if n := countRows(t, s.server, "SELECT count(*) FROM approvals WHERE state = 'pending' AND accountable = ?", s.requester); n != 0 {
			t.Errorf("%s: %d requests of a disabled person wait", what, n)
		}
	case v.name == "disable the approver" && len(s.waiting) > 0:
		if err := s.approve(); codeOf(err) != api.CodeUnauthenticated {
			t.Errorf("%s: a disabled person decides: %v", what, err)
		}
	}
}

// checkSettled waits until every job has ended, and checks that each job ended as its approval did. It also checks that once
// the gate was on, nothing was signed without approval.
func (s *raceFixture) checkSettled(t *testing.T, what string) {
	t.Helper()
	servertest.WaitUntil(t, func() error {
		if n := countRows(t, s.server, "SELECT count(*) FROM jobs WHERE certificate_id = ? AND status IN ('Pending', 'Running')", s.certificate.ID); n > 0 {
			return fmt.Errorf("%s: %d jobs do not end", what, n)
		}
		return nil
	})
	var jobs []struct {
		ID, Status, ErrorMessage string
		State, Action, Details   string
		Intents                  int
	}
	s.server.Query(t, &jobs, `SELECT j.id, j.status, j.error_message, coalesce(a.state, '') AS state, coalesce(e.action, '') AS action,
		coalesce(e.details, '{}') AS details, (SELECT count(*) FROM intents i WHERE i.job_id = j.id) AS intents
		FROM jobs j LEFT JOIN approvals a ON a.id = j.approval_id
		LEFT JOIN audit_events e ON e.resource_id = a.id AND e.action IN ('approval_cancelled', 'approval_withdrawn')
		WHERE j.certificate_id = ?`, s.certificate.ID)
	for _, j := range jobs {
		var details struct{ Cause api.Cause }
		if err := json.Unmarshal([]byte(j.Details), &details); err != nil {
			t.Error(err)
		}
		want := map[string]string{
			"": "Completed ", "pending": "AwaitingApproval ", "approved": "Completed ", "rejected": "Cancelled approval rejected",
			"expired": "Cancelled approval expired", "cancelled": "Cancelled " + details.Cause.Words(),
		}[j.State]
		if j.Action == "approval_withdrawn" {
			want = "Cancelled approval withdrawn"
		}
		if j.State == "" && len(s.unapproved) > 0 && j.Intents == 0 {
			want = "Cancelled the profile requires approval and nobody approved"
		}
		if got := j.Status + " " + j.ErrorMessage; got != want {
			t.Errorf("%s: the job of an approval that is %q is %q, want %q", what, j.State, got, want)
		}
	}
	// If both calls turned the gate on, the smaller count is the right one.
	if len(s.unapproved) == 0 || countRows(t, s.server, "SELECT count(*) FROM profiles WHERE id = ? AND requires_approval", s.profile.ID) == 0 {
		return
	}
	if n := countRows(t, s.server, countUnapproved, s.profile.ID) - slices.Min(s.unapproved); n != 0 {
		t.Errorf("%s: %d jobs were admitted without approval after the gate was on", what, n)
	}
}
