package rules

import (
	"fmt"
	"slices"

	"github.com/certctl/terraform-provider-certctl/api"
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
	return UngatedNames{UngatedLists: WithoutNulls(lists)}, nil
}

// AllUngated allows everything to be signed without approval.
func AllUngated() UngatedNames {
	return UngatedNames{AllowAll: true, UngatedLists: WithoutNulls(api.UngatedLists{})}
}

// WithoutNulls returns the lists with an empty list for each that is missing: they are arrays on the wire.
func WithoutNulls(lists api.UngatedLists) api.UngatedLists {
	for _, list := range []*[]string{
		&lists.AllowedDNSNames, &lists.AllowedIPRanges, &lists.AllowedURIs, &lists.AllowedEmailDomains, &lists.AllowedEKUs,
	} {
		if *list == nil {
			*list = []string{}
		}
	}
	return lists
}
