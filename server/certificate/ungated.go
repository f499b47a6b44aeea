package certificate

import (
	"fmt"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/rules"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// BlockedRenewal is a certificate that cannot be renewed without an approval. Faults says what needs the approval.
type BlockedRenewal struct {
	ID, ProfileID string
	Faults        []api.Fault
}

// ListUngatedFaults lists what of a certificate needs the approval of a person, if no person is asked under its profile.
func ListUngatedFaults(names rules.UngatedNames, spec api.CertificateSpec, p api.ProfileSpec) []api.Fault {
	if p.RequiresApproval {
		return nil
	}
	return names.Faults(api.IssuanceSubject{
		CertificateContent: rules.CertificateContent(spec, api.Key{}), ProfileContent: rules.ProfileContent(p),
	}, p)
}

const blockedPage = 500

// ListBlockedRenewals returns the live certificates under ungated profiles that these ungated names would keep from being
// renewed.
func ListBlockedRenewals(tx *store.Tx, names rules.UngatedNames) ([]BlockedRenewal, error) {
	var blocked []BlockedRenewal
	for after := ""; ; {
		var rows []struct {
			Certificate `gorm:"embedded"`
			ProfileSpec store.JSON[api.ProfileSpec]
		}
		err := tx.DB.Raw(`SELECT c.*, p.spec AS profile_spec FROM certificates c JOIN profiles p ON p.id = c.profile_id
			WHERE c.archived_at IS NULL AND NOT p.requires_approval AND c.uid > ? ORDER BY c.uid LIMIT ?`, after, blockedPage).Scan(&rows).Error
		if err != nil {
			return nil, fmt.Errorf("look up the certificates that cannot be renewed: %w", err)
		}
		for _, c := range rows {
			if faults := ListUngatedFaults(names, c.Spec.V, c.ProfileSpec.V); len(faults) > 0 {
				blocked = append(blocked, BlockedRenewal{ID: c.ID, ProfileID: c.Spec.V.ProfileID, Faults: faults})
			}
		}
		if len(rows) < blockedPage {
			return blocked, nil
		}
		after = rows[len(rows)-1].UID
	}
}
