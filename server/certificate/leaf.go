package certificate

import (
	"fmt"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/audit"
	"github.com/certctl/terraform-provider-certctl/server/history"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Leaf is a signed certificate. A leaf never changes.
type Leaf struct {
	SerialNumber   string
	JobID          string `gorm:"primaryKey"`
	CertificateUID string `gorm:"column:certificate_uid"`
	// CertificateVersion is the version that was signed. If the job had its own CSR, it is the version with that CSR.
	CertificateVersion int64
	IssuerID           string
	SANs               store.JSON[[]string] `gorm:"column:sans"`
	NotBefore          time.Time
	NotAfter           time.Time
	FingerprintSHA256  string `gorm:"column:fingerprint_sha256"`
	SPKISHA256         string `gorm:"column:spki_sha256"`
	CertificatePEM     string `gorm:"column:certificate_pem"`
	ChainPEM           string `gorm:"column:chain_pem"`
	CreatedAt          time.Time
}

// TableName implements gorm's Tabler.
func (Leaf) TableName() string { return "leaves" }

// API returns the leaf as callers see it.
func (l Leaf) API() api.Leaf {
	return api.Leaf{
		SerialNumber: l.SerialNumber, NotBefore: l.NotBefore, NotAfter: l.NotAfter,
		FingerprintSHA256: l.FingerprintSHA256, SPKISHA256: l.SPKISHA256, SANs: l.SANs.V, IssuerID: l.IssuerID,
		CertificatePEM: l.CertificatePEM, ChainPEM: l.ChainPEM,
	}
}

// renewAt returns when the leaf is due for renewal: renew_before_seconds before its end, or when a third of its lifetime
// is left. Half of the lifetime lies between two renewals, even if the lifetime of the profile became shorter since the
// certificate was written.
func (l Leaf) renewAt(spec api.CertificateSpec) time.Time {
	lifetime := l.NotAfter.Sub(l.NotBefore)
	before := lifetime / 3
	if spec.RenewBeforeSeconds != nil {
		before = min(time.Duration(*spec.RenewBeforeSeconds)*time.Second, lifetime/2)
	}
	return l.NotAfter.Add(-before).UTC().Truncate(time.Second)
}

// getLeaf returns a leaf of a certificate by its serial number. A missing leaf is an error.
func getLeaf(tx *store.Tx, certificateUID, serial string) (Leaf, error) {
	var l Leaf
	if err := tx.Must(&l, "SELECT * FROM leaves WHERE certificate_uid = ? AND serial_number = ?", certificateUID, serial); err != nil {
		return Leaf{}, fmt.Errorf("look up leaf %s: %w", serial, err)
	}
	return l, nil
}

// GetCurrentLeaf returns the current leaf of the live certificate with an id, or a not_found or not_issued problem.
func GetCurrentLeaf(tx *store.Tx, id string) (Leaf, error) {
	c, err := Get(tx, id)
	if err != nil {
		return Leaf{}, err
	}
	return GetCurrentLeafOf(tx, c)
}

// GetCurrentLeafOf is GetCurrentLeaf for a certificate that the caller has.
func GetCurrentLeafOf(tx *store.Tx, c Certificate) (Leaf, error) {
	if c.CurrentSerial == nil {
		return Leaf{}, api.Refuse(api.CodeNotIssued, "certificate %s is not issued yet: renew it, or wait for its job", c.ID)
	}
	return getLeaf(tx, c.UID, *c.CurrentSerial)
}

// ListLeaves returns a page of the leaves of a live certificate, newest first.
func ListLeaves(tx *store.Tx, id string, page store.Page) ([]Leaf, error) {
	c, err := Get(tx, id)
	if err != nil {
		return nil, err
	}
	var rows []Leaf
	err = page.On(tx.DB.Where("certificate_uid = ?", c.UID), "created_at", "serial_number").Find(&rows).Error
	return rows, err
}

// StoreLeaf stores a leaf and makes it the certificate's current leaf. The caller then completes the job in the same
// transaction.
//
// ownCSR is the CSR that came with the renewal, and author requested the renewal. If the certificate has another CSR,
// ownCSR replaces it, as a new version by the author. If ownCSR is empty, the certificate keeps its CSR.
func StoreLeaf(tx *store.Tx, l Leaf, ownCSR string, author history.Author) error {
	var c Certificate
	if err := tx.Must(&c, "SELECT * FROM certificates WHERE uid = ?"+tx.Locking("FOR UPDATE"), l.CertificateUID); err != nil {
		return fmt.Errorf("look up the certificate of job %s: %w", l.JobID, err)
	}
	if err := adoptCSR(tx, &c, ownCSR, author); err != nil {
		return err
	}
	l.CertificateVersion = c.Version
	if err := tx.DB.Create(&l).Error; err != nil {
		return fmt.Errorf("store the leaf: %w", err)
	}
	var current Certificate
	err := tx.Must(&current, `UPDATE certificates SET spec = ?, spki_sha256 = ?, version = ?, updated_at = ?, current_serial = ?, not_after = ?, renew_at = ?
		WHERE uid = ? RETURNING *`, c.Spec, c.SPKISHA256, c.Version, c.UpdatedAt, l.SerialNumber, l.NotAfter, l.renewAt(c.Spec.V), c.UID)
	if err != nil {
		return fmt.Errorf("make the leaf current: %w", err)
	}
	return appendAudit(tx, identity.Issuer, "certificate_issued", c, audit.Details{
		"job_id": l.JobID, "serial_number": l.SerialNumber, "fingerprint_sha256": l.FingerprintSHA256, "version": c.Version,
	})
}

// adoptCSR replaces the CSR of a certificate with the CSR of a renewal. It increments the version, so a PUT based on the
// version before is refused.
func adoptCSR(tx *store.Tx, c *Certificate, ownCSR string, author history.Author) error {
	if ownCSR == "" || c.Spec.V.CSRPEM == ownCSR {
		return nil
	}
	before, err := contentOf(c.Spec.V)
	if err != nil {
		return err
	}
	c.Spec.V.CSRPEM, c.UpdatedAt = ownCSR, tx.Now
	c.Version++
	after, err := contentOf(c.Spec.V)
	if err != nil {
		return err
	}
	c.SPKISHA256 = after.Key.SPKISHA256
	return recordChanges(tx, author, before, *c, after)
}
