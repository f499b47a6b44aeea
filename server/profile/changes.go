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

// recordAuthor notes who wrote the signed fields that differ from before; nil before is a new profile.
func recordAuthor(tx *store.Tx, author history.Author, before *api.ProfileSpec, p Profile) error {
	var old any
	if before != nil {
		old = rules.ProfileContent(*before)
	}
	changes, err := history.Changes(p.Version, author, tx.Now, old, rules.ProfileContent(p.Spec.V))
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
		return fmt.Errorf("record who changed profile %s: %w", p.ID, err)
	}
	return nil
}

// Changes lists all changes of what the profile has signed, oldest first. The changes of a deleted profile with the
// same id are gone with it.
func Changes(tx *store.Tx, profileID string) ([]history.Change, error) {
	var rows []change
	if err := tx.DB.Where("profile_id = ?", profileID).Order("version, field").Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("look up who changed profile %s: %w", profileID, err)
	}
	changes := make([]history.Change, len(rows))
	for i, r := range rows {
		changes[i] = r.Change
	}
	return changes, nil
}
