package certificate

import (
	"fmt"
	"time"

	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Expiring is a live certificate whose current leaf ends soon.
type Expiring struct {
	UID          string `gorm:"column:uid"`
	ID           string
	ProfileID    string
	SerialNumber string
	SANs         store.JSON[[]string] `gorm:"column:sans"`
	NotBefore    time.Time
	NotAfter     time.Time
}

// Cursor returns the position of a certificate in ListExpiring.
func (e Expiring) Cursor() store.Cursor { return store.Cursor{At: e.NotAfter, ID: e.UID} }

const expiringFrom = `SELECT c.uid, c.id, c.profile_id, l.serial_number, l.sans, l.not_before, c.not_after
	FROM certificates c JOIN leaves l ON l.certificate_uid = c.uid AND l.serial_number = c.current_serial
	WHERE c.archived_at IS NULL AND c.not_after > ?`

// ListExpiring lists the live certificates whose leaf ends within a time, soonest first, from after a cursor.
func ListExpiring(tx *store.Tx, within time.Duration, after store.Cursor, limit int) ([]Expiring, error) {
	var rows []Expiring
	err := tx.DB.Raw(expiringFrom+" AND c.not_after <= ? AND (c.not_after, c.uid) > (?, ?) ORDER BY c.not_after, c.uid LIMIT ?",
		tx.Now, tx.Now.Add(within), after.At, after.ID, limit).Scan(&rows).Error
	if err != nil {
		err = fmt.Errorf("list the certificates that expire: %w", err)
	}
	return rows, err
}

// IsCurrent reports whether the certificate is live and its leaf still the newest.
func (e Expiring) IsCurrent(tx *store.Tx) (bool, error) {
	var row Expiring
	found, err := tx.Find(&row, expiringFrom+" AND c.uid = ? AND c.current_serial = ?", tx.Now, e.UID, e.SerialNumber)
	if err != nil {
		err = fmt.Errorf("look whether the leaf of %s is current: %w", e.ID, err)
	}
	return found, err
}
