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

// Leaf is a certificate that was signed. It is never changed.
type Leaf struct {
	SerialNumber   string
	JobID          string `gorm:"primaryKey"`
	CertificateUID string `gorm:"column:certificate_uid"`
	// CertificateVersion is the version that was signed, or the one that the signature made by a key of the job's own.
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

// API is the leaf as callers see it.
func (l Leaf) API() api.Leaf {
	return api.Leaf{
		SerialNumber: l.SerialNumber, NotBefore: l.NotBefore, NotAfter: l.NotAfter,
		FingerprintSHA256: l.FingerprintSHA256, SPKISHA256: l.SPKISHA256, SANs: l.SANs.V, IssuerID: l.IssuerID,
		CertificatePEM: l.CertificatePEM, ChainPEM: l.ChainPEM,
	}
}

// due is when the leaf is to be renewed: renew_before_seconds before its end, or when a third of its life is left.
func (l Leaf) due(spec api.CertificateSpec) time.Time {
	before := l.NotAfter.Sub(l.NotBefore) / 3
	if spec.RenewBeforeSeconds != nil {
		before = time.Duration(*spec.RenewBeforeSeconds) * time.Second
	}
	return l.NotAfter.Add(-before).UTC().Truncate(time.Second)
}

func leafOf(tx *store.Tx, certificateUID, serial string) (Leaf, error) {
	var l Leaf
	if err := tx.Must(&l, "SELECT * FROM leaves WHERE certificate_uid = ? AND serial_number = ?", certificateUID, serial); err != nil {
		return Leaf{}, fmt.Errorf("look up leaf %s: %w", serial, err)
	}
	return l, nil
}

// Current finds the current leaf of a live certificate.
func Current(tx *store.Tx, id string) (Leaf, error) {
	c, err := Get(tx, id)
	if err != nil {
		return Leaf{}, err
	}
	return CurrentOf(tx, c)
}

// CurrentOf finds the current leaf of a certificate that was looked up before.
func CurrentOf(tx *store.Tx, c Certificate) (Leaf, error) {
	if c.CurrentSerial == nil {
		return Leaf{}, api.Refuse(api.CodeNotIssued, "certificate %s has not been issued yet", c.ID)
	}
	return leafOf(tx, c.UID, *c.CurrentSerial)
}

// Leaves gives a page of all leaves of a live certificate, newest first.
func Leaves(tx *store.Tx, id string, page store.Page) ([]Leaf, error) {
	c, err := Get(tx, id)
	if err != nil {
		return nil, err
	}
	var rows []Leaf
	err = page.On(tx.DB.Where("certificate_uid = ?", c.UID), "created_at", "serial_number").Find(&rows).Error
	return rows, err
}

// StoreLeaf stores a leaf and makes it the certificate's current one. ownCSR is the request that came with the renewal;
// author asked for it. If the certificate has another one, ownCSR becomes the certificate's, as a new version by the
// author. An empty ownCSR leaves the certificate its request, which a PUT may have replaced by one with the same key.
// The caller ends the job in the same transaction, after this.
func StoreLeaf(tx *store.Tx, l Leaf, ownCSR string, author history.Author) error {
	var c Certificate
	if err := tx.Must(&c, "SELECT * FROM certificates WHERE uid = ?"+tx.Locking("FOR UPDATE"), l.CertificateUID); err != nil {
		return fmt.Errorf("look up the certificate of job %s: %w", l.JobID, err)
	}
	if err := adoptRequest(tx, &c, ownCSR, author); err != nil {
		return err
	}
	l.CertificateVersion = c.Version
	if err := tx.DB.Create(&l).Error; err != nil {
		return fmt.Errorf("store the leaf: %w", err)
	}
	var current Certificate
	err := tx.Must(&current, `UPDATE certificates SET spec = ?, spki_sha256 = ?, version = ?, updated_at = ?, current_serial = ?, not_after = ?, renew_at = ?
		WHERE uid = ? RETURNING *`, c.Spec, c.SPKISHA256, c.Version, c.UpdatedAt, l.SerialNumber, l.NotAfter, l.due(c.Spec.V), c.UID)
	if err != nil {
		return fmt.Errorf("make the leaf current: %w", err)
	}
	return appendAudit(tx, identity.Issuer, "certificate_issued", c, audit.Details{
		"job_id": l.JobID, "serial_number": l.SerialNumber, "fingerprint_sha256": l.FingerprintSHA256, "version": c.Version,
	})
}

// adoptRequest gives the certificate the request of a renewal. That is a change of what a caller writes, so that a PUT
// based on the version before is refused.
func adoptRequest(tx *store.Tx, c *Certificate, ownCSR string, author history.Author) error {
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
	return recordAuthor(tx, author, before, *c, after)
}
