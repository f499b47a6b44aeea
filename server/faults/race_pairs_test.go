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

// scene is what one round of a race is about. Whoever plays alice in it asks, and whoever plays bob decides; both are
// new, because either may be disabled.
type scene struct {
	world
	requester, approver string // their ids
	profile             api.Profile
	waiting             []string // the approvals that wait when the race begins
	let                 []int    // what had passed the gate without approval each time that a caller knew it to be on
}

// patience is how long a request waits in a race.
const patience = time.Hour

// setting makes a scene out of one that has a gated profile only.
type setting struct {
	name string
	set  func(testing.TB, *scene)
	idle bool // nothing waits
}

// Around a certificate: with or without the gate, something asked for or not, and what is asked for under a gate that
// was lifted meanwhile.
var certificates = []setting{
	{"gated", func(t testing.TB, s *scene) { s.certify(t) }, true},
	{"ungated", func(t testing.TB, s *scene) { s.certify(t); s.lift(t) }, true},
	{"asked", func(t testing.TB, s *scene) { s.certify(t); s.ask(t, s.renew) }, false},
	{"asked, and the gate to be lifted", func(t testing.TB, s *scene) { s.certify(t); s.ask(t, s.renew); s.ask(t, s.gateOff) }, false},
	{"asked under a gate that is lifted", func(t testing.TB, s *scene) { s.certify(t); s.ask(t, s.renew); s.lift(t) }, false},
}

// Around an edit there is no certificate, so that the profile can be deleted.
var edits = []setting{{"edit", func(t testing.TB, s *scene) { s.ask(t, s.gateOff) }, false}}

func newScene(t testing.TB, server *servertest.Server, p people, begins setting) *scene {
	t.Helper()
	s := &scene{world: world{people: p, server: server}}
	s.newcomers(t)
	rules := api.DefaultProfileSpec()
	rules.Name, rules.RequiresApproval, rules.AllowedDNSNames = "of "+s.requester, true, []string{"**.example.com"}
	var err error
	if s.profile, err = s.alice.CreateProfile(context.Background(), api.CreateProfile{ProfileSpec: rules}); err != nil {
		t.Fatal(err)
	}
	// From here on bob's key is believed for a while, as alice's is: a decision must not rely on that.
	if _, err := s.bob.GetMe(context.Background()); err != nil {
		t.Fatal(err)
	}
	begins.set(t, s)
	return s
}

// newcomers plays alice and bob with people who were not there before.
func (s *scene) newcomers(t testing.TB) {
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
		// With a transport of his own each of some thousand would leave a connection behind.
		if *who, err = client.New(s.server.URL, keys[id], client.WithRetries(0), client.WithHTTPClient(http.DefaultClient)); err != nil {
			t.Fatal(err)
		}
	}
}

// certify makes a certificate under the profile.
func (s *scene) certify(t testing.TB) {
	t.Helper()
	spec := api.DefaultCertificateSpec()
	spec.CommonName = s.requester + ".example.com"
	spec.SANs, spec.ProfileID, spec.CSRPEM = []string{spec.CommonName}, s.profile.ID, servertest.CSR(t)
	var err error
	if s.certificate, err = s.alice.CreateCertificate(context.Background(), api.CreateCertificate{CertificateSpec: spec}); err != nil {
		t.Fatal(err)
	}
}

// ask has something asked for, which waits from now on.
func (s *scene) ask(t testing.TB, ask func() error) {
	t.Helper()
	err := ask()
	if err != nil {
		t.Fatal(err)
	}
	if s.waiting, err = s.pending(); err != nil {
		t.Fatal(err)
	}
}

// lift has the gate lifted, with carol's approval.
func (s *scene) lift(t testing.TB) {
	t.Helper()
	before := s.waiting
	s.ask(t, s.gateOff)
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

// pending are the approvals that wait now.
func (s *scene) pending() (ids []string, err error) {
	err = s.server.Store.Read(context.Background(), func(tx *store.Tx) error {
		return tx.DB.Raw("SELECT id FROM approvals WHERE profile_id = ? AND state = 'pending'", s.profile.ID).Scan(&ids).Error
	})
	return ids, err
}

// errNothing is the end of a call that found nothing to do.
var errNothing = errors.New("nothing waits")

// decide does something with one of those that wait. If none did when the race began, the other side may have asked.
func (s *scene) decide(decide func(id string) error) error {
	waiting, err := s.waiting, error(nil)
	for look := 0; len(waiting) == 0 && look < 10; look++ {
		if waiting, err = s.pending(); err != nil {
			return err
		}
	}
	if len(waiting) == 0 {
		return errNothing
	}
	return decide(waiting[rand.IntN(len(waiting))])
}

func (s *scene) approve() error {
	return s.decide(func(id string) error {
		_, err := s.bob.ApproveApproval(context.Background(), id, api.Decision{})
		return err
	})
}

func (s *scene) reject() error {
	return s.decide(func(id string) error {
		_, err := s.bob.RejectApproval(context.Background(), id, api.Decision{})
		return err
	})
}

func (s *scene) withdraw() error {
	return s.decide(func(id string) error {
		_, err := s.alice.WithdrawApproval(context.Background(), id, api.Withdrawal{})
		return err
	})
}

// expire lets the time pass, and looks as the reaper does.
func (s *scene) expire() error {
	s.server.Clock.Advance(patience)
	return s.server.App.Expire(context.Background())
}

func (s *scene) disable(id string) error {
	return s.server.Store.Write(context.Background(), func(tx *store.Tx) error {
		_, err := s.server.App.DisablePrincipal(tx, id)
		return err
	})
}

func (s *scene) disableRequester() error { return s.disable(s.requester) }
func (s *scene) disableApprover() error  { return s.disable(s.approver) }

// put edits what the profile was in the beginning. What is answered is what was sent, stored or waiting.
func (s *scene) put(who *client.Client, change func(*api.ProfileSpec)) error {
	spec := s.profile.ProfileSpec
	change(&spec)
	stored, err := who.ReplaceProfile(context.Background(), s.profile.ID, spec)
	var waits *client.AwaitingApprovalError
	switch {
	case errors.As(err, &waits):
		var asked api.EditSubject
		if err := json.Unmarshal(waits.Approval.Subject, &asked); err != nil {
			return err
		}
		if waits.Approval.Kind != api.ApprovalProfileEdit || !profile.SameRules(asked.After.ProfileSpec, spec) {
			return fmt.Errorf("it waits for %+v", waits.Approval)
		}
		return nil
	case err == nil && !rules.SameProfile(stored.ProfileSpec, spec):
		return fmt.Errorf("it is %+v", stored)
	}
	return err
}

// gateOn makes the profile gated, or takes the edit back that would lift the gate.
func (s *scene) gateOn() error { return s.put(s.alice, func(*api.ProfileSpec) {}) }

// What passed the gate without approval.
const unapproved = "SELECT count(*) FROM intents i JOIN jobs j ON j.id = i.job_id WHERE j.profile_id = ? AND j.approval_id IS NULL"

func (s *scene) gateOff() error {
	return s.put(s.alice, func(p *api.ProfileSpec) { p.RequiresApproval = false })
}

func (s *scene) replaceEdit() error {
	return s.put(s.alice, func(p *api.ProfileSpec) { p.RequiresApproval, p.MaxTTLSeconds = false, 3600 })
}

func (s *scene) anotherEdit() error {
	return s.put(s.olga, func(p *api.ProfileSpec) { p.RequiresApproval, p.MaxTTLSeconds = false, 7200 })
}

func (s *scene) disableProfile() error {
	return s.put(s.olga, func(p *api.ProfileSpec) { p.Enabled = false })
}

func (s *scene) deleteProfile() error {
	return s.olga.DeleteProfile(context.Background(), s.profile.ID)
}

// verb is a call that races with others.
type verb struct {
	name string
	call func(*scene) error
	// What it may be refused with, and for which of the others; "" is none: it was like that before.
	refused map[api.Code][]string
	// How often it was done, where every success does something.
	done string
}

// Whatever ends a request before somebody else can.
var enders = []string{
	"approve", "reject", "withdraw", "rename", "archive", "gate on", "replace the edit", "disable the profile", "delete the profile",
	"disable the requester",
}

var verbs = []verb{
	{"gate on", (*scene).gateOn, map[api.Code][]string{
		api.CodeNotFound: {"delete the profile"}, api.CodeEditAlreadyPending: {"another's edit"},
		api.CodeUnauthenticated: {"disable the requester"},
	}, ""},
	{"gate off", (*scene).gateOff, map[api.Code][]string{
		api.CodeNotFound: {"delete the profile"}, api.CodeEditAlreadyPending: {"another's edit"},
		api.CodeUnauthenticated: {"disable the requester"}, api.CodeEditRejected: {"reject"},
	}, ""},
	{"renew", func(s *scene) error { return s.renew() }, map[api.Code][]string{
		api.CodeJobAlreadyOpen: {""}, api.CodeNotFound: {"archive"}, api.CodeUnauthenticated: {"disable the requester"},
	}, "SELECT count(*) FROM jobs WHERE certificate_id = @certificate AND requested_by = @requester"},
	{"approve", (*scene).approve, map[api.Code][]string{
		api.CodeAlreadyDecided: enders, api.CodeApprovalExpired: {"expire"}, api.CodeUnauthenticated: {"disable the approver"},
	}, "SELECT count(*) FROM audit_events WHERE action = 'approval_approved' AND actor = @approver"},
	{"reject", (*scene).reject, map[api.Code][]string{
		api.CodeAlreadyDecided: enders, api.CodeApprovalExpired: {"expire"}, api.CodeUnauthenticated: {"disable the approver"},
	}, "SELECT count(*) FROM audit_events WHERE action = 'approval_rejected' AND actor = @approver"},
	{"withdraw", (*scene).withdraw, map[api.Code][]string{
		api.CodeAlreadyDecided: enders, api.CodeApprovalExpired: {"expire"}, api.CodeUnauthenticated: {"disable the requester"},
	}, "SELECT count(*) FROM audit_events WHERE action = 'approval_withdrawn' AND actor = @requester"},
	{"expire", (*scene).expire, nil, ""},
	{"disable the requester", (*scene).disableRequester, nil, ""},
	{"disable the approver", (*scene).disableApprover, nil, ""},
	{"rename", func(s *scene) error { return s.rename() }, map[api.Code][]string{
		api.CodeJobAlreadyOpen: {"approve", "renew"}, api.CodeNotFound: {"archive"},
	}, "SELECT count(*) FROM audit_events WHERE action = 'certificate_updated' AND resource_id = @certificate"},
	{"archive", func(s *scene) error { return s.archive() }, map[api.Code][]string{
		api.CodeInUse: {"approve", "renew"}, api.CodeNotFound: {"archive"},
	}, "SELECT count(*) FROM audit_events WHERE action = 'certificate_archived' AND resource_id = @certificate"},
	{"replace the edit", (*scene).replaceEdit, map[api.Code][]string{
		api.CodeNotFound: {"delete the profile"}, api.CodeEditAlreadyPending: {"another's edit"},
		api.CodeUnauthenticated: {"disable the requester"},
	}, ""},
	{"another's edit", (*scene).anotherEdit, map[api.Code][]string{
		api.CodeEditAlreadyPending: {""}, api.CodeNotFound: {"delete the profile"},
	}, ""},
	{"disable the profile", (*scene).disableProfile, map[api.Code][]string{api.CodeNotFound: {"delete the profile"}}, ""},
	{"delete the profile", (*scene).deleteProfile, map[api.Code][]string{
		api.CodeNotFound: {"delete the profile"},
	}, "SELECT count(*) FROM audit_events WHERE action = 'profile_deleted' AND resource_id = @profile"},
}

// allowed is what a verb may be refused with in a race with another.
func (v verb) allowed(other verb) (codes []api.Code) {
	for code, reasons := range v.refused {
		if slices.Contains(reasons, "") || slices.Contains(reasons, other.name) {
			codes = append(codes, code)
		}
	}
	return codes
}

// meets says whether the two have something to do with each other where nothing waits in the beginning: some need
// somebody who asks.
func (v verb) meets(other verb) bool {
	asks := []string{"renew", "gate off"}
	needs := []string{"approve", "reject", "withdraw", "expire", "disable the requester", "disable the approver"}
	return (!slices.Contains(needs, v.name) || slices.Contains(asks, other.name)) &&
		(!slices.Contains(needs, other.name) || slices.Contains(asks, v.name))
}

func (v verb) count(t testing.TB, s *scene) int {
	t.Helper()
	if v.done == "" {
		return 0
	}
	return count(t, s.server, v.done, map[string]any{
		"profile": s.profile.ID, "certificate": s.certificate.ID, "requester": s.requester, "approver": s.approver,
	})
}

// Any two of these calls at once, around a certificate: each is answered as if it had come before or after the other,
// and what is stored is what was answered.
func TestRaces(t *testing.T) {
	raceAll(t, certificates, 1, "gate on", "gate off", "renew", "approve", "reject", "withdraw", "rename", "archive", "expire",
		"disable the requester", "disable the approver")
}

// The same around an edit of a gated profile that waits. In the end it has one state, and the profile is what it was
// or what was approved.
func TestEditRaces(t *testing.T) {
	raceAll(t, edits, 2, "approve", "reject", "withdraw", "expire", "gate on", "gate off", "replace the edit", "another's edit",
		"disable the profile", "delete the profile", "disable the requester", "disable the approver")
}

// raceAll lets each pair of verbs race some times in each setting.
func raceAll(t *testing.T, settings []setting, times int, names ...string) {
	t.Helper()
	var racing []verb
	for _, v := range verbs {
		if slices.Contains(names, v.name) {
			racing = append(racing, v)
		}
	}
	if len(racing) != len(names) {
		t.Fatalf("of %v there are %d", names, len(racing))
	}
	each(t, func(t *testing.T, start start) {
		server := start(t, servertest.ApprovalTimeout(patience))
		p := peopleOf(t, server)
		answers := map[string]int{}
		for i, left := range racing {
			for _, right := range racing[i:] {
				for _, begins := range settings {
					times := times
					if begins.idle {
						if !left.meets(right) {
							continue
						}
						times *= 2 // only here a renewal is more than refused
					}
					for range times {
						s := newScene(t, server, p, begins)
						// The other calls take as long as one call, a worker longer.
						spread := []time.Duration{time.Millisecond, 8 * time.Millisecond}[rand.IntN(2)]
						s.race(t, fmt.Sprintf("%s and %s (%s)", left.name, right.name, begins.name), left, right, spread, answers)
					}
				}
			}
		}
		// Where two wait for each other one is run again, but only after a second: locks have an order, so that none do.
		if !server.Store.IsSQLite() {
			if n := count(t, server, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"); n > 0 {
				t.Errorf("%d deadlocks", n)
			}
		}
		for _, answer := range slices.Sorted(maps.Keys(answers)) {
			t.Logf("%s: %d", answer, answers[answer])
		}
	})
}

// race has two calls at once and looks what became of it.
func (s *scene) race(t *testing.T, what string, left, right verb, spread time.Duration, answers map[string]int) {
	t.Helper()
	racers, errs, let := []verb{left, right}, make([]error, 2), make([]int, 2)
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
				let[i] = count(t, s.server, unapproved, s.profile.ID)
			}
		}
	}
	together(calls...)

	for i, v := range racers {
		if errors.Is(errs[i], errNothing) {
			continue
		}
		if v.name == "gate on" && errs[i] == nil {
			s.let = append(s.let, let[i])
		}
		answers[v.name+" "+string(answered(t, what+": "+v.name, errs[i], v.allowed(racers[1-i])...))]++
	}
	for i, v := range racers {
		succeeded := 0
		for j := range racers {
			if racers[j].name == v.name && errs[j] == nil {
				succeeded++
			}
		}
		if done := v.count(t, s) - before[i]; v.done != "" && done != succeeded {
			t.Errorf("%s: %s succeeded %d times and was done %d times", what, v.name, succeeded, done)
		}
	}
	s.settled(t, what)
	for _, v := range racers {
		s.after(t, what, v)
	}
	// What still waits is of no use to the next round.
	if err := s.disableRequester(); err != nil {
		t.Errorf("%s: %v", what, err)
	}
}

// after looks for what must not be there once a verb was answered.
func (s *scene) after(t *testing.T, what string, v verb) {
	t.Helper()
	switch {
	case v.name == "expire":
		if n := count(t, s.server, "SELECT count(*) FROM approvals WHERE state = 'pending' AND id IN ?", append(s.waiting, "")); n != 0 {
			t.Errorf("%s: %d requests wait after their deadline", what, n)
		}
	case v.name == "disable the requester":
		if n := count(t, s.server, "SELECT count(*) FROM approvals WHERE state = 'pending' AND accountable = ?", s.requester); n != 0 {
			t.Errorf("%s: %d requests wait that nobody is accountable for", what, n)
		}
	case v.name == "disable the approver" && len(s.waiting) > 0:
		if err := s.approve(); code(err) != api.CodeUnauthenticated {
			t.Errorf("%s: one who is disabled decides: %v", what, err)
		}
	}
}

// settled waits until nothing moves any more, and looks that each job ended as its approval did, and that nothing was
// signed without approval after the gate was on.
func (s *scene) settled(t *testing.T, what string) {
	t.Helper()
	servertest.WaitUntil(t, func() error {
		if n := count(t, s.server, "SELECT count(*) FROM jobs WHERE certificate_id = ? AND status IN ('Pending', 'Running')", s.certificate.ID); n > 0 {
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
		if j.State == "" && len(s.let) > 0 && j.Intents == 0 {
			want = "Cancelled the profile requires approval and nobody approved"
		}
		if got := j.Status + " " + j.ErrorMessage; got != want {
			t.Errorf("%s: the job of an approval that is %q is %q, want %q", what, j.State, got, want)
		}
	}
	// Where both asked for the gate the first to know counts.
	if len(s.let) == 0 || count(t, s.server, "SELECT count(*) FROM profiles WHERE id = ? AND requires_approval", s.profile.ID) == 0 {
		return
	}
	if n := count(t, s.server, unapproved, s.profile.ID) - slices.Min(s.let); n != 0 {
		t.Errorf("%s: %d passed the gate without approval after it was on", what, n)
	}
}
