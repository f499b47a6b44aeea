package certificate

import (
	"fmt"
	"regexp"
	"time"

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
	SPKISHA256    string `gorm:"column:spki_sha256"` // of the CSR's key
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

// Get returns the live certificate with an id, or a not_found problem.
func Get(tx *store.Tx, id string) (Certificate, error) { return get(tx, id, "") }

// Lock is Get, and locks the certificate FOR UPDATE. The caller must have locked its profile.
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

// ListDue returns the live certificates whose renewal is due, earliest first, from after a cursor. It does not check
// whether a renewal is possible.
func ListDue(tx *store.Tx, after store.Cursor, limit int) ([]Certificate, error) {
	var rows []Certificate
	err := store.Page{Limit: limit, After: after}.On(
		tx.DB.Where("archived_at IS NULL AND auto_renew AND renew_at <= ?", tx.Now), "renew_at", "uid").Find(&rows).Error
	return rows, err
}

// ListUsers returns up to ten of the live certificates that refer to a profile, and how many there are.
func ListUsers(tx *store.Tx, profileID string) ([]api.Ref, int, error) {
	rows, err := List(tx, Filter{ProfileID: profileID}, store.Page{Limit: 10})
	if err != nil || len(rows) == 0 {
		return nil, 0, err
	}
	var count int64
	if err := (Filter{ProfileID: profileID}).apply(tx, tx.DB.Model(&Certificate{})).Count(&count).Error; err != nil {
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

// FindUID returns the uid of the live certificate with an id; empty if there is none.
func FindUID(tx *store.Tx, id string) (string, error) {
	c, err := Get(tx, id)
	if api.Is(err, api.CodeNotFound) {
		return "", nil
	}
	return c.UID, err
}

// LockIfDue locks a certificate that was due, and its profile, and reports whether the certificate is still due. Another
// server may have renewed it meanwhile.
func LockIfDue(tx *store.Tx, before Certificate) (bool, error) {
	if _, err := profile.Share(tx, before.Spec.V.ProfileID); err != nil {
		return false, err
	}
	now, err := Lock(tx, before.ID)
	if api.Is(err, api.CodeNotFound) {
		return false, nil
	}
	return err == nil && now.UID == before.UID && now.Spec.V.AutoRenew && now.RenewAt != nil && !now.RenewAt.After(tx.Now), err
}

// ListLive returns the live certificates among some ids, by id.
func ListLive(tx *store.Tx, ids []string) ([]Certificate, error) {
	var rows []Certificate
	if err := tx.DB.Where("id IN ? AND archived_at IS NULL", ids).Order("id").Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("look up certificates: %w", err)
	}
	return rows, nil
}
