package principal

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/rules"
	"github.com/certctl/terraform-provider-certctl/server/audit"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Principal is a person or a service. The id is a handle. It is never reused and never changes.
type Principal struct {
	ID         string
	Kind       api.PrincipalKind
	Owner      *string // the human who owns a service; nil for a human
	Roles      store.JSON[[]api.Role]
	DisabledAt *time.Time
	CreatedAt  time.Time
	UpdatedAt  time.Time
}

// TableName implements gorm's Tabler.
func (Principal) TableName() string { return "principals" }

var knownRoles = []api.Role{api.RoleViewer, api.RoleAuditor, api.RoleOperator, api.RoleApprover, api.RoleAdmin}

// Create adds a principal. A service needs an owner, who must be an enabled human. A human has no owner.
func Create(tx *store.Tx, id string, kind api.PrincipalKind, owner string, roles []api.Role) error {
	if err := rules.CheckHandle(id); err != nil {
		return err
	}
	if err := checkRoles(kind, roles); err != nil {
		return err
	}
	row := Principal{ID: id, Kind: kind, Roles: store.JSON[[]api.Role]{V: roles}, CreatedAt: tx.Now, UpdatedAt: tx.Now}
	switch {
	case kind == api.KindService:
		if err := lockOwner(tx, owner); err != nil {
			return err
		}
		row.Owner = &owner
	case owner != "":
		return fmt.Errorf("a human has no owner: leave --owner out")
	}
	var existing Principal
	if found, err := tx.Find(&existing, "SELECT * FROM principals WHERE id = ?", id); err != nil {
		return err
	} else if found {
		return fmt.Errorf("there is a principal %q already, and an id is never reused: choose another id", id)
	}
	if err := tx.DB.Create(&row).Error; err != nil {
		return fmt.Errorf("store the principal: %w", err)
	}
	return appendAudit(tx, "principal_created", "principal", id, audit.Details{"kind": kind, "owner": owner, "roles": roles})
}

func checkRoles(kind api.PrincipalKind, roles []api.Role) error {
	if len(roles) == 0 {
		return fmt.Errorf("give at least one role: %s", roleNames())
	}
	for i, r := range roles {
		if !slices.Contains(knownRoles, r) {
			return fmt.Errorf("there is no role %q; the roles are %s", r, roleNames())
		}
		if slices.Contains(roles[:i], r) {
			return fmt.Errorf("the role %q is given twice", r)
		}
	}
	if kind != api.KindHuman && slices.Contains(roles, api.RoleApprover) {
		return fmt.Errorf("a service cannot have the role approver: only people decide")
	}
	return nil
}

// roleNames lists the roles for people.
func roleNames() string {
	names := make([]string, len(knownRoles))
	for i, r := range knownRoles {
		names[i] = string(r)
	}
	return strings.Join(names, ", ")
}

// lockOwner locks the owner of a service. It returns an error unless the owner is an enabled human.
func lockOwner(tx *store.Tx, owner string) error {
	if owner == "" {
		return fmt.Errorf("a service needs an owner, the human who is accountable for it: give --owner")
	}
	p, err := lock(tx, owner)
	if err != nil {
		return fmt.Errorf("owner: %w", err)
	}
	if p.Kind != api.KindHuman {
		return fmt.Errorf("the owner %q is not a human: only a human can own a service", owner)
	}
	if p.DisabledAt != nil {
		return fmt.Errorf("the owner %q is disabled: choose another owner", owner)
	}
	return nil
}

// Effects lists the ids of what a command on a principal changed besides the principal.
type Effects struct {
	RevokedKeys, StoppedServices, MovedServices, CancelledRequests []string
	BlockedCertificates                                            []string // the scheduler no longer renews them
}

// Disable disables a principal and revokes their keys. Services of a disabled owner cannot act, but keep their keys.
// Disabling a disabled principal changes nothing.
func Disable(tx *store.Tx, id string) (Effects, error) {
	var done Effects
	if _, err := lockWithKeys(tx, id); err != nil {
		return done, err
	}
	var err error
	if done.RevokedKeys, err = revokeKeys(tx, id, "person disabled"); err != nil {
		return done, err
	}
	if err := tx.DB.Raw("SELECT id FROM principals WHERE owner = ? AND disabled_at IS NULL ORDER BY id", id).Scan(&done.StoppedServices).Error; err != nil {
		return done, fmt.Errorf("look up the services of %s: %w", id, err)
	}
	details := audit.Details{"keys_revoked": len(done.RevokedKeys), "services_stopped": slices.Concat([]string{}, done.StoppedServices)}
	return done, update(tx, id, "principal_disabled", details,
		"UPDATE principals SET disabled_at = ?, updated_at = ? WHERE id = ? AND disabled_at IS NULL RETURNING *", tx.Now, tx.Now, id)
}

// Enable lets a disabled principal act again. Their keys stay revoked, so they need new ones.
func Enable(tx *store.Tx, id string) error {
	if _, err := lock(tx, id); err != nil {
		return err
	}
	return update(tx, id, "principal_enabled", nil,
		"UPDATE principals SET disabled_at = NULL, updated_at = ? WHERE id = ? AND disabled_at IS NOT NULL RETURNING *", tx.Now, id)
}

// SetRoles replaces a principal's roles.
func SetRoles(tx *store.Tx, id string, roles []api.Role) error {
	p, err := lock(tx, id)
	if err != nil {
		return err
	}
	if err := checkRoles(p.Kind, roles); err != nil {
		return err
	}
	var after Principal
	err = tx.Must(&after, "UPDATE principals SET roles = ?, updated_at = ? WHERE id = ? RETURNING *", store.JSON[[]api.Role]{V: roles}, tx.Now, id)
	if err != nil {
		return fmt.Errorf("store the roles of %s: %w", id, err)
	}
	return appendAudit(tx, "principal_roles_changed", "principal", id, audit.Details{"before": p.Roles.V, "after": roles})
}

// SetOwner gives a service to another human and revokes its keys, because the former owner may have copies. If the
// service has that owner already, SetOwner changes nothing.
func SetOwner(tx *store.Tx, id, owner string) (Effects, error) {
	p, err := lockWithKeys(tx, id)
	if err != nil {
		return Effects{}, err
	}
	if p.Kind != api.KindService {
		return Effects{}, fmt.Errorf("%q is a human and has no owner: only a service has one", id)
	}
	if err := lockOwner(tx, owner); err != nil || *p.Owner == owner {
		return Effects{}, err
	}
	revoked, err := revokeKeys(tx, id, "owner changed")
	if err != nil {
		return Effects{}, err
	}
	var after Principal
	if err := tx.Must(&after, "UPDATE principals SET owner = ?, updated_at = ? WHERE id = ? RETURNING *", owner, tx.Now, id); err != nil {
		return Effects{}, fmt.Errorf("store the owner of %s: %w", id, err)
	}
	return Effects{RevokedKeys: revoked}, appendAudit(tx, "principal_owner_changed", "principal", id,
		audit.Details{"before": *p.Owner, "after": owner, "keys_revoked": len(revoked)})
}

// lockWithKeys locks a principal's keys and then the principal. Reload locks in the same order, so there is no deadlock.
func lockWithKeys(tx *store.Tx, id string) (Principal, error) {
	var keys []string
	if err := tx.DB.Raw("SELECT id FROM keys WHERE principal_id = ? ORDER BY id"+tx.Locking("FOR UPDATE"), id).Scan(&keys).Error; err != nil {
		return Principal{}, fmt.Errorf("lock the keys of %s: %w", id, err)
	}
	return lock(tx, id)
}

// lock returns a principal and locks it FOR UPDATE, or returns an error for a command if there is none.
func lock(tx *store.Tx, id string) (Principal, error) {
	var p Principal
	found, err := tx.Find(&p, "SELECT * FROM principals WHERE id = ?"+tx.Locking("FOR UPDATE"), id)
	if err == nil && !found {
		err = fmt.Errorf("there is no principal %q: find the id with principal list", id)
	}
	return p, err
}

// update runs one guarded UPDATE and appends the audit row. If the guard fails, update changes and appends nothing.
func update(tx *store.Tx, id, action string, details audit.Details, statement string, args ...any) error {
	var row Principal
	changed, err := tx.Guarded(&row, statement, args...)
	if err != nil || !changed {
		return err
	}
	return appendAudit(tx, action, "principal", id, details)
}

func appendAudit(tx *store.Tx, action, resourceType, id string, details audit.Details) error {
	return audit.Append(tx, audit.Event{Actor: identity.CLI, Action: action, ResourceType: resourceType, ResourceID: id, Details: details})
}
