package certificate

import (
	"fmt"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/profile"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// change says who stands behind a version of a certificate, and whether it changed what would be signed.
type change struct {
	CertificateUID string `gorm:"column:certificate_uid"`
	Version        int64
	Accountable    string
	Signed         bool
	ChangedAt      time.Time
}

// TableName implements gorm's Tabler.
func (change) TableName() string { return "certificate_changes" }

func remember(tx *store.Tx, who identity.Actor, c Certificate, signed bool) error {
	row := change{CertificateUID: c.UID, Version: c.Version, Accountable: who.Accountable(), Signed: signed, ChangedAt: tx.Now}
	if err := tx.DB.Create(&row).Error; err != nil {
		return fmt.Errorf("remember who changed certificate %s: %w", c.ID, err)
	}
	return nil
}

func sameNames(a, b api.CertificateSpec) bool {
	return a.CommonName == b.CommonName && profile.SameSet(a.SANs, b.SANs)
}

// Changers are the people accountable for a change of the certificate's names or key, after a version; 0: ever.
func Changers(tx *store.Tx, uid string, after int64) ([]string, error) {
	var people []string
	err := tx.DB.Raw(`SELECT DISTINCT accountable FROM certificate_changes
		WHERE certificate_uid = ? AND version > ? AND signed ORDER BY accountable`, uid, after).Scan(&people).Error
	if err != nil {
		return nil, fmt.Errorf("look up who changed the certificate: %w", err)
	}
	return people, nil
}
