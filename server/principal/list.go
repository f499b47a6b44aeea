package principal

import (
	"fmt"
	"slices"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/rules"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Get returns a principal, or a not_found problem.
func Get(tx *store.Tx, id string) (Principal, error) {
	var p Principal
	if rules.CheckHandle(id) != nil {
		return p, api.NotFound("principal", id)
	}
	found, err := tx.Find(&p, "SELECT * FROM principals WHERE id = ?", id)
	if err != nil {
		return p, fmt.Errorf("look up principal %s: %w", id, err)
	}
	if !found {
		return p, api.NotFound("principal", id)
	}
	return p, nil
}

// IsHuman reports whether an id belongs to a person, enabled or disabled.
func IsHuman(tx *store.Tx, id string) (bool, error) {
	var p Principal
	found, err := tx.Find(&p, "SELECT * FROM principals WHERE id = ?", id)
	if err != nil {
		return false, fmt.Errorf("look up principal %s: %w", id, err)
	}
	return found && p.Kind == api.KindHuman, nil
}

// IsEnabled reports whether there is a principal with an id that is not disabled. Unlike RequireEnabled it takes no lock.
func IsEnabled(tx *store.Tx, id string) (bool, error) {
	var p Principal
	found, err := tx.Find(&p, "SELECT * FROM principals WHERE id = ?", id)
	if err != nil {
		return false, fmt.Errorf("look up principal %s: %w", id, err)
	}
	return found && p.DisabledAt == nil, nil
}

// ListApprovers lists the handles of the enabled people with the role approver, sorted.
func ListApprovers(tx *store.Tx) ([]string, error) {
	rows, err := ListAll(tx)
	if err != nil {
		return nil, fmt.Errorf("look up the approvers: %w", err)
	}
	var approvers []string
	for _, p := range rows {
		if p.Kind == api.KindHuman && p.DisabledAt == nil && slices.Contains(p.Roles.V, api.RoleApprover) {
			approvers = append(approvers, p.ID)
		}
	}
	return approvers, nil
}

// TooFewForTwo is an SQL condition: there are not two enabled people, one of them with the role approver, of whom one can
// request and the other decide.
const TooFewForTwo = `(NOT EXISTS (SELECT 1 FROM principals p WHERE p.kind = 'human' AND p.disabled_at IS NULL AND replace(p.roles, '"approver"', '') <> p.roles)
	OR (SELECT count(*) FROM principals p WHERE p.kind = 'human' AND p.disabled_at IS NULL
		AND replace(replace(p.roles, '"approver"', ''), '"operator"', '') <> p.roles) < 2)`

// HasTooFewForTwo reports whether TooFewForTwo is true.
func HasTooFewForTwo(tx *store.Tx) (bool, error) {
	var row struct{ TooFew bool }
	err := tx.Must(&row, "SELECT "+TooFewForTwo+" AS too_few")
	return row.TooFew, err
}

// ListAll returns all principals, by id.
func ListAll(tx *store.Tx) ([]Principal, error) {
	var rows []Principal
	err := tx.DB.Order("id").Find(&rows).Error
	return rows, err
}

// List returns a page of principals, oldest first.
func List(tx *store.Tx, page store.Page) ([]Principal, error) {
	var rows []Principal
	err := page.On(tx.DB, "created_at", "id").Find(&rows).Error
	return rows, err
}
