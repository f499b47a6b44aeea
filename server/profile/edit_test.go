package profile_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// putEdit sends an edit and returns the approval that it waits for; nil if it applied.
func putEdit(t *testing.T, s *servertest.Server, who, id string, spec api.ProfileSpec, opts ...client.EditOption) (*api.Approval, error) {
	t.Helper()
	_, err := s.Client(t, who).ReplaceProfile(context.Background(), id, spec, opts...)
	var waiting *client.AwaitingApprovalError
	if errors.As(err, &waiting) {
		return &waiting.Approval, nil
	}
	return nil, err
}

// putWaitingEdit sends an edit that must wait, and returns its approval.
func putWaitingEdit(t *testing.T, s *servertest.Server, who, id string, spec api.ProfileSpec, opts ...client.EditOption) api.Approval {
	t.Helper()
	a, err := putEdit(t, s, who, id, spec, opts...)
	if err != nil || a == nil {
		t.Fatalf("the edit does not wait: %v", err)
	}
	return *a
}

func getApproval(t *testing.T, s *servertest.Server, id string) api.Approval {
	t.Helper()
	a, err := s.Client(t, "vera").GetApproval(context.Background(), id)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func withoutGate(spec api.ProfileSpec) api.ProfileSpec {
	spec.RequiresApproval = false
	return spec
}

func withName(spec api.ProfileSpec, name string) api.ProfileSpec {
	spec.AllowedDNSNames = []string{name}
	return spec
}

func withTeam(spec api.ProfileSpec, team string) api.ProfileSpec {
	spec.Labels = map[string]string{"team": team}
	return spec
}

// An edit waits. Its author cannot approve it. When another person approves it, it is stored once, as it was sent.
func TestEdit_AppliesOnceApproved(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		ctx := context.Background()
		p := s.CreateProfileAsOlga(t, true)
		spec := withoutGate(p.ProfileSpec)
		spec.AllowedDNSNames = []string{"z.example.com", "a.example.com"} // in the order as sent
		a := putWaitingEdit(t, s, "terraform", p.ID, spec, client.IfMatch(p.Version), client.EditOptions{Reason: "release"})
		if a.Kind != api.ApprovalProfileEdit || a.Reason != "release" || a.CertificateID != nil || a.JobID != nil {
			t.Errorf("unexpected approval: %+v", a)
		}
		var subject struct {
			ProfileID     string `json:"profile_id"`
			BaseVersion   int64  `json:"base_version"`
			Before, After api.ProfileSpec
		}
		if err := json.Unmarshal(a.Subject, &subject); err != nil {
			t.Fatal(err)
		}
		if subject.ProfileID != p.ID || subject.BaseVersion != 1 || !subject.Before.RequiresApproval || subject.After.RequiresApproval {
			t.Errorf("unexpected subject: %s", a.Subject)
		}
		for _, who := range []string{"alice", "terraform"} {
			_, err := s.Client(t, who).ApproveApproval(ctx, a.ID, api.Decision{})
			servertest.RequireProblem(t, err, api.CodeTwoPersonIntegrity)
		}
		if _, err := s.Client(t, "bob").ApproveApproval(ctx, a.ID, api.Decision{Digest: a.Digest}); err != nil {
			t.Fatal(err)
		}
		after, err := s.Client(t, "vera").GetProfile(ctx, p.ID)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(spec, after.ProfileSpec); diff != "" || after.Version != p.Version+1 || after.PendingApprovalID != nil {
			t.Errorf("version %d, stored: %s", after.Version, diff)
		}
		// The same PUT again succeeds, since the edit has applied.
		if again, err := putEdit(t, s, "terraform", p.ID, spec, client.IfMatch(p.Version)); err != nil || again != nil {
			t.Errorf("the retry waits for %v: %v", again, err)
		}
	})
}

// Only one edit waits. The same edit is found again. Another edit by the same person replaces it, and an edit by another
// person is refused.
func TestEdit_WaitsOnlyOnce(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		p := s.CreateProfileAsOlga(t, true)
		first := putWaitingEdit(t, s, "alice", p.ID, withoutGate(p.ProfileSpec))
		for _, who := range []string{"alice", "terraform", "bob"} {
			if again := putWaitingEdit(t, s, who, p.ID, withoutGate(p.ProfileSpec)); again.ID != first.ID {
				t.Errorf("%s got another approval for the same edit", who)
			}
		}
		_, err := putEdit(t, s, "bob", p.ID, withName(p.ProfileSpec, "bob.example.com"))
		if refusal := servertest.RequireProblem(t, err, api.CodeEditAlreadyPending); refusal.ApprovalID != first.ID {
			t.Errorf("the refusal names %q", refusal.ApprovalID)
		}
		second := putWaitingEdit(t, s, "terraform", p.ID, withName(p.ProfileSpec, "alice.example.com"))
		if a := getApproval(t, s, first.ID); a.State != api.ApprovalCancelled || *a.ClosedBy != "terraform" || *a.Cause != api.CauseEditReplaced {
			t.Errorf("the first edit is %+v", a)
		}
		if a, err := putEdit(t, s, "bob", p.ID, p.ProfileSpec); a != nil || err != nil {
			t.Errorf("the stored content waits: %v, %v", a, err)
		}
		if a := getApproval(t, s, second.ID); a.State != api.ApprovalPending {
			t.Errorf("bob took back alice's edit: %+v", a)
		}
		if a, err := putEdit(t, s, "alice", p.ID, p.ProfileSpec); a != nil || err != nil {
			t.Errorf("alice's return to the stored content waits: %v, %v", a, err)
		}
		if a := getApproval(t, s, second.ID); a.State != api.ApprovalCancelled {
			t.Errorf("the edit that was taken back is %+v", a)
		}
	})
}

// A rejected edit is requested again only with resubmit. An edit that ended in another way is requested again at once.
// The new approval names the old one.
func TestEdit_IsRequestedAgainAfterItsEnd(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		ctx := context.Background()
		p := s.CreateProfileAsOlga(t, true)
		edit := withoutGate(p.ProfileSpec)
		expired := putWaitingEdit(t, s, "alice", p.ID, edit)
		s.Clock.Advance(200 * time.Hour)
		if err := s.App.Expire(ctx); err != nil {
			t.Fatal(err)
		}
		withdrawn := putWaitingEdit(t, s, "alice", p.ID, edit)
		if withdrawn.PreviousApprovalID == nil || *withdrawn.PreviousApprovalID != expired.ID {
			t.Errorf("previous: %v", withdrawn.PreviousApprovalID)
		}
		if _, err := s.Client(t, "alice").WithdrawApproval(ctx, withdrawn.ID, api.Withdrawal{}); err != nil {
			t.Fatal(err)
		}
		rejected := putWaitingEdit(t, s, "alice", p.ID, edit)
		if _, err := s.Client(t, "bob").RejectApproval(ctx, rejected.ID, api.Decision{Note: "not on a Friday"}); err != nil {
			t.Fatal(err)
		}
		_, err := putEdit(t, s, "bob", p.ID, edit)
		refusal := servertest.RequireProblem(t, err, api.CodeEditRejected)
		if refusal.ApprovalID != rejected.ID || refusal.DecidedBy != "bob" || refusal.Note != "not on a Friday" {
			t.Errorf("the refusal says %+v", refusal)
		}
		again := putWaitingEdit(t, s, "alice", p.ID, edit, client.EditOptions{Resubmit: true})
		if again.PreviousApprovalID == nil || *again.PreviousApprovalID != rejected.ID {
			t.Errorf("previous: %v", again.PreviousApprovalID)
		}
	})
}

// An edit applies only to the version that it was based on. A change of the version closes it.
func TestEdit_IsClosedByAnotherVersion(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		ctx := context.Background()
		p := s.CreateProfileAsOlga(t, true)
		a := putWaitingEdit(t, s, "alice", p.ID, withoutGate(p.ProfileSpec))
		disabled := p.ProfileSpec
		disabled.Enabled = false
		if _, err := putEdit(t, s, "olga", p.ID, disabled); err != nil {
			t.Fatal(err)
		}
		if a := getApproval(t, s, a.ID); a.State != api.ApprovalCancelled || *a.ClosedBy != "olga" {
			t.Errorf("the edit of another version is %+v", a)
		}
		_, err := s.Client(t, "bob").ApproveApproval(ctx, a.ID, api.Decision{})
		servertest.RequireProblem(t, err, api.CodeAlreadyDecided)
		again := putWaitingEdit(t, s, "alice", p.ID, withoutGate(p.ProfileSpec))
		if again.PreviousApprovalID == nil || *again.PreviousApprovalID != a.ID {
			t.Errorf("previous: %v", again.PreviousApprovalID)
		}

		deleted := putWaitingEdit(t, s, "alice", p.ID, withoutGate(disabled))
		if err := s.Client(t, "olga").DeleteProfile(ctx, p.ID); err != nil {
			t.Fatal(err)
		}
		if a := getApproval(t, s, deleted.ID); a.State != api.ApprovalCancelled {
			t.Errorf("the edit of a deleted profile is %+v", a)
		}
	})
}

// An edit expires at its deadline, even before the reaper runs. It blocks no later edit, and the next call records the
// expiry.
func TestEdit_ExpiresBeforeTheReaperRuns(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		p := s.CreateProfileAsOlga(t, true)
		checkExpired := func(a api.Approval) {
			t.Helper()
			if a := getApproval(t, s, a.ID); a.State != api.ApprovalExpired || *a.DecidedBy != "system-reaper" {
				t.Errorf("the approval is %s, by %s", a.State, *a.DecidedBy)
			}
		}
		first := putWaitingEdit(t, s, "alice", p.ID, withoutGate(p.ProfileSpec))
		s.Clock.Advance(200 * time.Hour)
		bobsEdit := withName(p.ProfileSpec, "bob.example.com")
		if preview, err := s.Client(t, "bob").PreviewProfile(t.Context(), api.CreateProfile{ID: p.ID, ProfileSpec: bobsEdit}); err != nil || preview.Outcome != api.EditWaits || preview.ApprovalID != nil {
			t.Errorf("%v, %+v", err, preview)
		}
		second := putWaitingEdit(t, s, "bob", p.ID, bobsEdit)
		checkExpired(first)
		s.Clock.Advance(200 * time.Hour)
		third := putWaitingEdit(t, s, "bob", p.ID, bobsEdit)
		checkExpired(second)
		if third.PreviousApprovalID == nil || *third.PreviousApprovalID != second.ID {
			t.Errorf("previous: %v", third.PreviousApprovalID)
		}
		s.Clock.Advance(200 * time.Hour)
		disabled := p.ProfileSpec
		disabled.Enabled = false
		if a, err := putEdit(t, s, "olga", p.ID, disabled); a != nil || err != nil {
			t.Errorf("%v, %v", a, err)
		}
		checkExpired(third)
	}, servertest.NoWorkers())
}

// If another profile takes the name while the edit waits, the edit cannot apply any more.
func TestEdit_DoesNotApplyIfTheNameIsTaken(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		p := s.CreateProfileAsOlga(t, true)
		renamed := p.ProfileSpec
		renamed.Name = "taken"
		a := putWaitingEdit(t, s, "alice", p.ID, renamed)
		other := s.CreateProfileAsOlga(t, false)
		other.Name = "taken"
		if _, err := putEdit(t, s, "olga", other.ID, other.ProfileSpec); err != nil {
			t.Fatal(err)
		}
		_, err := s.Client(t, "bob").ApproveApproval(context.Background(), a.ID, api.Decision{})
		servertest.RequireProblem(t, err, api.CodeSubjectChanged)
		if a := getApproval(t, s, a.ID); a.State != api.ApprovalCancelled {
			t.Errorf("the edit is %+v", a)
		}
	})
}

// Description and labels apply at once and do not close the waiting edit. If that edit is approved, it keeps the newer
// description and labels. If it is rejected, the same edit stays rejected.
func TestEdit_ExcludesDescriptionAndLabels(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		ctx := context.Background()
		p := s.CreateProfileAsOlga(t, true)
		a := putWaitingEdit(t, s, "alice", p.ID, withTeam(withoutGate(p.ProfileSpec), "alice's"))
		var subject struct {
			BaseVersion   int64 `json:"base_version"`
			Before, After map[string]any
		}
		if err := json.Unmarshal(a.Subject, &subject); err != nil {
			t.Fatal(err)
		}
		for _, rules := range []map[string]any{subject.Before, subject.After} {
			if _, has := rules["labels"]; has || rules["description"] != nil || rules["name"] != p.Name {
				t.Errorf("the subject holds %v", rules)
			}
		}
		for _, who := range []string{"olga", "alice"} { // alice is the author of the edit
			described := p.ProfileSpec
			described.Description = who + "'s"
			if waiting, err := putEdit(t, s, who, p.ID, described); waiting != nil || err != nil {
				t.Fatalf("%s: the description waits for %v: %v", who, waiting, err)
			}
		}
		stored, err := s.Client(t, "vera").GetProfile(ctx, p.ID)
		if err != nil || stored.Version != 3 || stored.Description != "alice's" || stored.PendingApprovalID == nil || *stored.PendingApprovalID != a.ID {
			t.Fatalf("%+v, %v", stored, err)
		}
		if again := putWaitingEdit(t, s, "bob", p.ID, withoutGate(stored.ProfileSpec), client.IfMatch(3)); again.ID != a.ID {
			t.Errorf("the same edit waits for another approval")
		}
		if _, err := s.Client(t, "bob").RejectApproval(ctx, a.ID, api.Decision{Note: "no"}); err != nil {
			t.Fatal(err)
		}
		if _, err := putEdit(t, s, "olga", p.ID, withTeam(stored.ProfileSpec, "olga's")); err != nil {
			t.Fatal(err)
		}
		_, err = putEdit(t, s, "alice", p.ID, withoutGate(withTeam(p.ProfileSpec, "another team")))
		servertest.RequireProblem(t, err, api.CodeEditRejected)

		second := putWaitingEdit(t, s, "alice", p.ID, withTeam(withoutGate(p.ProfileSpec), "too early"), client.EditOptions{Resubmit: true})
		for _, again := range []struct{ who, team string }{{"alice", "alice's"}, {"bob", "bob's"}} {
			if a := putWaitingEdit(t, s, again.who, p.ID, withTeam(withoutGate(p.ProfileSpec), again.team)); a.ID != second.ID {
				t.Errorf("other labels of %s made another approval", again.who)
			}
		}
		described := withTeam(p.ProfileSpec, "olga's")
		described.Description = "meanwhile"
		if _, err := putEdit(t, s, "olga", p.ID, described); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Client(t, "bob").ApproveApproval(ctx, second.ID, api.Decision{Digest: second.Digest}); err != nil {
			t.Fatal(err)
		}
		want := withoutGate(described) // with the newer description and the labels of the edit
		want.Labels = map[string]string{"team": "alice's"}
		stored, err = s.Client(t, "vera").GetProfile(ctx, p.ID)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, stored.ProfileSpec); diff != "" || stored.Version != 6 {
			t.Errorf("version %d, stored: %s", stored.Version, diff)
		}
	})
}

// If the rules changed and changed back, an earlier edit must be requested again.
func TestEdit_IsAnotherAfterTheRulesChangedBack(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		ctx := context.Background()
		p := s.CreateProfileAsOlga(t, true)
		rejected := putWaitingEdit(t, s, "alice", p.ID, withoutGate(p.ProfileSpec))
		if _, err := s.Client(t, "bob").RejectApproval(ctx, rejected.ID, api.Decision{}); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"elsewhere.example.com", p.AllowedDNSNames[0]} {
			a := putWaitingEdit(t, s, "alice", p.ID, withName(p.ProfileSpec, name))
			if _, err := s.Client(t, "bob").ApproveApproval(ctx, a.ID, api.Decision{}); err != nil {
				t.Fatal(err)
			}
		}
		if again := putWaitingEdit(t, s, "alice", p.ID, withoutGate(p.ProfileSpec)); again.ID == rejected.ID || again.Digest == rejected.Digest {
			t.Errorf("the edit of version 3 has the approval of version 1: %+v", again)
		}
	})
}

// A rejection still counts after the edit was resubmitted and withdrawn, and after another edit was requested.
func TestEdit_StaysRejected(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		ctx := t.Context()
		p := s.CreateProfileAsOlga(t, true)
		edit := withoutGate(p.ProfileSpec)
		rejected := putWaitingEdit(t, s, "alice", p.ID, edit)
		if _, err := s.Client(t, "bob").RejectApproval(ctx, rejected.ID, api.Decision{}); err != nil {
			t.Fatal(err)
		}
		withdraw := func(a api.Approval) {
			t.Helper()
			if a.PreviousApprovalID == nil || *a.PreviousApprovalID != rejected.ID || a.Previous == nil || a.Previous.State != api.ApprovalRejected {
				t.Errorf("previous: %v, %+v", a.PreviousApprovalID, a.Previous)
			}
			if _, err := s.Client(t, "alice").WithdrawApproval(ctx, a.ID, api.Withdrawal{}); err != nil {
				t.Fatal(err)
			}
		}
		withdraw(putWaitingEdit(t, s, "alice", p.ID, edit, client.EditOptions{Resubmit: true}))
		_, err := putEdit(t, s, "alice", p.ID, edit)
		if refusal := servertest.RequireProblem(t, err, api.CodeEditRejected); refusal.ApprovalID != rejected.ID {
			t.Errorf("the refusal says %+v", refusal)
		}
		edit.MaxSANs++
		withdraw(putWaitingEdit(t, s, "alice", p.ID, edit))
		other := putWaitingEdit(t, s, "alice", p.ID, withName(p.ProfileSpec, "new.example.com"))
		if _, err := s.Client(t, "bob").ApproveApproval(ctx, other.ID, api.Decision{}); err != nil {
			t.Fatal(err)
		}
		if a := putWaitingEdit(t, s, "alice", p.ID, withoutGate(p.ProfileSpec)); a.PreviousApprovalID != nil {
			t.Errorf("previous, after an approved edit: %v", *a.PreviousApprovalID)
		}
	})
}

// An edit waits even if the clock of its server is behind the clock that created the profile.
func TestEdit_WaitsWithAClockBehind(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		p := s.CreateProfileAsOlga(t, true)
		s.Clock.Advance(-time.Second)
		first := putWaitingEdit(t, s, "alice", p.ID, withoutGate(p.ProfileSpec))
		putWaitingEdit(t, s, "alice", p.ID, withName(p.ProfileSpec, "new.example.com"))
		if a := getApproval(t, s, first.ID); a.State != api.ApprovalCancelled || *a.Cause != api.CauseEditReplaced {
			t.Errorf("the edit that was replaced is %s", a.State)
		}
	})
}

// The approver of an edit sees how many live certificates it would keep from being renewed, and how many jobs it would end. The
// count does not move under the approver.
func TestEdit_ShowsItsEffectsToTheApprover(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		p := s.CreateProfileAsOlga(t, true)
		s.CreateCertificateAsOlga(t, p.ID)
		spec := p.ProfileSpec
		spec.AllowedDNSNames = []string{"**.example.org"}
		a := putWaitingEdit(t, s, "alice", p.ID, spec)
		s.CreateCertificateAsOlga(t, p.ID)
		seen, err := s.Client(t, "bob").GetApproval(t.Context(), a.ID)
		if want := (api.EditEffects{RenewalsBlocked: 1}); err != nil || seen.Effects == nil || *seen.Effects != want || a.Effects == nil || *a.Effects != want {
			t.Errorf("the effects are %+v and %+v, %v", a.Effects, seen.Effects, err)
		}
		if issuance := s.RequestOlgasCertificate(t, "alice"); issuance.ApprovalID != nil {
			if seen, err = s.Client(t, "bob").GetApproval(t.Context(), *issuance.ApprovalID); err != nil || seen.Effects != nil {
				t.Errorf("an issuance has the effects %+v, %v", seen.Effects, err)
			}
		}
	})
}
