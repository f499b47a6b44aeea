package profile

import (
	"fmt"
	"reflect"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/rules"
	"github.com/certctl/terraform-provider-certctl/server/audit"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// ungatedRow is the one row of ungated_names.
type ungatedRow struct {
	AllowAll  bool
	Spec      store.JSON[api.UngatedLists]
	UpdatedAt time.Time
}

// GetUngatedNames reads what may be signed without approval.
func GetUngatedNames(tx *store.Tx) (rules.UngatedNames, error) { return ungatedNames(tx, "") }

// ShareUngatedNames is GetUngatedNames, and keeps them as they are until the transaction ends. It comes before every
// other lock.
func ShareUngatedNames(tx *store.Tx) (rules.UngatedNames, error) {
	return ungatedNames(tx, tx.Locking("FOR SHARE"))
}

func ungatedNames(tx *store.Tx, locking string) (rules.UngatedNames, error) {
	var row ungatedRow
	if err := tx.Must(&row, "SELECT * FROM ungated_names WHERE id = 1"+locking); err != nil {
		return rules.UngatedNames{}, fmt.Errorf("look up the ungated names: %w", err)
	}
	return rules.UngatedNames{AllowAll: row.AllowAll, UngatedLists: rules.WithoutNulls(row.Spec.V), UpdatedAt: row.UpdatedAt}, nil
}

// SetUngatedNames replaces what may be signed without approval, in the name of the command line. It waits for every
// signature that the gate is admitting, and the next one sees the new names.
func SetUngatedNames(tx *store.Tx, after rules.UngatedNames) error {
	before, err := ungatedNames(tx, tx.Locking("FOR UPDATE"))
	if err != nil {
		return err
	}
	if before.AllowAll == after.AllowAll && reflect.DeepEqual(before.UngatedLists, after.UngatedLists) {
		return nil
	}
	after.UpdatedAt = tx.Now
	var stored ungatedRow
	err = tx.Must(&stored, "UPDATE ungated_names SET allow_all = ?, spec = ?, updated_at = ? WHERE id = 1 RETURNING *",
		after.AllowAll, store.JSON[api.UngatedLists]{V: after.UngatedLists}, tx.Now)
	if err != nil {
		return fmt.Errorf("store the ungated names: %w", err)
	}
	return audit.Append(tx, audit.Event{
		Actor: identity.CLI, Action: "ungated_names_changed", ResourceType: "ungated_names", ResourceID: "ungated-names",
		Details: audit.Details{"before": before, "after": after},
	})
}

// Overlapped is a gated profile that allows names which could be signed without approval, too.
type Overlapped struct {
	ID, Name string
	Overlaps []rules.Overlap
}

const overlappedAtOnce = 500

// OverlappedBy finds the gated profiles whose allow-lists the names overlap.
func OverlappedBy(tx *store.Tx, names rules.UngatedNames) ([]Overlapped, error) {
	var overlapped []Overlapped
	for after := ""; ; {
		var rows []Profile
		err := tx.DB.Where("requires_approval AND id > ?", after).Order("id").Limit(overlappedAtOnce).Find(&rows).Error
		if err != nil {
			return nil, fmt.Errorf("look for gated profiles: %w", err)
		}
		for _, p := range rows {
			if overlaps := names.Overlaps(p.Spec.V); len(overlaps) > 0 {
				overlapped = append(overlapped, Overlapped{ID: p.ID, Name: p.Spec.V.Name, Overlaps: overlaps})
			}
		}
		if len(rows) < overlappedAtOnce {
			return overlapped, nil
		}
		after = rows[len(rows)-1].ID
	}
}
