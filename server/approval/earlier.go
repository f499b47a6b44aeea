package approval

import (
	"fmt"
	"time"

	"gorm.io/gorm"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

const maxRejections = 20

// FindPrevious returns the newest request that the filter chooses and that was rejected since a time, or else the newest
// one that ended. It returns nil if there is none.
func FindPrevious(tx *store.Tx, f Filter, since time.Time) (*Approval, error) {
	rejected, err := findNewest(f.apply(tx.DB).Where("state = 'rejected' AND decided_at > ?", since))
	if err != nil || rejected != nil {
		return rejected, err
	}
	return findNewest(f.apply(tx.DB).Where("state <> 'pending'"))
}

func findNewest(chosen *gorm.DB) (*Approval, error) {
	var rows []Approval
	if err := chosen.Order("created_at DESC, id DESC").Limit(1).Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("look for an earlier request: %w", err)
	}
	if len(rows) == 0 {
		return nil, nil //nolint:nilnil // there may be none
	}
	return &rows[0], nil
}

// ListRejections lists the rejected requests for any of the names, newest first, at most twenty. It lists those decided
// since a time; for the added names it lists those decided at any time.
func ListRejections(tx *store.Tx, names []string, since time.Time, added []string) ([]api.Rejection, error) {
	rejections := []api.Rejection{}
	err := tx.DB.Raw(`SELECT id AS approval_id, certificate_id, decided_by, decided_at, note FROM approvals
		WHERE state = 'rejected' AND id IN (SELECT approval_id FROM approval_names WHERE name IN ?)
			AND (decided_at > ? OR id IN (SELECT approval_id FROM approval_names WHERE name IN ?))
		ORDER BY decided_at DESC, id DESC LIMIT ?`, names, since, added, maxRejections).Scan(&rejections).Error
	if err != nil {
		return nil, fmt.Errorf("look for rejected requests: %w", err)
	}
	return rejections, nil
}
