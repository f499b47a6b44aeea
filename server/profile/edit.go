package profile

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/rules"
	"github.com/certctl/terraform-provider-certctl/server/approval"
	"github.com/certctl/terraform-provider-certctl/server/history"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Edit is what someone wants a profile to be.
type Edit struct {
	Spec     api.ProfileSpec
	Based    api.Precondition
	Reason   string
	Resubmit bool // ask again for an edit that was rejected
}

// Result is what became of an edit: the profile, and the approval that the edit waits for, if it does. Effects are
// those of an edit that applied at once, if it turned the gate on or has any.
type Result struct {
	Profile Profile
	Effects *api.EditEffects
	Waiting *approval.Approval
}

// subject is what an approval of an edit is about. BaseVersion is the profile's rules version, so a change of its
// description or labels makes no other subject.
type subject struct {
	ProfileID   string  `json:"profile_id"`
	BaseVersion int64   `json:"base_version"`
	Before      ruleSet `json:"before"`
	After       ruleSet `json:"after"`
}

// ruleSet are the written fields of a profile but its description and labels, with sets sorted.
type ruleSet struct {
	api.ProfileSpec
	// These replace the fields of the same JSON name, so that they are left out.
	Description string            `json:"description,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
}

func rulesOf(spec api.ProfileSpec) ruleSet {
	return ruleSet{ProfileSpec: withoutNotes(rules.SortedProfile(spec))}
}

// plan is what an edit would do now. One plan serves the PUT, which does it, and the preview, which tells.
type plan struct {
	outcome  api.EditOutcome
	stored   Profile
	edit     Edit
	waiting  *approval.Approval // the edit that waits now, whatever it says
	overdue  *approval.Approval // or waited, and its deadline has passed unseen
	same     bool               // and it says the same
	text     string             // the subject of the approval that the edit needs
	digest   string
	previous *approval.Approval // what became of an earlier edit
	refusal  *api.Problem
}

// plan looks at an edit. who is nobody's business but the waiting edit's: another person's is not replaced.
func (s *Service) plan(tx *store.Tx, who identity.Actor, stored Profile, e Edit) (plan, error) {
	p := plan{stored: stored, edit: e}
	waiting, found, err := waitingEdit(tx, stored)
	if err != nil {
		return p, err
	}
	switch {
	case found && waiting.Overdue(tx.Now):
		p.overdue = &waiting
	case found:
		p.waiting = &waiting
	}
	if rules.SameProfile(stored.Spec.V, e.Spec) {
		p.outcome = api.EditNone
		return p, nil
	}
	if err := s.allows(tx, stored, e); errors.As(err, &p.refusal) {
		p.outcome = api.EditRefused
		return p, nil
	} else if err != nil {
		return p, err
	}
	if !Waits(stored.Spec.V, e.Spec) {
		p.outcome = api.EditApplies
		return p, nil
	}
	p.outcome = api.EditWaits
	return p, p.wait(tx, who)
}

// allows holds an edit against its precondition and the rules.
func (s *Service) allows(tx *store.Tx, stored Profile, e Edit) error {
	if err := e.Based.Check(stored.Version); err != nil {
		return err
	}
	if faults := rules.CheckProfile(e.Spec, s.Issuers); len(faults) > 0 {
		return api.Invalid(faults...)
	}
	return renamed(tx, stored, e.Spec.Name)
}

// wait says which approval the edit needs, or why it may not be asked for.
func (p *plan) wait(tx *store.Tx, who identity.Actor) error {
	var err error
	p.text, p.digest, err = rules.Canonical(subject{
		ProfileID: p.stored.ID, BaseVersion: p.stored.RulesVersion, Before: rulesOf(p.stored.Spec.V), After: rulesOf(p.edit.Spec),
	})
	if err != nil {
		return err
	}
	if p.waiting != nil {
		p.same = p.waiting.Digest == p.digest
		if !p.same && p.waiting.Accountable != who.Accountable() {
			p.refuse(alreadyPending(*p.waiting))
			return nil
		}
		if p.same {
			return nil
		}
	}
	before, err := p.before(tx)
	if err != nil || before == nil {
		return err
	}
	if before.State == api.ApprovalRejected && before.Digest == p.digest && !p.edit.Resubmit {
		p.refuse(rejected(*before))
		return nil
	}
	p.previous = before
	return nil
}

// before finds what an approver must know: the rejection of this very edit, which nothing that was asked for later
// washes off; else the newest rejection since a human approved an edit; else what became of this very edit, or of the
// last one if it would have made the profile the same. nil if there is none.
func (p *plan) before(tx *store.Tx) (*approval.Approval, error) {
	edits := approval.Filter{Kind: api.ApprovalProfileEdit, ProfileID: p.stored.ID}
	rejections := edits
	rejections.States = []api.ApprovalState{api.ApprovalRejected}
	approvedAt, err := p.lastApproved(tx)
	if err != nil {
		return nil, err
	}
	for _, sought := range []struct {
		among  approval.Filter
		digest string
		since  time.Time
	}{{rejections, p.digest, p.stored.CreatedAt}, {rejections, "", approvedAt}, {edits, p.digest, p.stored.CreatedAt}} {
		before, found, err := approval.Newest(tx, sought.among, sought.digest, sought.since)
		if err != nil || found {
			return &before, err
		}
	}
	return p.sameAsLast(tx, edits)
}

// lastApproved is when the last edit that a human approved was asked for, or else when the profile was created.
func (p *plan) lastApproved(tx *store.Tx) (time.Time, error) {
	edits := approval.Filter{Kind: api.ApprovalProfileEdit, ProfileID: p.stored.ID, States: []api.ApprovalState{api.ApprovalApproved}}
	last, found, err := approval.Newest(tx, edits, "", p.stored.CreatedAt)
	if err != nil || !found || last.Decider().Kind != identity.Human {
		return p.stored.CreatedAt, err
	}
	return last.CreatedAt, nil
}

// sameAsLast is the last edit, if it was cancelled or expired and would have made the profile the same.
func (p *plan) sameAsLast(tx *store.Tx, edits approval.Filter) (*approval.Approval, error) {
	before, found, err := approval.Newest(tx, edits, "", p.stored.CreatedAt)
	if err != nil || !found || before.State != api.ApprovalCancelled && before.State != api.ApprovalExpired {
		return nil, err
	}
	var other subject
	if err := json.Unmarshal([]byte(before.Subject), &other); err != nil {
		return nil, fmt.Errorf("read the subject of approval %s: %w", before.ID, err)
	}
	if !SameRules(other.After.ProfileSpec, p.edit.Spec) {
		return nil, nil //nolint:nilnil // there may be none
	}
	return &before, nil
}

func (p *plan) refuse(refusal *api.Problem) { p.outcome, p.refusal = api.EditRefused, refusal }

func alreadyPending(a approval.Approval) *api.Problem {
	refusal := api.Refuse(api.CodeEditAlreadyPending, "an edit by %s awaits approval %s: have it decided or withdrawn first", a.Accountable, a.ID)
	refusal.ApprovalID = a.ID
	return refusal
}

func rejected(a approval.Approval) *api.Problem {
	refusal := api.Refuse(api.CodeEditRejected, "this edit was rejected by %s (approval %s): change it, or ask again with ?resubmit=true", *a.DecidedBy, a.ID)
	refusal.ApprovalID, refusal.DecidedBy, refusal.Note = a.ID, *a.DecidedBy, a.Note
	return refusal
}

// Replace makes a profile what an edit says, or lets the edit of a gated profile wait for a second person.
func (s *Service) Replace(tx *store.Tx, who identity.Actor, id string, e Edit) (Result, error) {
	stored, err := get(tx, id, tx.Locking("FOR UPDATE"))
	if err != nil {
		return Result{}, err
	}
	p, err := s.plan(tx, who, stored, e)
	if err != nil {
		return Result{}, err
	}
	switch p.outcome {
	case api.EditNone:
		return Result{Profile: stored}, s.takeBack(tx, who, p)
	case api.EditApplies:
		return s.applyNow(tx, who, stored, e.Spec)
	case api.EditWaits:
		return s.ask(tx, who, p)
	default:
		return Result{}, p.refusal
	}
}

// applyNow applies an edit that needs no approval. Its effects are counted before the jobs feel them.
func (s *Service) applyNow(tx *store.Tx, who identity.Actor, stored Profile, spec api.ProfileSpec) (Result, error) {
	effects, _, err := s.Effects(tx, stored, spec)
	if err != nil {
		return Result{}, err
	}
	after, err := s.apply(tx, who, history.AuthorOf(who), stored, spec)
	if !turnsGateOn(stored.Spec.V, spec) && effects == (api.EditEffects{}) {
		return Result{Profile: after}, err
	}
	return Result{Profile: after, Effects: &effects}, err
}

// takeBack cancels the waiting edit of whoever says now that the profile shall stay what it is.
func (s *Service) takeBack(tx *store.Tx, who identity.Actor, p plan) error {
	if p.waiting == nil || p.waiting.Accountable != who.Accountable() {
		return nil
	}
	return s.Approvals.CloseUnlessDecided(tx, who, *p.waiting, api.CauseEditReplaced)
}

// ask opens the approval that the edit needs, unless the same edit waits already. It takes the place of another edit
// of the same person.
func (s *Service) ask(tx *store.Tx, who identity.Actor, p plan) (Result, error) {
	if p.same {
		return Result{Profile: p.stored, Waiting: p.waiting}, p.renote(tx, who)
	}
	for _, a := range []*approval.Approval{p.waiting, p.overdue} {
		if a == nil {
			continue
		}
		if err := s.Approvals.CloseUnlessDecided(tx, who, *a, api.CauseEditReplaced); err != nil {
			return Result{}, err
		}
	}
	a, err := s.Approvals.Request(tx, who, approval.Request{
		Kind: api.ApprovalProfileEdit, ProfileID: p.stored.ID, ProfileName: p.stored.Spec.V.Name,
		Accountable: who.Accountable(), Excluded: []string{who.Accountable()}, Previous: p.previous,
		Reason: p.edit.Reason, Subject: p.text, Digest: p.digest,
	})
	if err != nil {
		return Result{}, err
	}
	if err := storeEdited(tx, a.ID, 1, p.edit.Spec, p.stored.Spec.V); err != nil {
		return Result{}, err
	}
	if _, bypassed, err := s.Approvals.Bypass(tx, a); err != nil || !bypassed {
		return Result{Profile: p.stored, Waiting: &a}, err
	}
	after, err := Get(tx, p.stored.ID)
	return Result{Profile: after}, err
}

// renote stores the description and labels that the waiting edit was sent again with, if its own requester sent it. No
// approval covers them, so it stays the same request.
func (p plan) renote(tx *store.Tx, who identity.Actor) error {
	if p.waiting.Accountable != who.Accountable() {
		return nil
	}
	before, found, err := findEdited(tx, p.waiting.ID)
	if err != nil || !found || rules.SameProfile(before.Spec.V, p.edit.Spec) {
		return err
	}
	return storeEdited(tx, p.waiting.ID, before.Number+1, p.edit.Spec, p.stored.Spec.V)
}

// Preview tells what Replace would do with the edit, or Create if there is no such profile. It writes nothing.
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
	case p.same: // what waited before the bypass was on goes on waiting
		preview.ApprovalID = &p.waiting.ID
	case p.outcome == api.EditWaits && s.Approvals.Bypasses():
		preview.Outcome = api.EditApplies
	}
	if preview.Changes, err = changes(&stored.Spec.V, e.Spec); err != nil {
		return preview, err
	}
	return preview, s.foresee(tx, stored, e.Spec, &preview)
}

// foresee adds the effects that an edit has when it applies.
func (s *Service) foresee(tx *store.Tx, stored Profile, after api.ProfileSpec, preview *api.EditPreview) error {
	if preview.Outcome == api.EditRefused || preview.Outcome == api.EditNone {
		return nil
	}
	effects, warnings, err := s.Effects(tx, stored, after)
	preview.Effects, preview.Warnings = effects, append(preview.Warnings, warnings...)
	return err
}

// previewCreate tells what Create would do. An edit that is based on a version of an absent profile is refused.
func (s *Service) previewCreate(tx *store.Tx, id string, e Edit, absent error) (api.EditPreview, error) {
	preview := api.EditPreview{Outcome: api.EditCreates, Warnings: []string{}}
	err := absent
	if len(e.Based) == 0 {
		err = s.checkNew(tx, api.CreateProfile{ID: id, ProfileSpec: e.Spec})
	}
	if errors.As(err, &preview.Problem) {
		preview.Outcome = api.EditRefused
	} else if err != nil {
		return preview, err
	}
	preview.Changes, err = changes(nil, e.Spec)
	return preview, err
}

// changes lists the fields that differ, in the order of their names: all of them where there was nothing before.
func changes(before *api.ProfileSpec, after api.ProfileSpec) ([]api.Change, error) {
	var old map[string]json.RawMessage
	var err error
	if before != nil {
		if old, err = fields(*before); err != nil {
			return nil, err
		}
	}
	wanted, err := fields(after)
	if err != nil {
		return nil, err
	}
	list := []api.Change{}
	for name, value := range wanted {
		if string(old[name]) != string(value) {
			list = append(list, api.Change{Pointer: "/" + name, Before: old[name], After: value})
		}
	}
	slices.SortFunc(list, func(a, b api.Change) int { return strings.Compare(a.Pointer, b.Pointer) })
	return list, nil
}

func fields(spec api.ProfileSpec) (map[string]json.RawMessage, error) {
	text, err := json.Marshal(rules.SortedProfile(spec))
	if err != nil {
		return nil, err
	}
	var byName map[string]json.RawMessage
	return byName, json.Unmarshal(text, &byName)
}

// waitingEdit finds the edit that waits. Deleting a profile cancels its edit, so none is of an earlier profile with the
// id; the clocks of two servers need not agree which one came first.
func waitingEdit(tx *store.Tx, p Profile) (approval.Approval, bool, error) {
	return approval.Newest(tx, approval.Filter{
		Kind: api.ApprovalProfileEdit, ProfileID: p.ID, States: []api.ApprovalState{api.ApprovalPending},
	}, "", time.Time{})
}

// View shows profiles as callers see them, each with the approval that its edit waits for.
func View(tx *store.Tx, rows ...Profile) ([]api.Profile, error) {
	ids := make([]string, len(rows))
	for i, p := range rows {
		ids[i] = p.ID
	}
	waiting, err := approval.PendingOf(tx, api.ApprovalProfileEdit, ids)
	if err != nil {
		return nil, err
	}
	views := make([]api.Profile, len(rows))
	for i, p := range rows {
		views[i] = api.Profile{ID: p.ID, ProfileSpec: p.Spec.V, Version: p.Version, CreatedAt: p.CreatedAt, UpdatedAt: p.UpdatedAt}
		if id, ok := waiting[p.ID]; ok {
			views[i].PendingApprovalID = &id
		}
	}
	return views, nil
}
