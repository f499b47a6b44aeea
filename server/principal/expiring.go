package principal

import (
	"fmt"
	"time"

	"github.com/certctl/terraform-provider-certctl/server/store"
)

// CountExpiringKeys counts the keys that expire within a time. Keys that cannot be used any more do not count: expired and
// revoked ones, and those of disabled principals and of their services.
func CountExpiringKeys(tx *store.Tx, within time.Duration) (count int64, _ error) {
	err := tx.DB.Raw(`SELECT count(*) FROM keys k JOIN principals p ON p.id = k.principal_id LEFT JOIN principals o ON o.id = p.owner
		WHERE k.revoked_at IS NULL AND k.expires_at > ? AND k.expires_at <= ? AND p.disabled_at IS NULL AND o.disabled_at IS NULL`,
		tx.Now, tx.Now.Add(within)).Scan(&count).Error
	if err != nil {
		return 0, fmt.Errorf("count the keys that expire: %w", err)
	}
	return count, nil
}
