package certificate

import (
	"time"

	"gorm.io/gorm"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Filter chooses certificates. The zero Filter chooses all live ones.
type Filter struct {
	ID            string
	ProfileID     string
	CommonName    string
	SAN           string // exactly one of the sans
	Status        api.CertificateStatus
	ExpiresBefore time.Time // of the current leaf
	Archived      bool      // archived certificates instead of live ones
	Blocked       bool      // only those whose renewal is blocked

	SerialNumber      string // of any leaf
	FingerprintSHA256 string // of any leaf
	SPKISHA256        string // of any leaf, or of the CSR
}

// List returns a page of certificates, oldest first.
func List(tx *store.Tx, f Filter, page store.Page) ([]Certificate, error) {
	var rows []Certificate
	err := page.On(f.apply(tx, tx.DB), "created_at", "uid").Find(&rows).Error
	return rows, err
}

// ListByEnd returns a page of certificates that have a leaf, those that end soonest first.
func ListByEnd(tx *store.Tx, f Filter, page store.Page) ([]Certificate, error) {
	var rows []Certificate
	err := page.On(f.apply(tx, tx.DB).Where("not_after IS NOT NULL"), "not_after", "uid").Find(&rows).Error
	return rows, err
}

// apply adds the conditions to a query of certificates. Each subquery finds its rows by an index.
func (f Filter) apply(tx *store.Tx, db *gorm.DB) *gorm.DB {
	if f.Archived {
		db = db.Where("archived_at IS NOT NULL")
	} else {
		db = db.Where("archived_at IS NULL")
	}
	for _, c := range []struct{ condition, value string }{
		{"id = ?", f.ID},
		{"profile_id = ?", f.ProfileID},
		{"common_name = ?", f.CommonName},
		{"uid IN (SELECT certificate_uid FROM leaves WHERE serial_number = ?)", f.SerialNumber},
		{"uid IN (SELECT certificate_uid FROM leaves WHERE fingerprint_sha256 = ?)", f.FingerprintSHA256},
	} {
		if c.value != "" {
			db = db.Where(c.condition, c.value)
		}
	}
	if f.SPKISHA256 != "" {
		db = db.Where(`uid IN (SELECT uid FROM certificates WHERE spki_sha256 = ?
			UNION SELECT certificate_uid FROM leaves WHERE spki_sha256 = ?)`, f.SPKISHA256, f.SPKISHA256)
	}
	if f.SAN != "" {
		// The names also have a common name that is none of the sans.
		db = db.Where("uid IN (SELECT certificate_uid FROM certificate_names WHERE name = ?)", f.SAN).
			Where(tx.HasElement("spec", "sans"), f.SAN)
	}
	if f.Blocked {
		db = db.Where("uid IN (SELECT certificate_uid FROM blocked_renewals)")
	}
	if !f.ExpiresBefore.IsZero() {
		db = db.Where("not_after < ?", f.ExpiresBefore)
	}
	return f.applyStatus(tx, db)
}

// openJobs is the condition of the index of open jobs. An open job is the newest job of its certificate.
const openJobs = "status IN ('AwaitingApproval', 'Pending', 'Running')"

// endedStatus is the status of a certificate without a leaf and without an open job. A job whose request ended has the
// cause of its approval.
const endedStatus = `COALESCE((SELECT CASE
		WHEN j.status = 'Failed' THEN 'failed'
		WHEN j.cause = 'approval_rejected' THEN 'rejected'
		WHEN j.cause = 'approval_expired' THEN 'request_expired'
		ELSE 'cancelled' END
	FROM jobs j WHERE j.certificate_uid = certificates.uid ORDER BY j.created_at DESC, j.id DESC LIMIT 1), 'unissued')`

// applyStatus chooses the certificates for which statusOf returns the status.
func (f Filter) applyStatus(tx *store.Tx, db *gorm.DB) *gorm.DB {
	const hasNoOpenJob = "NOT EXISTS (SELECT 1 FROM jobs j WHERE j.certificate_uid = certificates.uid AND j." + openJobs + ")"
	switch f.Status {
	case "":
		return db
	case api.CertificateAwaitingApproval:
		return db.Where("uid IN (SELECT certificate_uid FROM jobs WHERE status = 'AwaitingApproval')")
	case api.CertificateIssuing:
		return db.Where("uid IN (SELECT certificate_uid FROM jobs WHERE status IN ('Pending', 'Running'))")
	case api.CertificateIssued:
		return db.Where("current_serial IS NOT NULL AND not_after >= ?", tx.Now).Where(hasNoOpenJob)
	case api.CertificateExpired:
		return db.Where("current_serial IS NOT NULL AND not_after < ?", tx.Now).Where(hasNoOpenJob)
	default:
		return db.Where("current_serial IS NULL").Where(hasNoOpenJob).Where(endedStatus+" = ?", f.Status)
	}
}
