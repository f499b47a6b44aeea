package principal

import (
	"fmt"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/audit"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Handover is a row of handovers, written once. ToID is accountable for the earlier certificates of FromID from
// HandedAt on.
type Handover struct {
	FromID   string
	ToID     string
	HandedAt time.Time
}

// ListServices lists the ids of the services that a person owns, with disabled ones.
func ListServices(tx *store.Tx, owner string) ([]string, error) {
	var ids []string
	if err := tx.DB.Raw("SELECT id FROM principals WHERE owner = ? ORDER BY id", owner).Scan(&ids).Error; err != nil {
		return nil, fmt.Errorf("look up the services of %s: %w", owner, err)
	}
	return ids, nil
}

// ListOwners lists the owners of the services among some principals. It skips people and unknown handles.
func ListOwners(tx *store.Tx, ids []string) ([]string, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	var owners []string
	if err := tx.DB.Raw("SELECT DISTINCT owner FROM principals WHERE owner IS NOT NULL AND id IN ?", ids).Scan(&owners).Error; err != nil {
		return nil, fmt.Errorf("look up the owners of the services: %w", err)
	}
	return owners, nil
}

// HandOver makes one person the successor of another for renewals by the scheduler. Call SetOwner first for each
// service of the former person.
func HandOver(tx *store.Tx, from, to string) error {
	if from == to {
		return fmt.Errorf("%q cannot be the successor of the same person: give another person", to)
	}
	p, err := lock(tx, from)
	if err != nil {
		return err
	}
	if p.Kind != api.KindHuman {
		return fmt.Errorf("%q is a service: change its owner with principal owner", from)
	}
	if err := lockOwner(tx, to); err != nil {
		return err
	}
	if err := tx.DB.Create(&Handover{FromID: from, ToID: to, HandedAt: tx.Now}).Error; err != nil {
		return fmt.Errorf("store the handover: %w", err)
	}
	return appendAudit(tx, "principal_handed_over", "principal", from, audit.Details{"to": to})
}

// FindSuccessor returns who is accountable now for what a person was accountable for at a time. If there was no handover
// since, it returns the same person.
func FindSuccessor(tx *store.Tx, id string, since time.Time) (string, error) {
	for {
		var next Handover
		found, err := tx.Find(&next, "SELECT * FROM handovers WHERE from_id = ? AND handed_at > ? ORDER BY handed_at LIMIT 1", id, since)
		if err != nil {
			return "", fmt.Errorf("look up the successor of %s: %w", id, err)
		}
		if !found {
			return id, nil
		}
		id, since = next.ToID, next.HandedAt
	}
}
