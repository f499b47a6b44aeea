package certificate

import (
	"fmt"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/rules"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Blocked is a certificate that could not be renewed without approval.
type Blocked struct {
	ID, ProfileID string
	Faults        []api.Fault
}

const blockedAtOnce = 500

// BlockedBy finds the live certificates under profiles without a gate that could not be renewed if these were the
// ungated names.
func BlockedBy(tx *store.Tx, names rules.UngatedNames) ([]Blocked, error) {
	var blocked []Blocked
	for after := ""; ; {
		var rows []struct {
			Certificate `gorm:"embedded"`
			ProfileSpec store.JSON[api.ProfileSpec]
		}
		err := tx.DB.Raw(`SELECT c.*, p.spec AS profile_spec FROM certificates c JOIN profiles p ON p.id = c.profile_id
			WHERE c.archived_at IS NULL AND NOT p.requires_approval AND c.uid > ? ORDER BY c.uid LIMIT ?`, after, blockedAtOnce).Scan(&rows).Error
		if err != nil {
			return nil, fmt.Errorf("look for certificates that could not be renewed: %w", err)
		}
		for _, c := range rows {
			faults := names.Faults(api.IssuanceSubject{
				CertificateContent: rules.CertificateContent(c.Spec.V, api.Key{}), ProfileContent: rules.ProfileContent(c.ProfileSpec.V),
			})
			if len(faults) > 0 {
				blocked = append(blocked, Blocked{ID: c.ID, ProfileID: c.Spec.V.ProfileID, Faults: faults})
			}
		}
		if len(rows) < blockedAtOnce {
			return blocked, nil
		}
		after = rows[len(rows)-1].UID
	}
}
