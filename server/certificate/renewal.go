package certificate

import (
	"fmt"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/principal"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Block is why a certificate cannot be renewed. The zero Block is none.
type Block struct {
	Reason api.RenewalBlock
	Detail string
}

// blockedRenewal is a row of blocked_renewals.
type blockedRenewal struct {
	CertificateUID string `gorm:"column:certificate_uid;primaryKey"`
	ProfileID      string
	Block          `gorm:"embedded"`
	Since          time.Time
}

// TableName implements gorm's Tabler.
func (blockedRenewal) TableName() string { return "blocked_renewals" }

const storeBlock = `INSERT INTO blocked_renewals (certificate_uid, profile_id, reason, detail, since) VALUES (?, ?, ?, ?, ?)
	ON CONFLICT (certificate_uid) DO UPDATE SET reason = excluded.reason, detail = excluded.detail,
		since = CASE WHEN blocked_renewals.reason = excluded.reason THEN blocked_renewals.since ELSE excluded.since END
	WHERE blocked_renewals.reason <> excluded.reason OR blocked_renewals.detail <> excluded.detail RETURNING *`

// SetBlock stores what blocks the renewal of a certificate; the zero Block removes it. It reports whether the reason
// changed. The row belongs to the scheduler, so the certificate keeps its version.
func SetBlock(tx *store.Tx, c Certificate, b Block) (changed bool, err error) {
	var row blockedRenewal
	if b == (Block{}) {
		changed, err = tx.Guarded(&row, "DELETE FROM blocked_renewals WHERE certificate_uid = ? RETURNING *", c.UID)
	} else {
		changed, err = tx.Guarded(&row, storeBlock, c.UID, c.Spec.V.ProfileID, b.Reason, b.Detail, tx.Now)
		changed = changed && row.Since.Equal(tx.Now)
	}
	if err != nil {
		return false, fmt.Errorf("store what blocks the renewal of %s: %w", c.ID, err)
	}
	return changed, nil
}

// Checked is a certificate whose renewal is to be checked, with the block that was found before.
type Checked struct {
	Certificate `gorm:"embedded"`
	Reason      api.RenewalBlock
	Detail      string
}

// Renewable reports whether the scheduler renews the certificate at all.
func (c Checked) Renewable() bool {
	return c.ArchivedAt == nil && c.Spec.V.AutoRenew && c.CurrentSerial != nil
}

const checkedColumns = `SELECT c.*, COALESCE(b.reason, '') AS reason, COALESCE(b.detail, '') AS detail`

// ListBlocked returns the certificates whose renewal was blocked, from after a uid.
func ListBlocked(tx *store.Tx, after string, limit int) ([]Checked, error) {
	return listChecked(tx, `FROM blocked_renewals b JOIN certificates c ON c.uid = b.certificate_uid
		WHERE b.certificate_uid > ? ORDER BY b.certificate_uid LIMIT ?`, after, limit)
}

// ListUnblocked returns the certificates that the scheduler renews and whose renewal was not blocked, from after a uid.
func ListUnblocked(tx *store.Tx, after string, limit int) ([]Checked, error) {
	return listChecked(tx, `FROM certificates c LEFT JOIN blocked_renewals b ON b.certificate_uid = c.uid
		WHERE c.uid > ? AND c.archived_at IS NULL AND c.auto_renew AND c.current_serial IS NOT NULL AND b.certificate_uid IS NULL
		ORDER BY c.uid LIMIT ?`, after, limit)
}

func listChecked(tx *store.Tx, from string, args ...any) ([]Checked, error) {
	var rows []Checked
	if err := tx.DB.Raw(checkedColumns+" "+from, args...).Scan(&rows).Error; err != nil {
		return nil, fmt.Errorf("list the certificates whose renewal is to be checked: %w", err)
	}
	return rows, nil
}

// BlockCount is how many live certificates of a profile cannot be renewed for one reason.
type BlockCount struct {
	ProfileID string
	Reason    api.RenewalBlock
	Count     int64
}

// CountBlocks counts the live certificates that cannot be renewed.
func CountBlocks(tx *store.Tx) ([]BlockCount, error) {
	var counts []BlockCount
	err := tx.DB.Raw(`SELECT b.profile_id, b.reason, count(*) AS count FROM blocked_renewals b JOIN certificates c ON c.uid = b.certificate_uid
		WHERE c.archived_at IS NULL GROUP BY b.profile_id, b.reason`).Scan(&counts).Error
	if err != nil {
		err = fmt.Errorf("count the blocked renewals: %w", err)
	}
	return counts, err
}

// ExpiryCount is how many live certificates of a profile end within a time. Each count includes those before it.
type ExpiryCount struct {
	ProfileID                     string
	Expired, Day, Week, ThirtyDay int64
}

// CountExpiring counts the live certificates whose leaf has expired or ends within thirty days.
func CountExpiring(tx *store.Tx) ([]ExpiryCount, error) {
	var counts []ExpiryCount
	now := tx.Now
	const day = 24 * time.Hour
	err := tx.DB.Raw(`SELECT profile_id, count(*) AS thirty_day, sum(CASE WHEN not_after <= ? THEN 1 ELSE 0 END) AS week,
			sum(CASE WHEN not_after <= ? THEN 1 ELSE 0 END) AS day, sum(CASE WHEN not_after <= ? THEN 1 ELSE 0 END) AS expired
		FROM certificates WHERE archived_at IS NULL AND not_after <= ? GROUP BY profile_id`,
		now.Add(7*day), now.Add(day), now, now.Add(30*day)).Scan(&counts).Error
	if err != nil {
		err = fmt.Errorf("count the certificates that expire: %w", err)
	}
	return counts, err
}

// FindSoonestEnd returns when the next leaf ends that the scheduler renews; false if there is none.
func FindSoonestEnd(tx *store.Tx) (time.Time, bool, error) {
	var c Certificate
	found, err := tx.Find(&c, "SELECT * FROM certificates WHERE archived_at IS NULL AND auto_renew AND not_after > ? ORDER BY not_after LIMIT 1", tx.Now)
	if err != nil || !found {
		return time.Time{}, false, err
	}
	return *c.NotAfter, true, nil
}

// ListRenewedFor lists the ids of the live certificates that the scheduler renews in the name of a person.
func ListRenewedFor(tx *store.Tx, person string) ([]string, error) {
	var rows []struct {
		ID, Accountable string
		CreatedAt       time.Time
	}
	err := tx.DB.Raw(`SELECT c.id, j.accountable, j.created_at FROM certificates c
		JOIN leaves l ON l.certificate_uid = c.uid AND l.serial_number = c.current_serial JOIN jobs j ON j.id = l.job_id
		WHERE c.archived_at IS NULL AND c.auto_renew AND (j.accountable = ? OR j.accountable IN (SELECT from_id FROM handovers)) ORDER BY c.id`,
		person).Scan(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("list the certificates that are renewed for %s: %w", person, err)
	}
	var ids []string
	for _, r := range rows {
		now, err := principal.FindSuccessor(tx, r.Accountable, r.CreatedAt)
		if err != nil {
			return nil, err
		}
		if now == person {
			ids = append(ids, r.ID)
		}
	}
	return ids, nil
}
