package certificate

import (
	"fmt"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/rules"
	"github.com/certctl/terraform-provider-certctl/server/profile"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// An edit is checked against at most maxChecked certificates, in pages. A profile may have many more.
const (
	maxChecked  = 1000
	checkedPage = 100
)

// CountBlocked counts the live certificates that an edit of their profile keeps from being renewed. It counts none that
// the stored profile forbids already. If it did not check all of them, it returns a warning.
func CountBlocked(tx *store.Tx, p profile.Profile, after api.ProfileSpec) (int, []string, error) {
	before := p.Spec.V
	if before.Enabled && !after.Enabled {
		_, all, err := ListUsers(tx, p.ID)
		return all, nil, err
	}
	if hasSameRules(before, after) {
		return 0, nil, nil
	}
	names, err := profile.GetUngatedNames(tx)
	if err != nil {
		return 0, nil, err
	}
	canRenew := func(spec api.CertificateSpec, p api.ProfileSpec) bool {
		return len(ListUngatedFaults(names, spec, p)) == 0 && countFaults(spec, p) == 0
	}
	blocked, checked := 0, 0
	page := store.Page{Limit: checkedPage}
	for {
		rows, err := List(tx, Filter{ProfileID: p.ID}, page)
		if err != nil {
			return 0, nil, fmt.Errorf("list the certificates of profile %s: %w", p.ID, err)
		}
		for _, c := range rows {
			if !canRenew(c.Spec.V, after) && canRenew(c.Spec.V, before) {
				blocked++
			}
		}
		checked += len(rows)
		if len(rows) < checkedPage {
			return blocked, nil, nil
		}
		if checked >= maxChecked {
			_, all, err := ListUsers(tx, p.ID)
			return blocked, uncheckedWarning(checked, all), err
		}
		last := rows[len(rows)-1]
		page.After = store.Cursor{At: last.CreatedAt, ID: last.UID}
	}
}

// countFaults counts the faults of a certificate under a profile.
func countFaults(spec api.CertificateSpec, p api.ProfileSpec) int {
	_, faults := rules.CheckCertificate(spec, p)
	return len(faults)
}

func uncheckedWarning(checked, all int) []string {
	if all <= checked {
		return nil
	}
	return []string{fmt.Sprintf("the profile has %d certificates; the edit was checked against the oldest %d of them", all, checked)}
}

// hasSameRules reports whether an edit changes no field that can block a renewal. To turn the gate on blocks none.
func hasSameRules(before, after api.ProfileSpec) bool {
	after.Name, after.IssuerID, after.Enabled = before.Name, before.IssuerID, before.Enabled
	if after.RequiresApproval {
		after.RequiresApproval = before.RequiresApproval
	}
	return profile.SameRules(before, after)
}
