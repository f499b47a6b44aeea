package store

import (
	"fmt"
	"strconv"
	"strings"
)

// Position is a place in the audit trail: after one event, or after every event with a lower number. The zero Position is
// before all events.
type Position struct {
	Number int64
	ID     string
}

// noID stands for the empty id in a text.
const noID = "-"

// String returns the position as callers send it back. They must not read it.
func (p Position) String() string {
	id := p.ID
	if id == "" {
		id = noID
	}
	return seal(fmt.Sprintf("%d %s", p.Number, id))
}

// ParsePosition reads what String wrote. It returns an error for every other text.
func ParsePosition(s string) (Position, error) {
	place, err := unseal(s)
	if err != nil {
		return Position{}, err
	}
	number, id, _ := strings.Cut(place, " ")
	n, err := strconv.ParseInt(number, 10, 64)
	if id == noID {
		id = ""
	}
	p := Position{n, id}
	if err != nil || n < 0 || p.String() != s {
		return Position{}, errBadCursor
	}
	return p, nil
}

const (
	sqliteSettled   = "SELECT COALESCE(max(position), 0) + 1 FROM audit_events"
	postgresSettled = "SELECT (audit_generation() << 48) | pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
)

// GetSettled returns the number below which the snapshot of tx has all events of the audit trail that will ever be there.
// Events of transactions that still run, or that commit after the snapshot, have this number or a higher one.
//
// On PostgreSQL the oldest transaction that runs and has written something, in any database of the cluster, holds the
// number back.
func (tx *Tx) GetSettled() (settled int64, _ error) {
	query := postgresSettled
	if tx.store.sqlite {
		query = sqliteSettled
	}
	err := tx.Must(&settled, query)
	return settled, err
}
