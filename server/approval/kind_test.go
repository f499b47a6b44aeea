package approval_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/rules"
	"github.com/certctl/terraform-provider-certctl/server/approval"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// switchApproval is a kind of approval that only this test knows: a switch is turned on after a second person approved.
const switchApproval api.ApprovalKind = "switch"

// switchKind has no profile and no certificate. It changes the table switches, which the test creates.
type switchKind struct{}

var _ approval.Kind = switchKind{}

// Lock implements approval.Kind. The switch must still wait.
func (switchKind) Lock(tx *store.Tx, a approval.Approval) error {
	var row struct{ State string }
	found, err := tx.Find(&row, "SELECT state FROM switches WHERE id = ?"+tx.Locking("FOR UPDATE"), switchOf(a))
	if err == nil && (!found || row.State != "waiting") {
		return approval.ErrSubjectChanged
	}
	return err
}

// Approve implements approval.Kind: it turns the switch on.
func (switchKind) Approve(tx *store.Tx, a approval.Approval) error { return setSwitch(tx, a, "on") }

// Close implements approval.Kind: it stores the cause.
func (switchKind) Close(tx *store.Tx, a approval.Approval, cause api.Cause) error {
	return setSwitch(tx, a, string(cause))
}

// switchSubject is the subject of an approval of this kind.
type switchSubject struct {
	Switch string `json:"switch"`
}

func switchOf(a approval.Approval) string {
	var s switchSubject
	if err := json.Unmarshal([]byte(a.Subject), &s); err != nil {
		panic(err)
	}
	return s.Switch
}

func setSwitch(tx *store.Tx, a approval.Approval, state string) error {
	var row struct{ ID string }
	return tx.Must(&row, "UPDATE switches SET state = @state WHERE id = @id RETURNING id", sql.Named("state", state), sql.Named("id", switchOf(a)))
}

// newSwitchService makes a service that knows the kind and nothing else.
func newSwitchService(bypass bool) *approval.Service {
	service := approval.New(time.Hour, bypass, approval.NewMetrics(prometheus.NewRegistry()), slog.New(slog.DiscardHandler))
	service.Register(switchApproval, switchKind{})
	return service
}

// openSwitch requests the approval of a new switch, in the name of alice.
func openSwitch(t *testing.T, s *servertest.Server, service *approval.Service, id string) approval.Approval {
	t.Helper()
	subject, digest, err := rules.Canonicalize(switchSubject{id})
	if err != nil {
		t.Fatal(err)
	}
	var a approval.Approval
	alice := callerOf(t, s, "alice")
	s.Write(t, func(tx *store.Tx) (err error) {
		a, err = service.Open(tx, alice, approval.Request{
			Kind: switchApproval, Accountable: "alice", Excluded: []string{"alice"}, Subject: subject, Digest: digest,
		}, func(approval.Approval) error {
			return tx.DB.Exec("INSERT INTO switches (id, state) VALUES (?, 'waiting')", id).Error
		})
		return err
	})
	return a
}

// callerOf returns the actor of a person, with the id of their key.
func callerOf(t *testing.T, s *servertest.Server, who string) identity.Actor {
	t.Helper()
	return identity.Actor{ID: who, Kind: identity.Human, KeyID: s.Key(t, who)[len("ctl_") : len("ctl_")+16]}
}

// Every verb works for a kind of approval that only this test knows.
func TestKind_WorksWhenOnlyThisTestKnowsIt(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		s.Exec(t, "CREATE TABLE switches (id text PRIMARY KEY, state text NOT NULL)")
		service, bypassing := newSwitchService(false), newSwitchService(true)
		alice, bob := callerOf(t, s, "alice"), callerOf(t, s, "bob")
		write := func(verb func(tx *store.Tx) error) error { return s.Store.Write(context.Background(), verb) }
		for _, c := range []struct {
			name  string
			act   func(a approval.Approval) error
			code  api.Code // of the refusal; empty if the verb succeeds
			state api.ApprovalState
			after string // the state of the switch
		}{
			{"waiting", func(approval.Approval) error { return nil }, "", api.ApprovalPending, "waiting"},
			{"approved by the requester", func(a approval.Approval) error {
				return write(func(tx *store.Tx) error {
					_, err := service.Approve(tx, alice, a.ID, api.Decision{})
					return err
				})
			}, api.CodeTwoPersonIntegrity, api.ApprovalPending, "waiting"},
			{"approved", func(a approval.Approval) error {
				return write(func(tx *store.Tx) error {
					_, err := service.Approve(tx, bob, a.ID, api.Decision{Digest: a.Digest})
					return err
				})
			}, "", api.ApprovalApproved, "on"},
			{"approved after the switch changed", func(a approval.Approval) error {
				s.Exec(t, "UPDATE switches SET state = 'broken' WHERE id = ?", switchOf(a))
				return write(func(tx *store.Tx) error {
					_, err := service.Approve(tx, bob, a.ID, api.Decision{})
					return err
				})
			}, api.CodeSubjectChanged, api.ApprovalCancelled, "subject_changed"},
			{"rejected", func(a approval.Approval) error {
				return write(func(tx *store.Tx) error {
					_, err := service.Reject(tx, bob, a.ID, api.Decision{Note: "no"})
					return err
				})
			}, "", api.ApprovalRejected, "approval_rejected"},
			{"withdrawn", func(a approval.Approval) error {
				return write(func(tx *store.Tx) error {
					_, err := service.Withdraw(tx, alice, a.ID, "")
					return err
				})
			}, "", api.ApprovalCancelled, "approval_withdrawn"},
		} {
			a := openSwitch(t, s, service, c.name)
			err := c.act(a)
			if c.code != "" {
				servertest.RequireProblem(t, err, c.code)
			} else if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			checkSwitch(t, s, a, c.name, c.state, c.after)
		}
		bypassed := openSwitch(t, s, bypassing, "bypassed")
		checkSwitch(t, s, bypassed, "bypassed", api.ApprovalApproved, "on")

		var summary api.ApprovalSummary
		s.Write(t, func(tx *store.Tx) (err error) {
			summary, err = service.Summarize(tx, approval.Filter{States: []api.ApprovalState{api.ApprovalPending}}, 10)
			return err
		})
		if diff := cmp.Diff(map[api.ApprovalKind]int64{switchApproval: 2}, summary.CountByKind); diff != "" || len(summary.CountByProfile) != 0 || len(summary.Approvals) != 2 {
			t.Errorf("the summary: %s, %+v", diff, summary)
		}

		expiring := openSwitch(t, s, service, "expired")
		s.Clock.Advance(time.Hour)
		if err := service.ExpireDue(context.Background(), s.Store, 10); err != nil {
			t.Fatal(err)
		}
		checkSwitch(t, s, expiring, "expired", api.ApprovalExpired, "approval_expired")
	}, servertest.NoWorkers())
}

// checkSwitch compares the state of an approval, as the API shows it, and the state of its switch.
func checkSwitch(t *testing.T, s *servertest.Server, a approval.Approval, name string, state api.ApprovalState, after string) {
	t.Helper()
	got, err := s.Client(t, "vera").GetApproval(context.Background(), a.ID)
	if err != nil || got.Kind != switchApproval || got.State != state || got.ProfileID != nil {
		t.Errorf("%s: %v, %+v", name, err, got)
	}
	var switchState string
	s.Query(t, &switchState, "SELECT state FROM switches WHERE id = ?", name)
	if switchState != after {
		t.Errorf("%s: the switch is %s, not %s", name, switchState, after)
	}
}
