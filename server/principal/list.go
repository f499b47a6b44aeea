package principal

import (
	"fmt"

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
