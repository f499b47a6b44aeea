package gate

import (
	"errors"
	"fmt"
	"time"

	"github.com/certctl/terraform-provider-certctl/server/audit"
	"github.com/certctl/terraform-provider-certctl/server/certificate"
	"github.com/certctl/terraform-provider-certctl/server/job"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Intent is what the gate admitted for a job: one row for each job, written once.
type Intent struct {
	JobID                   string `gorm:"primaryKey"`
	SerialNumber            string
	Digest                  string
	IssuerID                string
	IssuerGeneration        int
	IssuerFingerprintSHA256 string `gorm:"column:issuer_fingerprint_sha256"`
	NotBefore               time.Time
	NotAfter                time.Time
	TBS                     []byte `gorm:"column:tbs"` // the bytes to sign, DER of a TBSCertificate
	ProfileVersion          int64
	CertificateVersion      int64
	CreatedAt               time.Time
}

// writeIntent writes the intent of a job, or returns the one that an earlier attempt wrote.
func (g *Gate) writeIntent(tx *store.Tx, c job.Claim, proposal Proposal, d draft) (Intent, error) {
	before, found, err := findIntent(tx, c.ID)
	if err != nil || found {
		return before, err
	}
	if len(d.tbs) == 0 {
		return Intent{}, errors.New("nothing was drafted")
	}
	intent := Intent{
		JobID: c.ID, SerialNumber: d.serial.String(), Digest: proposal.Subject.Digest, IssuerID: proposal.Subject.IssuerID,
		IssuerGeneration: proposal.issuerGeneration, IssuerFingerprintSHA256: proposal.Subject.IssuerFingerprintSHA256,
		NotBefore: d.validity.NotBefore, NotAfter: d.validity.NotAfter, TBS: d.tbs,
		ProfileVersion: proposal.ProfileVersion, CertificateVersion: proposal.Certificate.Version, CreatedAt: tx.Now,
	}
	if err := tx.DB.Create(&intent).Error; err != nil {
		return Intent{}, fmt.Errorf("store the intent: %w", err)
	}
	return intent, appendAudit(tx, "issuance_admitted", c, audit.Details{"serial_number": intent.SerialNumber, "digest": intent.Digest})
}

func findIntent(tx *store.Tx, jobID string) (Intent, bool, error) {
	var i Intent
	found, err := tx.Find(&i, "SELECT * FROM intents WHERE job_id = ?", jobID)
	if err != nil {
		err = fmt.Errorf("look up the intent: %w", err)
	}
	return i, found, err
}

// FindLastSigned returns the intent of a certificate's current leaf; the zero Intent if nothing was signed yet.
func FindLastSigned(tx *store.Tx, c certificate.Certificate) (Intent, error) {
	var i Intent
	if c.CurrentSerial == nil {
		return i, nil
	}
	err := tx.Must(&i, `SELECT i.* FROM intents i JOIN leaves l ON l.job_id = i.job_id
		WHERE l.certificate_uid = ? AND l.serial_number = ?`, c.UID, *c.CurrentSerial)
	if err != nil {
		err = fmt.Errorf("look up the intent of leaf %s: %w", *c.CurrentSerial, err)
	}
	return i, err
}
