package principal

import (
	"fmt"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/rules"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Get finds a principal.
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

// IsHuman says whether an id is that of a person, disabled or not.
func IsHuman(tx *store.Tx, id string) (bool, error) {
	var p Principal
	found, err := tx.Find(&p, "SELECT * FROM principals WHERE id = ?", id)
	if err != nil {
		return false, fmt.Errorf("look up principal %s: %w", id, err)
	}
	return found && p.Kind == api.KindHuman, nil
}

// Page gives a page of principals, the oldest first.
func Page(tx *store.Tx, page store.Page) ([]Principal, error) {
	var rows []Principal
	err := page.On(tx.DB, "created_at", "id").Find(&rows).Error
	return rows, err
}

// View shows principals as callers see them, each with his keys.
func View(tx *store.Tx, rows ...Principal) ([]api.Principal, error) {
	ids := make([]string, len(rows))
	for i, p := range rows {
		ids[i] = p.ID
	}
	var keys []Key
	if err := tx.DB.Where("principal_id IN ?", ids).Order("created_at, id").Find(&keys).Error; err != nil {
		return nil, fmt.Errorf("look up keys: %w", err)
	}
	of := map[string][]api.APIKey{}
	for _, k := range keys {
		of[k.PrincipalID] = append(of[k.PrincipalID], api.APIKey{
			ID: k.ID, Name: k.Name, CreatedAt: k.CreatedAt, ExpiresAt: k.ExpiresAt, RevokedAt: k.RevokedAt,
		})
	}
	views := make([]api.Principal, len(rows))
	for i, p := range rows {
		views[i] = api.Principal{
			ID: p.ID, Kind: p.Kind, Owner: p.Owner, Roles: p.Roles.V, DisabledAt: p.DisabledAt, Keys: of[p.ID],
			CreatedAt: p.CreatedAt, UpdatedAt: p.UpdatedAt,
		}
		if views[i].Keys == nil {
			views[i].Keys = []api.APIKey{}
		}
	}
	return views, nil
}
