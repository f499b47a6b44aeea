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

// What a caller is told first when several things forbid the decision: the order of the contract, the same for
// approve and reject. Each case breaks one rule and every rule after it that it can.
func TestDecide_RefusalsComeInOrder(t *testing.T) {
	wrong := api.Decision{Digest: "sha256:0"}
	cases := []struct {
		name string
		who  string
		make func(t *testing.T, s *servertest.Server) string // the approval's id
		body api.Decision
		want api.Code
	}{
		{"the requester without the role", "olga", waiting("olga"), wrong, api.CodeTwoPersonIntegrity},
		{"the requester", "alice", waiting("alice"), wrong, api.CodeTwoPersonIntegrity},
		{"the owner of the service that asked", "alice", waiting("terraform"), wrong, api.CodeTwoPersonIntegrity},
		{"the service that asked", "terraform", waiting("terraform"), wrong, api.CodeTwoPersonIntegrity},
		{"a service of the requester", "terraform", waiting("alice"), wrong, api.CodeTwoPersonIntegrity},
		{"a service of nobody involved", "terraform", waiting("bob"), wrong, api.CodeHumanRequired},
		{"a service, nothing there", "terraform", absent, wrong, api.CodeHumanRequired},
		{"a service, decided already", "terraform", decided, wrong, api.CodeHumanRequired},
		{"no approver", "vera", waiting("alice"), wrong, api.CodeForbidden},
		{"no approver, nothing there", "olga", absent, wrong, api.CodeForbidden},
		{"no approver, decided already", "olga", decided, wrong, api.CodeForbidden},
		{"nothing there", "bob", absent, wrong, api.CodeNotFound},
		{"an id that cannot be", "bob", func(*testing.T, *servertest.Server) string { return "ar-A%00'" }, wrong, api.CodeNotFound},
		{"decided already, by the requester's wish", "alice", decided, wrong, api.CodeAlreadyDecided},
		{"decided already", "carol", decided, wrong, api.CodeAlreadyDecided},
		{"too late", "bob", late, wrong, api.CodeApprovalExpired},
		{"too late, the requester", "alice", late, wrong, api.CodeApprovalExpired},
		{"another digest", "bob", waiting("alice"), wrong, api.CodeDigestMismatch},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
				id := c.make(t, s)
				for verb, decide := range decisions(s.Client(t, c.who)) {
					before := events(t, s, id)
					_, err := decide(context.Background(), id, c.body)
					p := servertest.RequireProblem(t, err, c.want)
					checkTrail(t, verb, p, before, events(t, s, id))
				}
			}, servertest.NoWorkers())
		})
	}
}

func decisions(c *client.Client) map[string]func(context.Context, string, api.Decision) (api.Approval, error) {
	return map[string]func(context.Context, string, api.Decision) (api.Approval, error){
		"approve": c.ApproveApproval, "reject": c.RejectApproval,
	}
}

// checkTrail: a refused person is recorded, once; a conflict records nothing but the expiry that it found.
func checkTrail(t *testing.T, verb string, p *api.Problem, before, after []string) {
	t.Helper()
	added := after[:len(after)-len(before)]
	var want []string
	if p.Status == 403 {
		want = []string{"decision_denied"}
	}
	if p.Code() == api.CodeApprovalExpired && len(added) > 0 {
		want = []string{"approval_expired"} // by the first of the two verbs
	}
	if diff := cmp.Diff(want, append([]string(nil), added...)); diff != "" {
		t.Errorf("%s: audit rows: %s", verb, diff)
	}
}

// events are the actions on an object in the audit trail, newest first.
func events(t *testing.T, s *servertest.Server, id string) []string {
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

func waiting(by string) func(*testing.T, *servertest.Server) string {
	return func(t *testing.T, s *servertest.Server) string { return *s.RequestOlgasCertificate(t, by).ApprovalID }
}

func absent(*testing.T, *servertest.Server) string { return "ar-absent" }

func decided(t *testing.T, s *servertest.Server) string {
	id := *s.RequestOlgasCertificate(t, "alice").ApprovalID
	if _, err := s.Client(t, "bob").RejectApproval(context.Background(), id, api.Decision{}); err != nil {
		t.Fatal(err)
	}
	return id
}

func late(t *testing.T, s *servertest.Server) string {
	id := *s.RequestOlgasCertificate(t, "alice").ApprovalID
	s.Clock.Advance(200 * time.Hour)
	return id
}

// Whoever lost his key, his role or his place between the answer to one request and the next decides no more, though
// the server has just believed him.
func TestDecide_SeesTheDeciderAsHeIsNow(t *testing.T) {
	for name, c := range map[string]struct {
		change func(tx *store.Tx) error
		want   api.Code
	}{
		"disabled": {disable("bob"), api.CodeUnauthenticated},
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
				for _, decide := range decisions(bob) {
					_, err := decide(context.Background(), id, api.Decision{})
					servertest.RequireProblem(t, err, c.want)
				}
			})
		})
	}
}

// The table of the contract: what ends a request, and what is left of it.
func TestTransitions(t *testing.T) {
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
			return rename(ctx, s.Client(t, "olga"), j.CertificateID)
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
				if j.Status != c.job || j.ErrorMessage != c.message || words(j.Cause) != c.message {
					t.Errorf("the job is %s, %q, cause %v", j.Status, j.ErrorMessage, j.Cause)
				}
				if undecided := c.state == api.ApprovalCancelled || c.state == api.ApprovalExpired; undecided && words(a.Cause) != c.message || !undecided && a.Cause != nil {
					t.Errorf("the approval's cause is %q", words(a.Cause))
				}
				checkLastEvent(t, s, a.ID, c.action, c.decidedBy, c.actorType)
			}, servertest.NoWorkers())
		})
	}
}

func words(cause *api.Cause) string {
	if cause == nil {
		return ""
	}
	return cause.Words()
}

func rename(ctx context.Context, c *client.Client, id string) error {
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
	t.Error("nothing in the audit trail")
}

// A person's own request is his and his services' to take back; nobody else's.
func TestWithdraw_OfAPersonsRequestByAnother(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		_, err := s.Client(t, "bob").WithdrawApproval(context.Background(), *s.RequestOlgasCertificate(t, "alice").ApprovalID, api.Withdrawal{})
		servertest.RequireProblem(t, err, api.CodeForbidden)
	})
}

// What is approved is what would be signed now: a profile that changed under a waiting request closes it.
func TestApprove_SubjectChanged(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		ctx := context.Background()
		j := s.RequestOlgasCertificate(t, "alice")
		a, err := s.Client(t, "vera").GetApproval(ctx, *j.ApprovalID)
		if err != nil {
			t.Fatal(err)
		}
		approvedEdit(t, s, *a.ProfileID, func(p *api.ProfileSpec) { p.MaxTTLSeconds = 3600 })
		_, err = s.Client(t, "bob").ApproveApproval(ctx, a.ID, api.Decision{})
		servertest.RequireProblem(t, err, api.CodeSubjectChanged)
		checkLastEvent(t, s, a.ID, "approval_cancelled", "bob", "User")
		if j = s.WaitUntilFinalAsVera(t, j.ID); j.Status != api.JobCancelled || j.ErrorMessage != "subject changed" {
			t.Errorf("the job is %s, %q", j.Status, j.ErrorMessage)
		}
	})
}

// Under a disabled profile nobody can approve an issuance, and the request stays as it is, also where its subject has
// changed. It can be rejected, an edit can be approved, and what was enabled again can be approved.
func TestApprove_ProfileDisabled(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		ctx, bob := context.Background(), s.Client(t, "bob")
		j, other := s.RequestOlgasCertificate(t, "alice"), s.RequestOlgasCertificate(t, "alice")
		for _, j := range []api.Job{j, other} {
			disableProfile(t, s, j)
		}
		approvedEdit(t, s, profileOf(t, s, other), func(p *api.ProfileSpec) { p.MaxTTLSeconds = 3600 })
		for _, j := range []api.Job{j, other} {
			before := stateOf(t, s, *j.ApprovalID)
			_, err := bob.ApproveApproval(ctx, *j.ApprovalID, api.Decision{})
			servertest.RequireProblem(t, err, api.CodeProfileDisabled)
			if after := stateOf(t, s, *j.ApprovalID); after.State != api.ApprovalPending || !after.UpdatedAt.Equal(before.UpdatedAt) {
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
		approvedEdit(t, s, profileOf(t, s, j), func(p *api.ProfileSpec) { p.Enabled = true })
		if _, err := bob.ApproveApproval(ctx, *j.ApprovalID, api.Decision{}); err != nil {
			t.Error(err)
		}
	}, servertest.NoWorkers())
}

func profileOf(t *testing.T, s *servertest.Server, j api.Job) string {
	t.Helper()
	return *stateOf(t, s, *j.ApprovalID).ProfileID
}

func stateOf(t *testing.T, s *servertest.Server, id string) api.Approval {
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
	p, err := olga.GetProfile(context.Background(), profileOf(t, s, j))
	if err != nil {
		t.Fatal(err)
	}
	p.Enabled = false
	if _, err := olga.ReplaceProfile(context.Background(), p.ID, p.ProfileSpec); err != nil {
		t.Fatal(err)
	}
}

// approvedEdit has olga edit a gated profile and bob approve it.
func approvedEdit(t *testing.T, s *servertest.Server, profileID string, edit func(*api.ProfileSpec)) {
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

// Nobody fills the audit trail with refused decisions: past the limit there is no row, and the answer says to wait.
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
