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

// Principal is a person or a service. Its id is a handle that is never reused and never renamed.
type Principal struct {
	ID         string
	Kind       api.PrincipalKind
	Owner      *string // of a service: a human
	Roles      store.JSON[[]api.Role]
	DisabledAt *time.Time
	CreatedAt  time.Time
	UpdatedAt  time.Time
}

// TableName implements gorm's Tabler.
func (Principal) TableName() string { return "principals" }

var knownRoles = []api.Role{api.RoleViewer, api.RoleAuditor, api.RoleOperator, api.RoleApprover, api.RoleAdmin}

// Create adds a principal. A service needs an owner, who must be an enabled human; a human has none.
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
		if err := checkOwner(tx, owner); err != nil {
			return err
		}
		row.Owner = &owner
	case owner != "":
		return fmt.Errorf("a human has no owner")
	}
	var existing Principal
	if found, err := tx.Find(&existing, "SELECT * FROM principals WHERE id = ?", id); err != nil {
		return err
	} else if found {
		return fmt.Errorf("there is a principal %q already; an id is never reused", id)
	}
	if err := tx.DB.Create(&row).Error; err != nil {
		return fmt.Errorf("create principal: %w", err)
	}
	return record(tx, "principal_created", "principal", id, audit.Details{"kind": kind, "owner": owner, "roles": roles})
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
		return fmt.Errorf("a service cannot be an approver: only people decide")
	}
	return nil
}

func roleNames() string {
	names := make([]string, len(knownRoles))
	for i, r := range knownRoles {
		names[i] = string(r)
	}
	return strings.Join(names, ", ")
}

func checkOwner(tx *store.Tx, owner string) error {
	if owner == "" {
		return fmt.Errorf("a service needs an owner: the human who is accountable for it")
	}
	p, err := get(tx, owner)
	if err != nil {
		return fmt.Errorf("owner: %w", err)
	}
	if p.Kind != api.KindHuman {
		return fmt.Errorf("the owner %q is no human", owner)
	}
	if p.DisabledAt != nil {
		return fmt.Errorf("the owner %q is disabled", owner)
	}
	return nil
}

// List gives all principals by id.
func List(tx *store.Tx) ([]Principal, error) {
	var rows []Principal
	return rows, tx.DB.Order("id").Find(&rows).Error
}

// Effects are what a command on a principal did beside the change that it was asked for: the ids.
type Effects struct {
	RevokedKeys, StoppedServices, MovedServices, CancelledRequests []string
}

// Disable stops a principal and revokes their keys for good. The services that they own stop with them, and keep their
// keys. Disabling a disabled principal changes nothing.
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
		return done, fmt.Errorf("find the services of %s: %w", id, err)
	}
	details := audit.Details{"keys_revoked": len(done.RevokedKeys), "services_stopped": slices.Concat([]string{}, done.StoppedServices)}
	return done, change(tx, id, "principal_disabled", details,
		"UPDATE principals SET disabled_at = ?, updated_at = ? WHERE id = ? AND disabled_at IS NULL RETURNING *", tx.Now, tx.Now, id)
}

// Enable lets a disabled principal act again, with new keys.
func Enable(tx *store.Tx, id string) error {
	if _, err := get(tx, id); err != nil {
		return err
	}
	return change(tx, id, "principal_enabled", nil,
		"UPDATE principals SET disabled_at = NULL, updated_at = ? WHERE id = ? AND disabled_at IS NOT NULL RETURNING *", tx.Now, id)
}

// SetRoles replaces a principal's roles.
func SetRoles(tx *store.Tx, id string, roles []api.Role) error {
	p, err := get(tx, id)
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
	return record(tx, "principal_roles_changed", "principal", id, audit.Details{"before": p.Roles.V, "after": roles})
}

// SetOwner gives a service to another human and revokes its keys: the former owner may still have them, and the new
// owner is accountable for what they ask for. If the service has that owner already, nothing changes.
func SetOwner(tx *store.Tx, id, owner string) (Effects, error) {
	p, err := lockWithKeys(tx, id)
	if err != nil {
		return Effects{}, err
	}
	if p.Kind != api.KindService {
		return Effects{}, fmt.Errorf("%q is a human and has no owner", id)
	}
	if err := checkOwner(tx, owner); err != nil || *p.Owner == owner {
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
	return Effects{RevokedKeys: revoked}, record(tx, "principal_owner_changed", "principal", id,
		audit.Details{"before": *p.Owner, "after": owner, "keys_revoked": len(revoked)})
}

// lockWithKeys locks a principal's keys and then the principal: the order of Now, so that neither waits for the other.
func lockWithKeys(tx *store.Tx, id string) (Principal, error) {
	var keys []string
	if err := tx.DB.Raw("SELECT id FROM keys WHERE principal_id = ? ORDER BY id"+tx.Locking("FOR UPDATE"), id).Scan(&keys).Error; err != nil {
		return Principal{}, fmt.Errorf("lock the keys of %s: %w", id, err)
	}
	return get(tx, id)
}

func get(tx *store.Tx, id string) (Principal, error) {
	var p Principal
	found, err := tx.Find(&p, "SELECT * FROM principals WHERE id = ?"+tx.Locking("FOR UPDATE"), id)
	if err == nil && !found {
		err = fmt.Errorf("there is no principal %q: see principal list", id)
	}
	return p, err
}

// change runs one guarded UPDATE and records it. If the guard fails, it changes and records nothing.
func change(tx *store.Tx, id, action string, details audit.Details, update string, args ...any) error {
	var row Principal
	changed, err := tx.Guarded(&row, update, args...)
	if err != nil || !changed {
		return err
	}
	return record(tx, action, "principal", id, details)
}

func record(tx *store.Tx, action, resourceType, id string, details audit.Details) error {
	return audit.Append(tx, audit.Event{Actor: identity.CLI, Action: action, ResourceType: resourceType, ResourceID: id, Details: details})
}
