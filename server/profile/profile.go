package profile

import (
	"fmt"
	"regexp"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/rules"
	"github.com/certctl/terraform-provider-certctl/server/approval"
	"github.com/certctl/terraform-provider-certctl/server/audit"
	"github.com/certctl/terraform-provider-certctl/server/history"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Profile is a stored certificate profile.
type Profile struct {
	ID      string
	Spec    store.JSON[api.ProfileSpec]
	Version int64
	// RulesVersion is the version that changed more than description and labels.
	RulesVersion int64
	CreatedAt    time.Time
	UpdatedAt    time.Time
}

// TableName implements gorm's Tabler.
func (Profile) TableName() string { return "profiles" }

// Service writes profiles.
type Service struct {
	Approvals *approval.Service
	// Issuers are the ids of the issuers that a profile may name.
	Issuers []string
	// ListUsers returns up to ten of the live certificates that refer to a profile, and how many there are.
	ListUsers func(tx *store.Tx, profileID string) ([]api.Ref, int, error)
	// CountEffects counts what an edit does to the jobs and certificates under a profile. The warnings say what was not
	// counted.
	CountEffects func(tx *store.Tx, p Profile, after api.ProfileSpec) (api.EditEffects, []string, error)
	// RunJobs makes the pending jobs under a profile due.
	RunJobs func(tx *store.Tx, profileID string) error
}

var wellFormedID = regexp.MustCompile(`^p-[a-z0-9][a-z0-9-]{0,62}$`)

// Get returns a profile, or a not_found problem.
func Get(tx *store.Tx, id string) (Profile, error) { return get(tx, id, "") }

// Share is Get, and keeps the profile as it is until the transaction ends.
func Share(tx *store.Tx, id string) (Profile, error) { return get(tx, id, tx.Locking("FOR SHARE")) }

func get(tx *store.Tx, id, locking string) (Profile, error) {
	if !wellFormedID.MatchString(id) {
		return Profile{}, api.NotFound("profile", id)
	}
	var p Profile
	found, err := tx.Find(&p, "SELECT * FROM profiles WHERE id = ?"+locking, id)
	if err != nil {
		return Profile{}, fmt.Errorf("look up profile %s: %w", id, err)
	}
	if !found {
		return Profile{}, api.NotFound("profile", id)
	}
	return p, nil
}

// Create stores a new profile.
func (s *Service) Create(tx *store.Tx, who identity.Actor, in api.CreateProfile) (Profile, error) {
	if err := s.checkNew(tx, in); err != nil {
		return Profile{}, err
	}
	if in.ID == "" {
		in.ID = store.NewID("p-")
	}
	p := Profile{ID: in.ID, Spec: store.JSON[api.ProfileSpec]{V: in.ProfileSpec}, Version: 1, RulesVersion: 1, CreatedAt: tx.Now, UpdatedAt: tx.Now}
	if err := tx.DB.Create(&p).Error; err != nil {
		return Profile{}, fmt.Errorf("store the profile: %w", err)
	}
	if err := recordChanges(tx, history.AuthorOf(who), nil, p); err != nil {
		return Profile{}, err
	}
	return p, appendAudit(tx, who, "profile_created", p.ID, audit.Details{"profile": p.Spec.V})
}

// checkNew refuses a new profile that breaks the rules, or whose id or name another profile has.
func (s *Service) checkNew(tx *store.Tx, in api.CreateProfile) error {
	faults := rules.CheckProfile(in.ProfileSpec, s.Issuers)
	if in.ID != "" && !wellFormedID.MatchString(in.ID) {
		faults = append(faults, api.Fault{Pointer: "/id", Detail: "an id is p- and 1 to 63 lower-case letters, digits and hyphens, and the first of them is not a hyphen"})
	}
	if len(faults) > 0 {
		return api.Invalid(faults...)
	}
	return checkIsNew(tx, in.ID, in.Name)
}

// checkIsNew refuses an id or a name that another profile has. If two callers create at once, the unique index refuses
// the second; its transaction runs again and finds the first.
func checkIsNew(tx *store.Tx, id, name string) error {
	var other Profile
	found, err := tx.Find(&other, "SELECT * FROM profiles WHERE id = ? OR name = ? ORDER BY id LIMIT 1", id, name)
	if err != nil {
		return fmt.Errorf("look up the profile of the same name: %w", err)
	}
	if found {
		return existsProblem(other, id)
	}
	return nil
}

func existsProblem(other Profile, id string) error {
	refusal := api.Refuse(api.CodeAlreadyExists, "profile %s has the name %q already: choose another name", other.ID, other.Spec.V.Name)
	if other.ID == id {
		refusal.Detail = fmt.Sprintf("there is a profile %s already: choose another id", id)
	}
	refusal.ID = other.ID
	return refusal
}

// checkNameIsFree refuses the name of another profile.
func checkNameIsFree(tx *store.Tx, p Profile, name string) error {
	var other Profile
	found, err := tx.Find(&other, "SELECT * FROM profiles WHERE name = ? AND id <> ?", name, p.ID)
	if err != nil {
		return fmt.Errorf("look up the profile of the same name: %w", err)
	}
	if found {
		return existsProblem(other, p.ID)
	}
	return nil
}

// apply stores an edit. If the edit changes a rule, apply closes the waiting edit, which was based on the old rules.
// author wrote the edit; who is the caller that stores it.
func (s *Service) apply(tx *store.Tx, who identity.Actor, author history.Author, p Profile, spec api.ProfileSpec) (Profile, error) {
	rulesVersion := p.RulesVersion
	if !SameRules(p.Spec.V, spec) {
		rulesVersion = p.Version + 1
		if err := s.closeWaitingEdit(tx, who, p, api.CauseSubjectChanged); err != nil {
			return Profile{}, err
		}
	}
	var after Profile
	err := tx.Must(&after, `UPDATE profiles SET spec = ?, version = version + 1, rules_version = ?, updated_at = ?
		WHERE id = ? AND version = ? RETURNING *`, store.JSON[api.ProfileSpec]{V: spec}, rulesVersion, tx.Now, p.ID, p.Version)
	if err != nil {
		return Profile{}, fmt.Errorf("store profile %s: %w", p.ID, err)
	}
	if err := recordChanges(tx, author, &p.Spec.V, after); err != nil {
		return Profile{}, err
	}
	if err := s.runJobs(tx, p, spec); err != nil {
		return Profile{}, err
	}
	return after, appendAudit(tx, who, "profile_updated", p.ID, audit.Details{
		"version": after.Version, "accountable": author.Accountable, "before": p.Spec.V, "after": spec,
	})
}

// runJobs makes the pending jobs due if the edit enables the profile or turns the gate on. In the second case the gate
// refuses unapproved jobs at once, not at the end of their back-off.
func (s *Service) runJobs(tx *store.Tx, before Profile, after api.ProfileSpec) error {
	enabled := !before.Spec.V.Enabled && after.Enabled
	if !enabled && !turnsGateOn(before.Spec.V, after) {
		return nil
	}
	return s.RunJobs(tx, before.ID)
}

func turnsGateOn(before, after api.ProfileSpec) bool {
	return !before.RequiresApproval && after.RequiresApproval
}

// closeWaitingEdit cancels the edit of a profile that awaits its approval, if there is one.
func (s *Service) closeWaitingEdit(tx *store.Tx, who identity.Actor, p Profile, cause api.Cause) error {
	waiting, found, err := findWaitingEdit(tx, p)
	if err != nil || !found {
		return err
	}
	return s.Approvals.CloseUnlessDecided(tx, who, waiting, cause)
}

// Delete removes a profile that no live certificate refers to.
func (s *Service) Delete(tx *store.Tx, who identity.Actor, id string, based api.Precondition) error {
	p, err := get(tx, id, tx.Locking("FOR UPDATE"))
	if err != nil {
		return err
	}
	if err := based.Check(p.Version); err != nil {
		return err
	}
	users, count, err := s.ListUsers(tx, id)
	if err != nil {
		return fmt.Errorf("look up the certificates of profile %s: %w", id, err)
	}
	if count > 0 {
		refusal := api.Refuse(api.CodeInUse, "%d certificates refer to profile %s: archive them first", count, id)
		refusal.UsedBy, refusal.UsedByCount = users, count
		return refusal
	}
	if err := s.closeWaitingEdit(tx, who, p, api.CauseProfileDeleted); err != nil {
		return err
	}
	var deleted Profile
	if err := tx.Must(&deleted, "DELETE FROM profiles WHERE id = ? RETURNING *", id); err != nil {
		return fmt.Errorf("delete profile %s: %w", id, err)
	}
	return appendAudit(tx, who, "profile_deleted", id, audit.Details{"profile": p.Spec.V})
}

func appendAudit(tx *store.Tx, who identity.Actor, action, id string, details audit.Details) error {
	return audit.Append(tx, audit.Event{Actor: who, Action: action, ResourceType: "profile", ResourceID: id, Details: details})
}
