package outbox

import (
	"context"
	"fmt"
	"time"

	"github.com/certctl/terraform-provider-certctl/server/store"
)

// seenEvery is how often a server says that it still delivers to a receiver.
const seenEvery = 10 * time.Minute

const seeReceiver = `INSERT INTO receivers (name, since, seen_at) VALUES (?, ?, ?)
	ON CONFLICT (name) DO UPDATE SET seen_at = excluded.seen_at WHERE receivers.seen_at <= ?`

// Register says that this process delivers to receivers. Messages are written for them from then on, by every process. Call
// Register again within seenEvery.
func Register(ctx context.Context, db *store.Store, names []string) error {
	if len(names) == 0 {
		return nil
	}
	if err := db.Write(ctx, func(tx *store.Tx) error { return see(tx, names) }); err != nil {
		return fmt.Errorf("register the receivers of messages: %w", err)
	}
	return nil
}

func see(tx *store.Tx, names []string) error {
	for _, name := range names {
		if err := tx.DB.Exec(seeReceiver, name, tx.Now, tx.Now, tx.Now.Add(-seenEvery)).Error; err != nil {
			return err
		}
	}
	return nil
}

// HasReceivers reports whether any server delivers messages.
func HasReceivers(tx *store.Tx) (bool, error) {
	var row struct{ Name string }
	found, err := tx.Find(&row, "SELECT name FROM receivers LIMIT 1")
	if err != nil {
		err = fmt.Errorf("look for receivers of messages: %w", err)
	}
	return found, err
}
