package profile

import (
	"fmt"

	"gorm.io/gorm"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/approval"
	"github.com/certctl/terraform-provider-certctl/server/principal"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// ShowAll returns profiles as callers see them, each with the approval that its edit waits for. It takes two statements.
func ShowAll(tx *store.Tx, rows ...Profile) ([]api.Profile, error) {
	ids := make([]string, len(rows))
	for i, p := range rows {
		ids[i] = p.ID
	}
	waiting, err := approval.FindPending(tx, api.ApprovalProfileEdit, ids)
	if err != nil {
		return nil, err
	}
	tooFew, err := principal.HasTooFewForTwo(tx)
	if err != nil {
		return nil, err
	}
	views := make([]api.Profile, len(rows))
	for i, p := range rows {
		views[i] = profileRow{Profile: p, TooFew: tooFew}.api()
		if id, ok := waiting[p.ID]; ok {
			views[i].PendingApprovalID = &id
		}
	}
	return views, nil
}

// profileRow is a profile with the approval that its edit waits for.
type profileRow struct {
	Profile           `gorm:"embedded"`
	PendingApprovalID *string
	TooFew            bool
}

// selectProfiles chooses profileRows in one statement. A profile has at most one waiting edit.
func selectProfiles(tx *store.Tx) *gorm.DB {
	return tx.DB.Model(&Profile{}).Select(`profiles.*, (SELECT a.id FROM approvals a
		WHERE a.profile_id = profiles.id AND a.kind = 'profile_edit' AND a.state = 'pending') AS pending_approval_id, ` + principal.TooFewForTwo + ` AS too_few`)
}

func (p profileRow) api() api.Profile {
	return api.Profile{
		ID: p.ID, ProfileSpec: p.Spec.V, Version: p.Version, PendingApprovalID: p.PendingApprovalID,
		Undecidable: p.Spec.V.RequiresApproval && p.TooFew, CreatedAt: p.CreatedAt, UpdatedAt: p.UpdatedAt,
	}
}

// Show returns a profile as callers see it. It runs one statement.
func Show(tx *store.Tx, id string) (api.Profile, error) {
	if !wellFormedID.MatchString(id) {
		return api.Profile{}, api.NotFound("profile", id)
	}
	var rows []profileRow
	if err := selectProfiles(tx).Where("id = ?", id).Find(&rows).Error; err != nil {
		return api.Profile{}, fmt.Errorf("look up profile %s: %w", id, err)
	}
	if len(rows) == 0 {
		return api.Profile{}, api.NotFound("profile", id)
	}
	return rows[0].api(), nil
}

// ShowList returns a page of profiles as callers see them, oldest first. If name is not empty, it returns only the
// profile of that name. It runs one statement.
func ShowList(tx *store.Tx, name string, page store.Page) ([]api.Profile, error) {
	db := selectProfiles(tx)
	if name != "" {
		db = db.Where("name = ?", name)
	}
	var rows []profileRow
	if err := page.On(db, "created_at", "id").Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("list profiles: %w", err)
	}
	views := make([]api.Profile, len(rows))
	for i, p := range rows {
		views[i] = p.api()
	}
	return views, nil
}
