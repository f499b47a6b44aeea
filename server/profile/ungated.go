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

// ungatedRow is the only row of ungated_names.
type ungatedRow struct {
	AllowAll  bool
	Spec      store.JSON[api.UngatedLists]
	UpdatedAt time.Time
}

// GetUngatedNames returns what may be signed without approval.
func GetUngatedNames(tx *store.Tx) (rules.UngatedNames, error) { return getUngatedNames(tx, "") }

// ShareUngatedNames is GetUngatedNames, and locks the names FOR SHARE. Call it before every other lock.
func ShareUngatedNames(tx *store.Tx) (rules.UngatedNames, error) {
	return getUngatedNames(tx, tx.Locking("FOR SHARE"))
}

func getUngatedNames(tx *store.Tx, locking string) (rules.UngatedNames, error) {
	var row ungatedRow
	if err := tx.Must(&row, "SELECT * FROM ungated_names WHERE id = 1"+locking); err != nil {
		return rules.UngatedNames{}, fmt.Errorf("look up the ungated names: %w", err)
	}
	return rules.UngatedNames{AllowAll: row.AllowAll, UngatedLists: rules.WithoutNulls(row.Spec.V), UpdatedAt: row.UpdatedAt}, nil
}

// SetUngatedNames replaces what may be signed without approval. Its audit row names system-cli. It waits for every
// signature that the gate is admitting. The gate checks every later signature against the new names.
func SetUngatedNames(tx *store.Tx, after rules.UngatedNames) error {
	before, err := getUngatedNames(tx, tx.Locking("FOR UPDATE"))
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

// GatedOverlap is a gated profile that allows names which may also be signed without approval.
type GatedOverlap struct {
	ID, Name string
	Overlaps []rules.Overlap
}

const overlapPage = 500

// ListOverlaps returns the gated profiles whose allow-lists overlap the ungated names.
func ListOverlaps(tx *store.Tx, names rules.UngatedNames) ([]GatedOverlap, error) {
	var list []GatedOverlap
	for after := ""; ; {
		var rows []Profile
		err := tx.DB.Where("requires_approval AND id > ?", after).Order("id").Limit(overlapPage).Find(&rows).Error
		if err != nil {
			return nil, fmt.Errorf("list the gated profiles: %w", err)
		}
		for _, p := range rows {
			if overlaps := names.FindOverlaps(p.Spec.V); len(overlaps) > 0 {
				list = append(list, GatedOverlap{ID: p.ID, Name: p.Spec.V.Name, Overlaps: overlaps})
			}
		}
		if len(rows) < overlapPage {
			return list, nil
		}
		after = rows[len(rows)-1].ID
	}
}
