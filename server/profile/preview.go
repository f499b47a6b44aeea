package profile

import (
	"errors"
	"fmt"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/rules"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Preview returns what Replace would do with the edit, or what Create would do if there is no such profile. It writes
// nothing.
func (s *Service) Preview(tx *store.Tx, who identity.Actor, id string, e Edit) (api.EditPreview, error) {
	stored, err := Get(tx, id)
	if api.Is(err, api.CodeNotFound) {
		return s.previewCreate(tx, id, e, err)
	}
	if err != nil {
		return api.EditPreview{}, err
	}
	p, err := s.plan(tx, who, stored, e)
	if err != nil {
		return api.EditPreview{}, err
	}
	preview := api.EditPreview{Outcome: p.outcome, Warnings: []string{}, Problem: p.refusal}
	if p.previous != nil {
		preview.PreviousApprovalID = &p.previous.ID
	}
	switch {
	case p.same: // an edit that waited before the bypass was turned on still waits
		preview.ApprovalID = &p.waiting.ID
	case p.outcome == api.EditWaits && s.Approvals.HasBypass():
		preview.Outcome = api.EditApplies
	}
	preview.Warnings = append(append(preview.Warnings, p.warnOfCancelled(who)...), rules.WarnOfProfile(e.Spec)...)
	if preview.Changes, err = compareSpecs(&stored.Spec.V, e.Spec); err != nil {
		return preview, err
	}
	return preview, s.previewEffects(tx, stored, e.Spec, &preview)
}

// warnOfCancelled names the waiting edit that the edit cancels.
func (p plan) warnOfCancelled(who identity.Actor) []string {
	if p.waiting == nil || p.same {
		return nil
	}
	own := p.waiting.Accountable == who.Accountable()
	replaced := (p.outcome == api.EditNone || p.outcome == api.EditWaits) && own
	applied := p.outcome == api.EditApplies && !SameRules(p.stored.Spec.V, p.edit.Spec)
	if !replaced && !applied {
		return nil
	}
	return []string{fmt.Sprintf("approval %s, which waits, is cancelled", p.waiting.ID)}
}

// previewEffects adds the effects that an edit has when it applies.
func (s *Service) previewEffects(tx *store.Tx, stored Profile, after api.ProfileSpec, preview *api.EditPreview) error {
	if preview.Outcome == api.EditRefused || preview.Outcome == api.EditNone {
		return nil
	}
	effects, warnings, err := s.CountEffects(tx, stored, after)
	preview.Effects, preview.Warnings = effects, append(preview.Warnings, warnings...)
	return err
}

// previewCreate returns what Create would do. An edit that is based on a version is refused: the profile is absent.
func (s *Service) previewCreate(tx *store.Tx, id string, e Edit, absent error) (api.EditPreview, error) {
	preview := api.EditPreview{Outcome: api.EditCreates, Warnings: append([]string{}, rules.WarnOfProfile(e.Spec)...)}
	err := absent
	if len(e.Based) == 0 {
		err = s.checkNew(tx, api.CreateProfile{ID: id, ProfileSpec: e.Spec})
	}
	if errors.As(err, &preview.Problem) {
		preview.Outcome = api.EditRefused
	} else if err != nil {
		return preview, err
	}
	preview.Changes, err = compareSpecs(nil, e.Spec)
	return preview, err
}

// compareSpecs lists the fields that differ; every field if before is nil.
func compareSpecs(before *api.ProfileSpec, after api.ProfileSpec) ([]api.Change, error) {
	if before == nil {
		return rules.ListChanges(nil, rules.SortProfile(after))
	}
	return rules.ListChanges(rules.SortProfile(*before), rules.SortProfile(after))
}
