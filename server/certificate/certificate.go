package certificate

import (
	"fmt"
	"regexp"
	"time"

	"gorm.io/gorm"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/approval"
	"github.com/certctl/terraform-provider-certctl/server/audit"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/profile"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Certificate is a stored certificate.
type Certificate struct {
	UID           string `gorm:"column:uid"`
	ID            string
	Spec          store.JSON[api.CertificateSpec]
	SPKISHA256    string `gorm:"column:spki_sha256"` // of the request's key
	Version       int64
	CurrentSerial *string
	NotAfter      *time.Time // of the current leaf
	RenewAt       *time.Time
	ArchivedAt    *time.Time
	CreatedAt     time.Time
	UpdatedAt     time.Time
}

// TableName implements gorm's Tabler.
func (Certificate) TableName() string { return "certificates" }

// Service writes certificates.
type Service struct {
	Approvals *approval.Service
}

var wellFormedID = regexp.MustCompile(`^mc-[a-z0-9][a-z0-9-]{0,62}$`)

// Get finds a live certificate by its id.
func Get(tx *store.Tx, id string) (Certificate, error) { return get(tx, id, "") }

// Lock finds a live certificate by its id and keeps others from changing it. Its profile must be locked before.
func Lock(tx *store.Tx, id string) (Certificate, error) { return get(tx, id, tx.Locking("FOR UPDATE")) }

func get(tx *store.Tx, id, locking string) (Certificate, error) {
	if !wellFormedID.MatchString(id) {
		return Certificate{}, api.NotFound("certificate", id)
	}
	var c Certificate
	found, err := tx.Find(&c, "SELECT * FROM certificates WHERE id = ? AND archived_at IS NULL"+locking, id)
	if err != nil {
		return Certificate{}, fmt.Errorf("look up certificate %s: %w", id, err)
	}
	if !found {
		return Certificate{}, api.NotFound("certificate", id)
	}
	return c, nil
}

// Filter chooses certificates; an empty field chooses all live ones.
type Filter struct {
	ProfileID     string
	CommonName    string
	ExpiresBefore time.Time // of the current leaf
	Archived      bool      // the archived ones instead of the live ones
}

// List gives a page of certificates, oldest first.
func List(tx *store.Tx, f Filter, page store.Page) ([]Certificate, error) {
	var rows []Certificate
	err := page.On(f.on(tx.DB), "created_at", "uid").Find(&rows).Error
	return rows, err
}

func (f Filter) on(db *gorm.DB) *gorm.DB {
	if f.Archived {
		db = db.Where("archived_at IS NOT NULL")
	} else {
		db = db.Where("archived_at IS NULL")
	}
	if f.ProfileID != "" {
		db = db.Where("profile_id = ?", f.ProfileID)
	}
	if f.CommonName != "" {
		db = db.Where("common_name = ?", f.CommonName)
	}
	if !f.ExpiresBefore.IsZero() {
		db = db.Where("not_after < ?", f.ExpiresBefore)
	}
	return db
}

// Due gives the live certificates that are to be renewed by now, the longest due first, from after a place in that
// order. Whether one may be, is for the caller to find out.
func Due(tx *store.Tx, after store.Cursor, limit int) ([]Certificate, error) {
	var rows []Certificate
	err := store.Page{Limit: limit, After: after}.On(
		tx.DB.Where("archived_at IS NULL AND auto_renew AND renew_at <= ?", tx.Now), "renew_at", "uid").Find(&rows).Error
	return rows, err
}

// Users tells which live certificates refer to a profile: up to ten of them, and how many there are.
func Users(tx *store.Tx, profileID string) ([]api.Ref, int, error) {
	rows, err := List(tx, Filter{ProfileID: profileID}, store.Page{Limit: 10})
	if err != nil || len(rows) == 0 {
		return nil, 0, err
	}
	var count int64
	if err := (Filter{ProfileID: profileID}).on(tx.DB.Model(&Certificate{})).Count(&count).Error; err != nil {
		return nil, 0, err
	}
	refs := make([]api.Ref, len(rows))
	for i, c := range rows {
		refs[i] = api.Ref{Type: "certificate", ID: c.ID}
	}
	return refs, int(count), nil
}

// appendAudit adds the uid to the details: an archived certificate's id may be reused.
func appendAudit(tx *store.Tx, who identity.Actor, action string, c Certificate, details audit.Details) error {
	if details == nil {
		details = audit.Details{}
	}
	details["uid"] = c.UID
	return audit.Append(tx, audit.Event{Actor: who, Action: action, ResourceType: "certificate", ResourceID: c.ID, Details: details})
}

// UIDOf is the uid of the live certificate that has the id now; empty when there is none.
func UIDOf(tx *store.Tx, id string) (string, error) {
	c, err := Get(tx, id)
	if api.Is(err, api.CodeNotFound) {
		return "", nil
	}
	return c.UID, err
}

// StillDue locks a certificate that was due and says whether it is: another scan may have asked for it, and a worker
// issued it, since it was found.
func StillDue(tx *store.Tx, was Certificate) (bool, error) {
	if _, err := profile.Share(tx, was.Spec.V.ProfileID); err != nil {
		return false, err
	}
	now, err := Lock(tx, was.ID)
	if api.Is(err, api.CodeNotFound) {
		return false, nil
	}
	return err == nil && now.UID == was.UID && now.Spec.V.AutoRenew && now.RenewAt != nil && !now.RenewAt.After(tx.Now), err
}
