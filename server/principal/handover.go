package principal

import (
	"fmt"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/audit"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Handover says that a person took over what another was accountable for until then. It is written once.
type Handover struct {
	FromID   string
	ToID     string
	HandedAt time.Time
}

// Services lists the services that a person owns, disabled or not.
func Services(tx *store.Tx, owner string) ([]string, error) {
	var ids []string
	if err := tx.DB.Raw("SELECT id FROM principals WHERE owner = ? ORDER BY id", owner).Scan(&ids).Error; err != nil {
		return nil, fmt.Errorf("find the services of %s: %w", owner, err)
	}
	return ids, nil
}

// Owners lists the owners of the services among principals. A handle that nobody has is none.
func Owners(tx *store.Tx, ids []string) ([]string, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	var owners []string
	if err := tx.DB.Raw("SELECT DISTINCT owner FROM principals WHERE owner IS NOT NULL AND id IN ?", ids).Scan(&owners).Error; err != nil {
		return nil, fmt.Errorf("find the owners of the services: %w", err)
	}
	return owners, nil
}

// HandOver makes one person the successor of another in what the scheduler asks for. Their services are given away by
// SetOwner, before.
func HandOver(tx *store.Tx, from, to string) error {
	if from == to {
		return fmt.Errorf("%q cannot be the successor of the same person", to)
	}
	p, err := get(tx, from)
	if err != nil {
		return err
	}
	if p.Kind != api.KindHuman {
		return fmt.Errorf("%q is a service: see principal owner", from)
	}
	if err := checkOwner(tx, to); err != nil {
		return err
	}
	if err := tx.DB.Create(&Handover{FromID: from, ToID: to, HandedAt: tx.Now}).Error; err != nil {
		return fmt.Errorf("store the handover: %w", err)
	}
	return record(tx, "principal_handed_over", "principal", from, audit.Details{"to": to})
}

// Successor returns who is accountable now for what a person was accountable for at a time: the person, or the last of
// those to whom it was handed over since.
func Successor(tx *store.Tx, id string, since time.Time) (string, error) {
	for {
		var next Handover
		found, err := tx.Find(&next, "SELECT * FROM handovers WHERE from_id = ? AND handed_at > ? ORDER BY handed_at LIMIT 1", id, since)
		if err != nil {
			return "", fmt.Errorf("look for the successor of %s: %w", id, err)
		}
		if !found {
			return id, nil
		}
		id, since = next.ToID, next.HandedAt
	}
}
