package profile

import (
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/audit"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// UngatedNames are what may be signed without a human's approval.
type UngatedNames api.UngatedNames

// Faults names everything of a subject that may not be signed without a human's approval; none means that all of it
// may. The pointers lead into the subject.
func (u UngatedNames) Faults(s api.IssuanceSubject) []api.Fault {
	if u.AllowAll {
		return nil
	}
	return slices.Concat(ungatedCommonName(s), u.checkSANs(s.SANs), u.checkUsages(s.ExtendedKeyUsages))
}

// ungatedCommonName leaves a common name that is one of the sans to their check.
func ungatedCommonName(s api.IssuanceSubject) []api.Fault {
	if s.CommonName == "" || slices.Contains(s.SANs, s.CommonName) {
		return nil
	}
	return []api.Fault{fault("/common_name", "the common name %s needs approval: it is not one of the sans", quote(s.CommonName))}
}

func (u UngatedNames) checkSANs(sans []string) []api.Fault {
	if len(sans) == 0 {
		return []api.Fault{fault("/sans", "a certificate without sans needs approval")}
	}
	// A wildcard name is listed if a pattern matches everything that the name covers.
	listed := NamesOf(api.ProfileSpec{
		AllowWildcardNames: true, AllowedDNSNames: u.AllowedDNSNames, AllowedIPRanges: u.AllowedIPRanges,
		AllowedURIs: u.AllowedURIs, AllowedEmailDomains: u.AllowedEmailDomains,
	})
	var out []api.Fault
	for i, san := range sans {
		if err := listed.lists(san); err != nil {
			out = append(out, fault(element("/sans", i), "%s", err))
		}
	}
	return out
}

func (n *Names) lists(san string) error {
	name, err := ParseName(san)
	if err != nil {
		return err
	}
	if _, matches := n.matches(name); !matches {
		return fmt.Errorf("the %s %s needs approval: it is not among the ungated names", name.kind, quote(san))
	}
	return nil
}

// checkUsages refuses the absence of usages, too: such a certificate is good for every use.
func (u UngatedNames) checkUsages(usages []string) []api.Fault {
	const pointer = "/extended_key_usages"
	if len(usages) == 0 {
		return []api.Fault{fault(pointer, "a certificate without extended key usages needs approval")}
	}
	var out []api.Fault
	for i, usage := range usages {
		if !slices.Contains(u.AllowedEKUs, usage) {
			out = append(out, fault(element(pointer, i), "the extended key usage %s needs approval: it is not among the ungated usages", quote(usage)))
		}
	}
	return out
}

// validateUngated returns every fault of the lists. They have the syntax of a profile's.
func validateUngated(lists api.UngatedLists) []api.Fault {
	return slices.Concat(
		checkSet("/allowed_dns_names", lists.AllowedDNSNames, checkDNSPattern),
		checkSet("/allowed_ip_ranges", lists.AllowedIPRanges, checkIPRange),
		checkSet("/allowed_uris", lists.AllowedURIs, checkURIPattern),
		checkSet("/allowed_email_domains", lists.AllowedEmailDomains, checkEmailDomain),
		checkSet("/allowed_ekus", lists.AllowedEKUs, checkEKU),
	)
}

// ListUngated makes UngatedNames of lists.
func ListUngated(lists api.UngatedLists) (UngatedNames, error) {
	if faults := validateUngated(lists); len(faults) > 0 {
		return UngatedNames{}, api.Invalid(faults...)
	}
	return UngatedNames{UngatedLists: withoutNull(lists)}, nil
}

// AllUngated allows everything to be signed without approval.
func AllUngated() UngatedNames {
	return UngatedNames{AllowAll: true, UngatedLists: withoutNull(api.UngatedLists{})}
}

func withoutNull(lists api.UngatedLists) api.UngatedLists {
	for _, list := range []*[]string{
		&lists.AllowedDNSNames, &lists.AllowedIPRanges, &lists.AllowedURIs, &lists.AllowedEmailDomains, &lists.AllowedEKUs,
	} {
		if *list == nil {
			*list = []string{}
		}
	}
	return lists
}

// GetUngatedNames reads what may be signed without approval.
func GetUngatedNames(tx *store.Tx) (UngatedNames, error) { return ungatedNames(tx, "") }

// ShareUngatedNames is GetUngatedNames, and keeps them as they are until the transaction ends. It comes before every
// other lock.
func ShareUngatedNames(tx *store.Tx) (UngatedNames, error) {
	return ungatedNames(tx, tx.Locking("FOR SHARE"))
}

func ungatedNames(tx *store.Tx, locking string) (UngatedNames, error) {
	var row struct {
		AllowAll  bool
		Spec      store.JSON[api.UngatedLists]
		UpdatedAt time.Time
	}
	found, err := tx.Find(&row, "SELECT * FROM ungated_names WHERE id = 1"+locking)
	if err != nil {
		return UngatedNames{}, fmt.Errorf("look up the ungated names: %w", err)
	}
	if !found {
		return UngatedNames{}, fmt.Errorf("the row of the ungated names is missing")
	}
	return UngatedNames{AllowAll: row.AllowAll, UngatedLists: withoutNull(row.Spec.V), UpdatedAt: row.UpdatedAt}, nil
}

// SetUngatedNames replaces what may be signed without approval, in the name of the command line. It waits for every
// signature that the gate is admitting, and the next one sees the new names.
func SetUngatedNames(tx *store.Tx, after UngatedNames) error {
	before, err := ungatedNames(tx, tx.Locking("FOR UPDATE"))
	if err != nil {
		return err
	}
	if before.AllowAll == after.AllowAll && reflect.DeepEqual(before.UngatedLists, after.UngatedLists) {
		return nil
	}
	after.UpdatedAt = tx.Now
	err = tx.DB.Exec("UPDATE ungated_names SET allow_all = ?, spec = ?, updated_at = ? WHERE id = 1",
		after.AllowAll, store.JSON[api.UngatedLists]{V: after.UngatedLists}, tx.Now).Error
	if err != nil {
		return fmt.Errorf("store the ungated names: %w", err)
	}
	return audit.Append(tx, audit.Event{
		Actor: identity.CLI, Action: "ungated_names_changed", ResourceType: "ungated_names", ResourceID: "ungated-names",
		Details: audit.Details{"before": before, "after": after},
	})
}

// Overlapped is a gated profile that allows names which could be signed without approval, too.
type Overlapped struct {
	ID, Name string
	Overlaps []Overlap
}

const overlappedAtOnce = 500

// OverlappedBy finds the gated profiles whose allow-lists the names overlap.
func OverlappedBy(tx *store.Tx, names UngatedNames) ([]Overlapped, error) {
	var overlapped []Overlapped
	for after := ""; ; {
		var rows []Profile
		err := tx.DB.Where("requires_approval AND id > ?", after).Order("id").Limit(overlappedAtOnce).Find(&rows).Error
		if err != nil {
			return nil, fmt.Errorf("look for gated profiles: %w", err)
		}
		for _, p := range rows {
			if overlaps := names.Overlaps(p.Spec.V); len(overlaps) > 0 {
				overlapped = append(overlapped, Overlapped{ID: p.ID, Name: p.Spec.V.Name, Overlaps: overlaps})
			}
		}
		if len(rows) < overlappedAtOnce {
			return overlapped, nil
		}
		after = rows[len(rows)-1].ID
	}
}
