package outbox

import (
	"fmt"
	"time"

	"github.com/certctl/terraform-provider-certctl/server/store"
)

const storeNotice = `INSERT INTO notices (key, until) VALUES (?, ?)
	ON CONFLICT (key) DO UPDATE SET until = excluded.until WHERE notices.until <= ? RETURNING key`

// MarkTold records that something is told now, until a time. It reports false if it was told before, by
// any server, and that time has not come.
func MarkTold(tx *store.Tx, key string, until time.Time) (bool, error) {
	var row struct{ Key string }
	first, err := tx.Guarded(&row, storeNotice, key, until, tx.Now)
	if err != nil {
		err = fmt.Errorf("record that %s is told: %w", key, err)
	}
	return first, err
}

// ListTold returns which of the keys were told.
func ListTold(tx *store.Tx, keys []string) (map[string]bool, error) {
	var found []string
	if err := tx.DB.Raw("SELECT key FROM notices WHERE key IN ? AND until > ?", keys, tx.Now).Scan(&found).Error; err != nil {
		return nil, fmt.Errorf("look up what was told: %w", err)
	}
	told := make(map[string]bool, len(found))
	for _, key := range found {
		told[key] = true
	}
	return told, nil
}
