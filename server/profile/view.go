package profile

import (
	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/approval"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// View returns profiles as callers see them, each with the approval that its edit waits for.
func View(tx *store.Tx, rows ...Profile) ([]api.Profile, error) {
	ids := make([]string, len(rows))
	for i, p := range rows {
		ids[i] = p.ID
	}
	waiting, err := approval.FindPending(tx, api.ApprovalProfileEdit, ids)
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
