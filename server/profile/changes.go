package profile

import (
	"fmt"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/rules"
	"github.com/certctl/terraform-provider-certctl/server/history"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// change is a row of profile_changes.
type change struct {
	ProfileID      string
	history.Change `gorm:"embedded"`
}

// TableName implements gorm's Tabler.
func (change) TableName() string { return "profile_changes" }

// recordChanges stores who wrote each signed field that differs from before. If before is nil, the profile is new.
func recordChanges(tx *store.Tx, author history.Author, before *api.ProfileSpec, p Profile) error {
	var old any
	if before != nil {
		old = rules.ProfileContent(*before)
	}
	changes, err := history.ListChanges(p.Version, author, tx.Now, old, rules.ProfileContent(p.Spec.V))
	if err != nil {
		return err
	}
	if len(changes) == 0 {
		return nil
	}
	rows := make([]change, len(changes))
	for i, c := range changes {
		rows[i] = change{p.ID, c}
	}
	if err := tx.DB.Create(&rows).Error; err != nil {
		return fmt.Errorf("store the changes of profile %s: %w", p.ID, err)
	}
	return nil
}

// ListChanges lists all changes of a profile's signed fields, oldest first. Deleting a profile deletes its changes, so
// none belongs to an earlier profile with the id.
func ListChanges(tx *store.Tx, profileID string) ([]history.Change, error) {
	var rows []change
	if err := tx.DB.Where("profile_id = ?", profileID).Order("version, field").Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("look up the changes of profile %s: %w", profileID, err)
	}
	changes := make([]history.Change, len(rows))
	for i, r := range rows {
		changes[i] = r.Change
	}
	return changes, nil
}
