package profile

import (
	"fmt"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// change says who stands behind a version of a profile, and whether it changed what would be signed.
type change struct {
	ProfileID   string
	Version     int64
	Accountable string
	Signed      bool
	ChangedAt   time.Time
}

// TableName implements gorm's Tabler.
func (change) TableName() string { return "profile_changes" }

func remember(tx *store.Tx, accountable string, p Profile, signed bool) error {
	row := change{ProfileID: p.ID, Version: p.Version, Accountable: accountable, Signed: signed, ChangedAt: tx.Now}
	if err := tx.DB.Create(&row).Error; err != nil {
		return fmt.Errorf("remember who changed profile %s: %w", p.ID, err)
	}
	return nil
}

// entersSubject says whether an edit changes the part of a profile that is signed.
func entersSubject(before, after api.ProfileSpec) bool {
	return before.IssuerID != after.IssuerID || before.MaxTTLSeconds != after.MaxTTLSeconds ||
		!SameSet(before.AllowedEKUs, after.AllowedEKUs)
}

// Changers are the people accountable for a change of what the profile has signed, after a version; 0: ever.
func Changers(tx *store.Tx, profileID string, after int64) ([]string, error) {
	var people []string
	err := tx.DB.Raw(`SELECT DISTINCT accountable FROM profile_changes
		WHERE profile_id = ? AND version > ? AND signed ORDER BY accountable`, profileID, after).Scan(&people).Error
	if err != nil {
		return nil, fmt.Errorf("look up who changed profile %s: %w", profileID, err)
	}
	return people, nil
}
