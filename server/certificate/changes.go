package certificate

import (
	"fmt"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/rules"
	"github.com/certctl/terraform-provider-certctl/server/history"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// contentOf returns the signed content of a certificate, with the key of its own CSR.
func contentOf(spec api.CertificateSpec) (api.CertificateContent, error) {
	csr, err := rules.ParseCSR(spec.CSRPEM)
	if err != nil {
		return api.CertificateContent{}, fmt.Errorf("read the stored CSR: %w", err)
	}
	return rules.CertificateContent(spec, csr.Key), nil
}

// change is a row of certificate_changes.
type change struct {
	CertificateUID string `gorm:"column:certificate_uid"`
	history.Change `gorm:"embedded"`
}

// TableName implements gorm's Tabler.
func (change) TableName() string { return "certificate_changes" }

// recordChanges stores who wrote each signed field in which a version differs from before. If before is nil, the
// certificate is new.
func recordChanges(tx *store.Tx, author history.Author, before any, c Certificate, after api.CertificateContent) error {
	changes, err := history.ListChanges(c.Version, author, tx.Now, before, after)
	if err != nil {
		return err
	}
	if len(changes) == 0 {
		return nil
	}
	rows := make([]change, len(changes))
	for i, each := range changes {
		rows[i] = change{c.UID, each}
	}
	if err := tx.DB.Omit("approved_by").Create(&rows).Error; err != nil {
		return fmt.Errorf("store the changes of certificate %s: %w", c.ID, err)
	}
	return nil
}

// ListChanges lists all changes of a certificate's names and key, oldest first.
func ListChanges(tx *store.Tx, uid string) ([]history.Change, error) {
	var rows []change
	if err := tx.DB.Omit("approved_by").Where("certificate_uid = ?", uid).Order("version, field").Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("look up the changes of the certificate: %w", err)
	}
	changes := make([]history.Change, len(rows))
	for i, r := range rows {
		changes[i] = r.Change
	}
	return changes, nil
}
