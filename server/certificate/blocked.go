package certificate

import (
	"fmt"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/rules"
	"github.com/certctl/terraform-provider-certctl/server/profile"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// An edit is held against so many certificates, in pages: a profile may have more than anyone waits for.
const (
	maxChecked  = 1000
	checkedPage = 100
)

// CountBlocked counts the live certificates that can be renewed under a profile and could not be after an edit of it.
// The warnings say if there are certificates that it did not look at.
func CountBlocked(tx *store.Tx, p profile.Profile, after api.ProfileSpec) (int, []string, error) {
	before := p.Spec.V
	if before.Enabled && !after.Enabled {
		_, all, err := Users(tx, p.ID)
		return all, nil, err
	}
	if sameForCertificates(before, after) {
		return 0, nil, nil
	}
	blocked, checked := 0, 0
	page := store.Page{Limit: checkedPage}
	for {
		rows, err := List(tx, Filter{ProfileID: p.ID}, page)
		if err != nil {
			return 0, nil, fmt.Errorf("look at the certificates of profile %s: %w", p.ID, err)
		}
		for _, c := range rows {
			if countFaults(c.Spec.V, after) > 0 && countFaults(c.Spec.V, before) == 0 {
				blocked++
			}
		}
		checked += len(rows)
		if len(rows) < checkedPage {
			return blocked, nil, nil
		}
		if checked >= maxChecked {
			_, all, err := Users(tx, p.ID)
			return blocked, uncheckedWarning(checked, all), err
		}
		last := rows[len(rows)-1]
		page.After = store.Cursor{At: last.CreatedAt, ID: last.UID}
	}
}

func countFaults(spec api.CertificateSpec, p api.ProfileSpec) int {
	_, faults := rules.CheckCertificate(spec, p)
	return len(faults)
}

func uncheckedWarning(checked, all int) []string {
	if all <= checked {
		return nil
	}
	return []string{fmt.Sprintf("the profile has %d certificates; the edit was held against the oldest %d of them", all, checked)}
}

// sameForCertificates reports whether an edit changes nothing that Check looks at.
func sameForCertificates(before, after api.ProfileSpec) bool {
	after.Name, after.IssuerID, after.Enabled, after.RequiresApproval = before.Name, before.IssuerID, before.Enabled, before.RequiresApproval
	return profile.SameRules(before, after)
}
