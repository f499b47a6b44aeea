package outbox

import (
	"context"
	"fmt"
	"time"

	"github.com/certctl/terraform-provider-certctl/server/store"
)

const (
	// GatherAbove is how many messages of one topic a receiver gets one by one within an hour.
	GatherAbove = 20
	// gatherFor is how long a message above that waits for others.
	gatherFor = 10 * time.Minute
)

// The values of gathered.
const (
	waiting = "waiting" // for others of its topic
	sealed  = "sealed"  // it carries all that it will carry
)

// Gathered says what became of a claimed message.
type Gathered struct {
	// Postponed says that the message waits for others of its topic, so the claim is over.
	Postponed bool
	// Count is how many messages the claimed one carries, itself included.
	Count int64
}

const (
	countBefore = `SELECT count(*) AS n FROM (SELECT 1 FROM outbox WHERE receiver = ? AND topic = ? AND created_at > ? AND created_at <= ? AND id < ? LIMIT ?) earlier`
	nextGroup   = `SELECT due_at FROM outbox WHERE receiver = ? AND topic = ? AND state = 'pending' AND leader IS NULL AND gathered = 'waiting'
		AND due_at > ? ORDER BY due_at LIMIT 1`
	// postpone leaves out what another worker has claimed: its due_at is in the future.
	postpone = `UPDATE outbox SET gathered = 'waiting', due_at = ? WHERE receiver = ? AND id IN (SELECT id FROM outbox
		WHERE receiver = ? AND topic = ? AND state = 'pending' AND leader IS NULL AND may_gather AND gathered = '' AND attempt = 0
			AND created_at >= ? AND due_at <= ?%s)`
	follow = `UPDATE outbox SET leader = ? WHERE receiver = ? AND id IN (SELECT id FROM outbox
		WHERE receiver = ? AND topic = ? AND state = 'pending' AND leader IS NULL AND gathered = 'waiting' AND id <> ?%s)`
)

// Gather decides whether a claimed message goes out alone, waits for others of its topic, or carries others. What a message
// carries is fixed before it is sent for the first time, so every attempt sends the same.
func (o *Outbox) Gather(ctx context.Context, row Row) (g Gathered, err error) {
	if !row.MayGather {
		return Gathered{Count: 1}, nil
	}
	err = o.Store.Write(ctx, func(tx *store.Tx) error {
		g, err = gather(tx, row)
		return err
	})
	if err != nil {
		return g, fmt.Errorf("gather messages: %w", err)
	}
	return g, nil
}

func gather(tx *store.Tx, row Row) (Gathered, error) {
	if row.Gathered == "" && row.Attempt == 0 {
		above, err := isAboveLimit(tx, row)
		if err != nil {
			return Gathered{}, err
		}
		if above {
			return Gathered{Postponed: true}, wait(tx, row)
		}
	}
	if row.Gathered == waiting {
		if err := seal(tx, row); err != nil {
			return Gathered{}, err
		}
	}
	var carried struct{ N int64 }
	err := tx.Must(&carried, "SELECT count(*) AS n FROM outbox WHERE leader = ? AND receiver = ?", row.ID, row.Receiver)
	return Gathered{Count: carried.N + 1}, err
}

func isAboveLimit(tx *store.Tx, row Row) (bool, error) {
	var earlier struct{ N int }
	err := tx.Must(&earlier, countBefore, row.Receiver, row.Topic, row.CreatedAt.Add(-time.Hour), row.CreatedAt, row.ID, GatherAbove)
	return earlier.N >= GatherAbove, err
}

// wait makes a message, and the later ones of its topic, wait for others.
func wait(tx *store.Tx, row Row) error {
	due := tx.Now.Add(gatherFor)
	var next Row
	found, err := tx.Find(&next, nextGroup, row.Receiver, row.Topic, tx.Now)
	if err != nil {
		return err
	}
	if found && next.DueAt.Before(due) {
		due = next.DueAt
	}
	if err := move(tx, row, "gathered = 'waiting', due_at = ?", due); err != nil {
		return err
	}
	return tx.DB.Exec(fmt.Sprintf(postpone, tx.Locking("FOR UPDATE SKIP LOCKED")), due, row.Receiver, row.Receiver, row.Topic, row.CreatedAt, tx.Now).Error
}

// seal makes a message carry all others that wait.
func seal(tx *store.Tx, row Row) error {
	if err := move(tx, row, "gathered = ?", sealed); err != nil {
		return err
	}
	return tx.DB.Exec(fmt.Sprintf(follow, tx.Locking("FOR UPDATE SKIP LOCKED")), row.ID, row.Receiver, row.Receiver, row.Topic, row.ID).Error
}

// ListCarried lists the messages that a message carries, at most limit, oldest first.
func ListCarried(tx *store.Tx, row Row, limit int) ([]Row, error) {
	var rows []Row
	err := tx.DB.Where("leader = ? AND receiver = ?", row.ID, row.Receiver).Order("id").Limit(limit).Find(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("list the messages that %s carries: %w", row.ID, err)
	}
	return rows, nil
}
