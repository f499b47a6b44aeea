package approval_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
	"github.com/certctl/terraform-provider-certctl/server/principal"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

func TestApproval_Approve_RejectsSameActor(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		j := s.RequestOlgasCertificate(t, "alice")
		otherKey, err := client.New(s.URL, s.NewKey(t, "alice"))
		if err != nil {
			t.Fatal(err)
		}
		_, err = otherKey.ApproveApproval(context.Background(), *j.ApprovalID, api.Decision{})
		servertest.RequireProblem(t, err, api.CodeTwoPersonIntegrity)

		j = s.RequestOlgasCertificate(t, "terraform")
		_, err = s.Client(t, "alice").ApproveApproval(context.Background(), *j.ApprovalID, api.Decision{})
		servertest.RequireProblem(t, err, api.CodeTwoPersonIntegrity)
	})
}

// If several rules forbid a decision, the first rule of the contract is reported, for approve and for reject. Each case
// breaks one rule, and as many later rules as it can.
func TestDecide_RefusesInTheOrderOfTheContract(t *testing.T) {
	wrong := api.Decision{Digest: "sha256:0"}
	cases := []struct {
		name string
		who  string
		make func(t *testing.T, s *servertest.Server) string // returns the id of the approval
		body api.Decision
		want api.Code
	}{
		{"the requester without the role", "olga", requestBy("olga"), wrong, api.CodeTwoPersonIntegrity},
		{"the requester", "alice", requestBy("alice"), wrong, api.CodeTwoPersonIntegrity},
		{"the owner of the requesting service", "alice", requestBy("terraform"), wrong, api.CodeTwoPersonIntegrity},
		{"the requesting service", "terraform", requestBy("terraform"), wrong, api.CodeTwoPersonIntegrity},
		{"a service of the requester", "terraform", requestBy("alice"), wrong, api.CodeTwoPersonIntegrity},
		{"a service of an uninvolved person", "terraform", requestBy("bob"), wrong, api.CodeHumanRequired},
		{"a service, absent approval", "terraform", absentID, wrong, api.CodeHumanRequired},
		{"a service, decided already", "terraform", requestAndReject, wrong, api.CodeHumanRequired},
		{"no approver", "vera", requestBy("alice"), wrong, api.CodeForbidden},
		{"no approver, absent approval", "olga", absentID, wrong, api.CodeForbidden},
		{"no approver, decided already", "olga", requestAndReject, wrong, api.CodeForbidden},
		{"absent approval", "bob", absentID, wrong, api.CodeNotFound},
		{"an impossible id", "bob", func(*testing.T, *servertest.Server) string { return "ar-A%00'" }, wrong, api.CodeNotFound},
		{"decided already, the requester", "alice", requestAndReject, wrong, api.CodeAlreadyDecided},
		{"decided already", "carol", requestAndReject, wrong, api.CodeAlreadyDecided},
		{"too late", "bob", requestAndPassDeadline, wrong, api.CodeApprovalExpired},
		{"too late, the requester", "alice", requestAndPassDeadline, wrong, api.CodeApprovalExpired},
		{"another digest", "bob", requestBy("alice"), wrong, api.CodeDigestMismatch},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
				id := c.make(t, s)
				for _, d := range decisionsOf(s.Client(t, c.who)) {
					before := listActions(t, s, id)
					_, err := d.decide(context.Background(), id, c.body)
					p := servertest.RequireProblem(t, err, c.want)
					checkAddedActions(t, d.verb, p, before, listActions(t, s, id))
				}
			}, servertest.NoWorkers())
		})
	}
}

// decision is one of the two verbs that decide.
type decision struct {
	verb   string
	decide func(context.Context, string, api.Decision) (api.Approval, error)
}

// decisionsOf returns both verbs of a client, always in the same order.
func decisionsOf(c *client.Client) []decision {
	return []decision{{"approve", c.ApproveApproval}, {"reject", c.RejectApproval}}
}

// checkAddedActions compares the audit rows of a refused decision. A refusal of the caller has one row. A conflict has none,
// except an expiry that was found.
func checkAddedActions(t *testing.T, verb string, p *api.Problem, before, after []string) {
	t.Helper()
	added := after[:len(after)-len(before)]
	var want []string
	if p.Status == 403 {
		want = []string{"decision_denied"}
	}
	if p.Code() == api.CodeApprovalExpired && len(added) > 0 {
		want = []string{"approval_expired"} // recorded by approve, the first of the two verbs
	}
	if diff := cmp.Diff(want, append([]string(nil), added...)); diff != "" {
		t.Errorf("%s: audit rows: %s", verb, diff)
	}
}

// listActions returns the actions in the audit trail of an object, newest first.
func listActions(t *testing.T, s *servertest.Server, id string) []string {
	t.Helper()
	var actions []string
	for e, err := range s.Client(t, "audrey").ListAuditEvents(context.Background(), client.ListAuditEventsOptions{ResourceID: id}) {
		if err != nil {
			t.Fatal(err)
		}
		actions = append(actions, e.Action)
	}
	return actions
}

func requestBy(by string) func(*testing.T, *servertest.Server) string {
	return func(t *testing.T, s *servertest.Server) string { return *s.RequestOlgasCertificate(t, by).ApprovalID }
}

func absentID(*testing.T, *servertest.Server) string { return "ar-absent" }

func requestAndReject(t *testing.T, s *servertest.Server) string {
	id := *s.RequestOlgasCertificate(t, "alice").ApprovalID
	if _, err := s.Client(t, "bob").RejectApproval(context.Background(), id, api.Decision{}); err != nil {
		t.Fatal(err)
	}
	return id
}

func requestAndPassDeadline(t *testing.T, s *servertest.Server) string {
	id := *s.RequestOlgasCertificate(t, "alice").ApprovalID
	s.Clock.Advance(200 * time.Hour)
	return id
}

// If a decider was disabled or lost the key or the role, the decision is refused, despite the cache.
func TestDecide_ReloadsTheDecider(t *testing.T) {
	for name, c := range map[string]struct {
		change func(tx *store.Tx) error
		want   api.Code
	}{
		"disabled": {disablePrincipal("bob"), api.CodeUnauthenticated},
		"no approver any more": {
			func(tx *store.Tx) error { return principal.SetRoles(tx, "bob", []api.Role{api.RoleViewer}) }, api.CodeForbidden,
		},
		"revoked": {func(tx *store.Tx) error {
			keys, err := principal.ListKeys(tx)
			for _, k := range keys {
				if err == nil && k.PrincipalID == "bob" {
					err = principal.RevokeKey(tx, k.ID)
				}
			}
			return err
		}, api.CodeUnauthenticated},
	} {
		t.Run(name, func(t *testing.T) {
			servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
				id, bob := *s.RequestOlgasCertificate(t, "alice").ApprovalID, s.Client(t, "bob")
				if _, err := bob.GetApproval(context.Background(), id); err != nil {
					t.Fatal(err)
				}
				s.Write(t, c.change)
				for _, d := range decisionsOf(bob) {
					_, err := d.decide(context.Background(), id, api.Decision{})
					servertest.RequireProblem(t, err, c.want)
				}
			})
		})
	}
}

// Each end of a request leaves the states, causes and audit rows of the contract.
func TestTransitions_LeaveTheStatesOfTheContract(t *testing.T) {
	ctx := context.Background()
	cases := []struct {
		name      string
		requester string
		cause     func(t *testing.T, s *servertest.Server, j api.Job) error
		state     api.ApprovalState
		decidedBy string
		job       api.JobStatus
		message   string
		action    string
		actorType string
	}{
		{"approve", "alice", func(t *testing.T, s *servertest.Server, j api.Job) error {
			_, err := s.Client(t, "bob").ApproveApproval(ctx, *j.ApprovalID, api.Decision{})
			return err
		}, api.ApprovalApproved, "bob", api.JobPending, "", "approval_approved", "User"},
		{"reject", "alice", func(t *testing.T, s *servertest.Server, j api.Job) error {
			_, err := s.Client(t, "bob").RejectApproval(ctx, *j.ApprovalID, api.Decision{Note: "no"})
			return err
		}, api.ApprovalRejected, "bob", api.JobCancelled, "approval rejected", "approval_rejected", "User"},
		{"withdraw", "alice", func(t *testing.T, s *servertest.Server, j api.Job) error {
			_, err := s.Client(t, "alice").WithdrawApproval(ctx, *j.ApprovalID, api.Withdrawal{})
			return err
		}, api.ApprovalCancelled, "alice", api.JobCancelled, "approval withdrawn", "approval_withdrawn", "User"},
		{"withdraw by the service", "alice", func(t *testing.T, s *servertest.Server, j api.Job) error {
			_, err := s.Client(t, "terraform").WithdrawApproval(ctx, *j.ApprovalID, api.Withdrawal{})
			return err
		}, api.ApprovalCancelled, "terraform", api.JobCancelled, "approval withdrawn", "approval_withdrawn", "Service"},
		{"withdraw of a service's request by any operator", "terraform", func(t *testing.T, s *servertest.Server, j api.Job) error {
			_, err := s.Client(t, "olga").WithdrawApproval(ctx, *j.ApprovalID, api.Withdrawal{})
			return err
		}, api.ApprovalCancelled, "olga", api.JobCancelled, "approval withdrawn", "approval_withdrawn", "User"},
		{"deadline", "alice", func(_ *testing.T, s *servertest.Server, _ api.Job) error {
			s.Clock.Advance(200 * time.Hour)
			return s.App.Expire(ctx)
		}, api.ApprovalExpired, "system-reaper", api.JobCancelled, "approval expired", "approval_expired", "System"},
		{"subject changed by a PUT", "alice", func(t *testing.T, s *servertest.Server, j api.Job) error {
			return addName(ctx, s.Client(t, "olga"), j.CertificateID)
		}, api.ApprovalCancelled, "olga", api.JobCancelled, "subject changed", "approval_cancelled", "User"},
		{"certificate archived", "alice", func(t *testing.T, s *servertest.Server, j api.Job) error {
			return s.Client(t, "olga").DeleteCertificate(ctx, j.CertificateID)
		}, api.ApprovalCancelled, "olga", api.JobCancelled, "certificate archived", "approval_cancelled", "User"},
		{"person disabled", "terraform", func(t *testing.T, s *servertest.Server, _ api.Job) error {
			s.Disable(t, "alice")
			return nil
		}, api.ApprovalCancelled, "system-cli", api.JobCancelled, "person disabled", "approval_cancelled", "System"},
		{"service disabled", "terraform", func(t *testing.T, s *servertest.Server, _ api.Job) error {
			s.Disable(t, "terraform")
			return nil
		}, api.ApprovalCancelled, "system-cli", api.JobCancelled, "person disabled", "approval_cancelled", "System"},
		{"owner changed", "terraform", func(t *testing.T, s *servertest.Server, _ api.Job) error {
			s.ChangeOwner(t, "terraform", "bob")
			return nil
		}, api.ApprovalCancelled, "system-cli", api.JobCancelled, "owner changed", "approval_cancelled", "System"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
				j := s.RequestOlgasCertificate(t, c.requester)
				if err := c.cause(t, s, j); err != nil {
					t.Fatal(err)
				}
				vera := s.Client(t, "vera")
				a, err := vera.GetApproval(ctx, *j.ApprovalID)
				if err != nil {
					t.Fatal(err)
				}
				ender, at := a.DecidedBy, a.DecidedAt
				if c.state == api.ApprovalCancelled {
					if a.DecidedBy != nil || a.DecidedAt != nil {
						t.Errorf("a cancelled approval has a decider: %+v", a)
					}
					ender, at = a.ClosedBy, a.ClosedAt
				}
				if a.State != c.state || ender == nil || *ender != c.decidedBy || at == nil {
					t.Errorf("unexpected approval: %+v", a)
				}
				if j, err = vera.GetJob(ctx, j.ID); err != nil {
					t.Fatal(err)
				}
				if j.Status != c.job || j.ErrorMessage != c.message || wordsOf(j.Cause) != c.message {
					t.Errorf("the job is %s, %q, cause %v", j.Status, j.ErrorMessage, j.Cause)
				}
				if undecided := c.state == api.ApprovalCancelled || c.state == api.ApprovalExpired; undecided && wordsOf(a.Cause) != c.message || !undecided && a.Cause != nil {
					t.Errorf("the approval's cause is %q", wordsOf(a.Cause))
				}
				checkLastEvent(t, s, a.ID, c.action, c.decidedBy, c.actorType)
			}, servertest.NoWorkers())
		})
	}
}

func wordsOf(cause *api.Cause) string {
	if cause == nil {
		return ""
	}
	return cause.Words()
}

func addName(ctx context.Context, c *client.Client, id string) error {
	before, err := c.GetCertificate(ctx, id)
	if err != nil {
		return err
	}
	after := before.CertificateSpec
	after.SANs = append(after.SANs, "another.example.com")
	_, err = c.ReplaceCertificate(ctx, id, after)
	return err
}

func checkLastEvent(t *testing.T, s *servertest.Server, id, action, actor, actorType string) {
	t.Helper()
	for e, err := range s.Client(t, "audrey").ListAuditEvents(context.Background(), client.ListAuditEventsOptions{ResourceID: id}) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Action != action || e.Actor != actor || e.ActorType != actorType {
			t.Errorf("the last event is %s by %s (%s)", e.Action, e.Actor, e.ActorType)
		}
		return
	}
	t.Error("the audit trail has no event")
}

// If the profile changed under a waiting request, approving closes the request.
func TestApprove_ClosesAChangedSubject(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		ctx := context.Background()
		j := s.RequestOlgasCertificate(t, "alice")
		a, err := s.Client(t, "vera").GetApproval(ctx, *j.ApprovalID)
		if err != nil {
			t.Fatal(err)
		}
		editProfileAndApprove(t, s, *a.ProfileID, func(p *api.ProfileSpec) { p.MaxTTLSeconds = 3600 })
		_, err = s.Client(t, "bob").ApproveApproval(ctx, a.ID, api.Decision{})
		servertest.RequireProblem(t, err, api.CodeSubjectChanged)
		checkLastEvent(t, s, a.ID, "approval_cancelled", "bob", "User")
		if j = s.WaitUntilFinalAsVera(t, j.ID); j.Status != api.JobCancelled || j.ErrorMessage != "subject changed" {
			t.Errorf("the job is %s, %q", j.Status, j.ErrorMessage)
		}
	})
}

// Under a disabled profile an issuance cannot be approved. The request stays the same, even if its subject changed.
// Rejecting it and approving an edit still work. Once the profile is enabled, the request can be approved.
func TestApprove_RefusesUnderADisabledProfile(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		ctx, bob := context.Background(), s.Client(t, "bob")
		j, other := s.RequestOlgasCertificate(t, "alice"), s.RequestOlgasCertificate(t, "alice")
		for _, j := range []api.Job{j, other} {
			disableProfile(t, s, j)
		}
		editProfileAndApprove(t, s, profileIDOf(t, s, other), func(p *api.ProfileSpec) { p.MaxTTLSeconds = 3600 })
		for _, j := range []api.Job{j, other} {
			before := getApproval(t, s, *j.ApprovalID)
			_, err := bob.ApproveApproval(ctx, *j.ApprovalID, api.Decision{})
			servertest.RequireProblem(t, err, api.CodeProfileDisabled)
			if after := getApproval(t, s, *j.ApprovalID); after.State != api.ApprovalPending || !after.UpdatedAt.Equal(before.UpdatedAt) {
				t.Errorf("the request is %+v", after)
			}
			_, err = bob.ApproveApproval(ctx, *j.ApprovalID, api.Decision{Digest: "sha256:0"})
			servertest.RequireProblem(t, err, api.CodeDigestMismatch)
			_, err = s.Client(t, "alice").ApproveApproval(ctx, *j.ApprovalID, api.Decision{})
			servertest.RequireProblem(t, err, api.CodeTwoPersonIntegrity)
		}
		if _, err := bob.RejectApproval(ctx, *other.ApprovalID, api.Decision{}); err != nil {
			t.Error(err)
		}
		editProfileAndApprove(t, s, profileIDOf(t, s, j), func(p *api.ProfileSpec) { p.Enabled = true })
		if _, err := bob.ApproveApproval(ctx, *j.ApprovalID, api.Decision{}); err != nil {
			t.Error(err)
		}
	}, servertest.NoWorkers())
}

func profileIDOf(t *testing.T, s *servertest.Server, j api.Job) string {
	t.Helper()
	return *getApproval(t, s, *j.ApprovalID).ProfileID
}

func getApproval(t *testing.T, s *servertest.Server, id string) api.Approval {
	t.Helper()
	a, err := s.Client(t, "vera").GetApproval(context.Background(), id)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func disableProfile(t *testing.T, s *servertest.Server, j api.Job) {
	t.Helper()
	olga := s.Client(t, "olga")
	p, err := olga.GetProfile(context.Background(), profileIDOf(t, s, j))
	if err != nil {
		t.Fatal(err)
	}
	p.Enabled = false
	if _, err := olga.ReplaceProfile(context.Background(), p.ID, p.ProfileSpec); err != nil {
		t.Fatal(err)
	}
}

// editProfileAndApprove edits a gated profile as olga and approves the edit as bob.
func editProfileAndApprove(t *testing.T, s *servertest.Server, profileID string, edit func(*api.ProfileSpec)) {
	t.Helper()
	ctx, olga := context.Background(), s.Client(t, "olga")
	p, err := olga.GetProfile(ctx, profileID)
	if err != nil {
		t.Fatal(err)
	}
	edit(&p.ProfileSpec)
	_, err = olga.ReplaceProfile(ctx, p.ID, p.ProfileSpec)
	var waiting *client.AwaitingApprovalError
	if !errors.As(err, &waiting) {
		t.Fatalf("the edit does not wait: %v", err)
	}
	if _, err := s.Client(t, "bob").ApproveApproval(ctx, waiting.Approval.ID, api.Decision{}); err != nil {
		t.Fatal(err)
	}
}

// Past the limit a refused decision writes no audit row, and the answer is rate_limited.
func TestDecide_LimitsDenials(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		ctx, vera, began := context.Background(), s.Client(t, "vera"), time.Now()
		forbidden, limited := 0, 0
		for i := 0; i < 200 && limited < 3; i++ {
			_, err := vera.ApproveApproval(ctx, "ar-absent", api.Decision{})
			switch {
			case api.Is(err, api.CodeForbidden):
				forbidden++
			default:
				servertest.RequireProblem(t, err, api.CodeRateLimited)
				limited++
			}
		}
		rows := 0
		s.Query(t, &rows, "SELECT count(*) FROM audit_events WHERE action = 'decision_denied' AND actor = 'vera'")
		if most := 31 + int(time.Since(began).Seconds()); limited == 0 || forbidden < 30 || forbidden > most || rows != forbidden {
			t.Errorf("%d refused, %d limited, %d rows, at most %d", forbidden, limited, rows, most)
		}
		_, err := s.Client(t, "olga").ApproveApproval(ctx, "ar-absent", api.Decision{})
		servertest.RequireProblem(t, err, api.CodeForbidden)
	}, servertest.NoWorkers())
}
