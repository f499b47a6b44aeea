package profile

import (
	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/rules"
	"github.com/certctl/terraform-provider-certctl/server/approval"
	"github.com/certctl/terraform-provider-certctl/server/history"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Result is what an edit did. Waiting is the approval that the edit waits for; nil if it applied or changed nothing.
// Effects are those of an edit that applied at once; nil if there are none and the gate was not turned on.
type Result struct {
	Profile Profile
	Effects *api.EditEffects
	Waiting *approval.Approval
}

// Replace stores an edit, or requests the approval that an edit of a gated profile needs.
func (s *Service) Replace(tx *store.Tx, who identity.Actor, id string, e Edit) (Result, error) {
	stored, err := get(tx, id, tx.Locking("FOR UPDATE"))
	if err != nil {
		return Result{}, err
	}
	if err := lockWaitingEdit(tx, stored); err != nil {
		return Result{}, err
	}
	p, err := s.plan(tx, who, stored, e)
	if err != nil {
		return Result{}, err
	}
	switch p.outcome {
	case api.EditNone:
		return Result{Profile: stored}, s.cancelOwnWaiting(tx, who, p)
	case api.EditApplies:
		return s.applyNow(tx, who, stored, e.Spec)
	case api.EditWaits:
		return s.request(tx, who, p)
	default:
		return Result{}, p.refusal
	}
}

// lockWaitingEdit locks the approval that waits, so that nobody rejects or withdraws it after this edit is planned.
func lockWaitingEdit(tx *store.Tx, stored Profile) error {
	waiting, found, err := findWaitingEdit(tx, stored)
	if err != nil || !found {
		return err
	}
	_, _, err = approval.Lock(tx, waiting.ID)
	return err
}

// applyNow applies an edit that needs no approval. It counts the effects before apply, which changes what the count
// compares.
func (s *Service) applyNow(tx *store.Tx, who identity.Actor, stored Profile, spec api.ProfileSpec) (Result, error) {
	effects, _, err := s.CountEffects(tx, stored, spec)
	if err != nil {
		return Result{}, err
	}
	after, err := s.apply(tx, who, history.AuthorOf(who), stored, spec)
	if !turnsGateOn(stored.Spec.V, spec) && effects == (api.EditEffects{}) {
		return Result{Profile: after}, err
	}
	return Result{Profile: after, Effects: &effects}, err
}

// cancelOwnWaiting cancels the caller's own waiting edit: the caller now wants the profile as it is.
func (s *Service) cancelOwnWaiting(tx *store.Tx, who identity.Actor, p plan) error {
	if p.waiting == nil || p.waiting.Accountable != who.Accountable() {
		return nil
	}
	return s.Approvals.CloseUnlessDecided(tx, who, *p.waiting, api.CauseEditReplaced)
}

// request opens the approval that the edit needs, unless this edit waits already. It replaces another edit of the same
// person.
func (s *Service) request(tx *store.Tx, who identity.Actor, p plan) (Result, error) {
	if p.same {
		return Result{Profile: p.stored, Waiting: p.waiting}, p.updateNotes(tx, who)
	}
	for _, a := range []*approval.Approval{p.waiting, p.overdue} {
		if a == nil {
			continue
		}
		if err := s.Approvals.CloseUnlessDecided(tx, who, *a, api.CauseEditReplaced); err != nil {
			return Result{}, err
		}
	}
	effects, _, err := s.CountEffects(tx, p.stored, p.edit.Spec)
	if err != nil {
		return Result{}, err
	}
	a, err := s.Approvals.Open(tx, who, approval.Request{
		Kind: api.ApprovalProfileEdit, ProfileID: &p.stored.ID, ProfileName: p.stored.Spec.V.Name,
		Accountable: who.Accountable(), Excluded: []string{who.Accountable()}, Previous: p.previous,
		Effects: &effects, Reason: p.edit.Reason, Subject: p.subject, Digest: p.digest,
	}, func(a approval.Approval) error {
		return storeWaitingEdit(tx, a.ID, 1, p.edit.Spec, p.stored.Spec.V)
	})
	if err != nil {
		return Result{}, err
	}
	if a.State == api.ApprovalPending {
		return Result{Profile: p.stored, Waiting: &a}, nil
	}
	after, err := Get(tx, p.stored.ID) // the bypass approved it
	if effects == (api.EditEffects{}) {
		return Result{Profile: after}, err
	}
	return Result{Profile: after, Effects: &effects}, err
}

// updateNotes stores the description and labels with which the requester sent the waiting edit again. No approval covers
// them, so it stays the same request.
func (p plan) updateNotes(tx *store.Tx, who identity.Actor) error {
	if p.waiting.Accountable != who.Accountable() {
		return nil
	}
	before, found, err := findWaitingSpec(tx, p.waiting.ID)
	if err != nil || !found || rules.SameProfile(before.Spec.V, p.edit.Spec) {
		return err
	}
	return storeWaitingEdit(tx, p.waiting.ID, before.Number+1, p.edit.Spec, p.stored.Spec.V)
}
