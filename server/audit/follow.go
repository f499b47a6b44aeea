package audit

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Follow returns at most limit events after a position, in the order of the trail, and the position after them. A caller
// that continues from the returned position gets every event exactly once, also events of transactions that commit late or
// out of order. Follow withholds events while an older transaction runs. tx has one snapshot: use Store.Read.
//
// A position that is newer than the trail is refused: the database was restored from a backup.
func Follow(tx *store.Tx, f Filter, after store.Position, limit int) ([]Row, store.Position, error) {
	settled, err := tx.GetSettled()
	if err != nil {
		return nil, after, fmt.Errorf("read the end of the audit trail: %w", err)
	}
	if after.Number > settled {
		return nil, after, errNewerThanTrail
	}
	var rows []Row
	err = f.apply(tx.DB).Where("position < ? AND (position, id) > (?, ?)", settled, after.Number, after.ID).
		Order("position, id").Limit(limit).Find(&rows).Error
	if err != nil {
		return nil, after, fmt.Errorf("read the audit trail: %w", err)
	}
	if len(rows) == limit {
		return rows, rows[limit-1].Place(), nil
	}
	// The statement has searched all that is settled, so the next one need not search it again.
	return rows, store.Position{Number: settled}, nil
}

var errNewerThanTrail = api.Invalid(api.Fault{
	Pointer: "?after", Detail: "is newer than the audit trail, as after a restore of the database: begin again without it, or with since",
})

// Place is the position after the event.
func (r Row) Place() store.Position { return store.Position{Number: r.Position, ID: r.ID} }

// TimeAfter returns when the next event after a position happened, also if Follow withholds the event; nil if there is none.
func TimeAfter(tx *store.Tx, after store.Position) (*time.Time, error) {
	var rows []Row
	err := tx.DB.Where("(position, id) > (?, ?)", after.Number, after.ID).Order("position, id").Limit(1).Find(&rows).Error
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	return &rows[0].OccurredAt, nil
}

// WriteLines writes events as JSON, each on a line of its own.
func WriteLines(w io.Writer, rows []Row) error {
	lines := json.NewEncoder(w)
	lines.SetEscapeHTML(false)
	for _, row := range rows {
		if err := lines.Encode(row.API()); err != nil {
			return fmt.Errorf("encode audit event %s: %w", row.ID, err)
		}
	}
	return nil
}
