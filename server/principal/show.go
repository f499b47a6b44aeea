package principal

import (
	"fmt"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// ShowAll returns principals as callers see them, each with their keys. It takes one statement.
func ShowAll(tx *store.Tx, rows ...Principal) ([]api.Principal, error) {
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
