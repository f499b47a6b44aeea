package outbox

import (
	"fmt"
	"time"

	"github.com/certctl/terraform-provider-certctl/server/store"
)

// ListFailed lists the messages that ended undelivered, newest first, at most limit.
func ListFailed(tx *store.Tx, limit int) ([]Row, error) {
	var rows []Row
	err := tx.DB.Where("state = 'failed'").Order("ended_at DESC, id, receiver").Limit(limit).Find(&rows).Error
	if err != nil {
		err = fmt.Errorf("list the messages that were not delivered: %w", err)
	}
	return rows, err
}

// Backlog says how the deliveries stand.
type Backlog struct {
	// Oldest is the age of the oldest message that is due and not delivered; 0 if there is none.
	Oldest time.Duration
	// Failed counts the messages that ended undelivered within the last day.
	Failed int64
}

// GetBacklog returns how the deliveries stand.
func GetBacklog(tx *store.Tx) (b Backlog, err error) {
	var oldest Row
	found, err := tx.Find(&oldest, "SELECT created_at FROM outbox WHERE state = 'pending' ORDER BY created_at LIMIT 1")
	if err != nil {
		return b, fmt.Errorf("find the oldest message: %w", err)
	}
	if found {
		b.Oldest = tx.Now.Sub(oldest.CreatedAt)
	}
	err = tx.DB.Raw("SELECT count(*) FROM outbox WHERE state = 'failed' AND ended_at > ?", tx.Now.Add(-24*time.Hour)).Scan(&b.Failed).Error
	if err != nil {
		err = fmt.Errorf("count the messages that were not delivered: %w", err)
	}
	return b, err
}
