package profile

import (
	"fmt"

	"github.com/certctl/terraform-provider-certctl/server/store"
)

// FindLongestLived returns the enabled profile of an issuer whose certificates are valid longest; false if there is none.
func FindLongestLived(tx *store.Tx, issuerID string) (longest Profile, found bool, _ error) {
	var rows []Profile
	if err := tx.DB.Order("id").Find(&rows).Error; err != nil {
		return longest, false, fmt.Errorf("look up the profiles: %w", err)
	}
	for _, p := range rows {
		if spec := p.Spec.V; spec.Enabled && spec.IssuerID == issuerID && (!found || spec.MaxTTLSeconds > longest.Spec.V.MaxTTLSeconds) {
			longest, found = p, true
		}
	}
	return longest, found, nil
}
