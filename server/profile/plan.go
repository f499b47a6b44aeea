package profile

import (
	"errors"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/rules"
	"github.com/certctl/terraform-provider-certctl/server/approval"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Edit is what someone wants a profile to be.
type Edit struct {
	Spec     api.ProfileSpec
	Based    api.Precondition
	Reason   string
	Resubmit bool // request again an edit that was rejected
}

// newSubject returns the subject of an edit's approval. Its base is the profile's rules version, so a change of
// description or labels makes no other subject.
func newSubject(stored Profile, after api.ProfileSpec) api.EditSubject {
	return api.EditSubject{
		ProfileID: stored.ID, BaseVersion: stored.RulesVersion, Before: profileRules(stored.Spec.V), After: profileRules(after),
	}
}

// profileRules returns the rules of a profile with sets sorted.
func profileRules(spec api.ProfileSpec) api.ProfileRules {
	return api.NewProfileRules(withoutNotes(rules.SortProfile(spec)))
}

// plan is what an edit would do now. Replace does it, and Preview shows it.
type plan struct {
	outcome  api.EditOutcome
	stored   Profile
	edit     Edit
	waiting  *approval.Approval // the edit of this profile that waits now; nil if none does
	overdue  *approval.Approval // the edit that waits and whose deadline has passed; nil if there is none
	same     bool               // the waiting edit is this edit
	subject  string             // of the approval that the edit needs
	digest   string             // of subject
	previous *approval.Approval // an earlier edit that approvers must know; nil if there is none
	refusal  *api.Problem
}

// plan uses who only to decide whether a waiting edit may be replaced: only its own author may replace it.
func (s *Service) plan(tx *store.Tx, who identity.Actor, stored Profile, e Edit) (plan, error) {
	p := plan{stored: stored, edit: e}
	waiting, found, err := findWaitingEdit(tx, stored)
	if err != nil {
		return p, err
	}
	switch {
	case found && waiting.IsOverdue(tx.Now):
		p.overdue = &waiting
	case found:
		p.waiting = &waiting
	}
	if rules.SameProfile(stored.Spec.V, e.Spec) {
		p.outcome = api.EditNone
		return p, nil
	}
	if err := s.checkEdit(tx, stored, e); errors.As(err, &p.refusal) {
		p.outcome = api.EditRefused
		return p, nil
	} else if err != nil {
		return p, err
	}
	if !NeedsApproval(stored.Spec.V, e.Spec) {
		p.outcome = api.EditApplies
		return p, nil
	}
	p.outcome = api.EditWaits
	return p, p.planWaiting(tx, who)
}

// checkEdit refuses an edit that is based on another version or breaks the rules of profiles.
func (s *Service) checkEdit(tx *store.Tx, stored Profile, e Edit) error {
	if err := e.Based.Check(stored.Version); err != nil {
		return err
	}
	if faults := rules.CheckProfile(e.Spec, s.Issuers); len(faults) > 0 {
		return api.Invalid(faults...)
	}
	return checkNameIsFree(tx, stored, e.Spec.Name)
}

// planWaiting fills in which approval the edit needs, or why it may not be requested.
func (p *plan) planWaiting(tx *store.Tx, who identity.Actor) error {
	var err error
	if p.subject, p.digest, err = rules.Canonicalize(newSubject(p.stored, p.edit.Spec)); err != nil {
		return err
	}
	if p.waiting != nil {
		p.same = p.waiting.Digest == p.digest
		if !p.same && p.waiting.Accountable != who.Accountable() {
			p.refuse(alreadyPendingProblem(*p.waiting))
			return nil
		}
		if p.same {
			return nil
		}
	}
	previous, err := p.findPrevious(tx)
	if err != nil || previous == nil {
		return err
	}
	if previous.State == api.ApprovalRejected && previous.Digest == p.digest && !p.edit.Resubmit {
		p.refuse(rejectedProblem(*previous))
		return nil
	}
	p.previous = previous
	return nil
}

func (p *plan) refuse(refusal *api.Problem) { p.outcome, p.refusal = api.EditRefused, refusal }

// findPrevious returns the earlier edit that approvers must know, or nil. The first that exists counts:
//
//  1. the rejection of this very edit, even if another edit was requested since,
//  2. the newest rejection since a human approved an edit,
//  3. the newest request of this very edit,
//  4. the last edit, if it ended without a decision and would have made the profile the same.
func (p *plan) findPrevious(tx *store.Tx) (*approval.Approval, error) {
	approvedAt, err := p.findApprovedAt(tx)
	if err != nil {
		return nil, err
	}
	rejected := []api.ApprovalState{api.ApprovalRejected}
	for _, f := range []approval.Filter{
		p.limitToProfile(approval.Filter{States: rejected, Digest: p.digest}),
		p.limitToProfile(approval.Filter{States: rejected, Since: approvedAt}),
		p.limitToProfile(approval.Filter{Digest: p.digest}),
	} {
		previous, found, err := approval.FindNewest(tx, f)
		if err != nil || found {
			return &previous, err
		}
	}
	return p.findSameAsLast(tx)
}

// limitToProfile limits a filter to the edits of this profile. It excludes edits of a deleted profile with the same id.
func (p *plan) limitToProfile(f approval.Filter) approval.Filter {
	f.Kind, f.ProfileID = api.ApprovalProfileEdit, p.stored.ID
	if f.Since.IsZero() {
		f.Since = p.stored.CreatedAt
	}
	return f
}

// findApprovedAt returns when the last edit that a human approved was requested, or when the profile was created.
func (p *plan) findApprovedAt(tx *store.Tx) (time.Time, error) {
	last, found, err := approval.FindNewest(tx, p.limitToProfile(approval.Filter{States: []api.ApprovalState{api.ApprovalApproved}}))
	if err != nil || !found || last.Decider().Kind != identity.Human {
		return p.stored.CreatedAt, err
	}
	return last.CreatedAt, nil
}

// findSameAsLast returns the last edit if it was cancelled or expired and would have made the profile the same.
func (p *plan) findSameAsLast(tx *store.Tx) (*approval.Approval, error) {
	last, found, err := approval.FindNewest(tx, p.limitToProfile(approval.Filter{}))
	if err != nil || !found || last.State != api.ApprovalCancelled && last.State != api.ApprovalExpired {
		return nil, err
	}
	subject, err := readSubject(last)
	if err != nil {
		return nil, err
	}
	if !SameRules(subject.After.Spec(), p.edit.Spec) {
		return nil, nil //nolint:nilnil // there may be none
	}
	return &last, nil
}

// findWaitingEdit finds the pending edit of a profile. Deleting a profile cancels its edit, so none belongs to an
// earlier profile with the id.
func findWaitingEdit(tx *store.Tx, p Profile) (approval.Approval, bool, error) {
	return approval.FindNewest(tx, approval.Filter{
		Kind: api.ApprovalProfileEdit, ProfileID: p.ID, States: []api.ApprovalState{api.ApprovalPending},
	})
}

func alreadyPendingProblem(a approval.Approval) *api.Problem {
	refusal := api.Refuse(api.CodeEditAlreadyPending, "an edit by %s awaits approval %s: have that approval decided or withdrawn first", a.Accountable, a.ID)
	refusal.ApprovalID = a.ID
	return refusal
}

func rejectedProblem(a approval.Approval) *api.Problem {
	refusal := api.Refuse(api.CodeEditRejected, "this edit was rejected by %s (approval %s): change it, or request it again with ?resubmit=true", *a.DecidedBy, a.ID)
	refusal.ApprovalID, refusal.DecidedBy, refusal.Note = a.ID, *a.DecidedBy, a.Note
	return refusal
}
