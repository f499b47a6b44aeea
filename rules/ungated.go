package rules

import (
	"fmt"
	"slices"

	"github.com/certctl/terraform-provider-certctl/api"
)

// UngatedNames lists the names and usages that may be signed without a human's approval.
type UngatedNames api.UngatedNames

// Faults lists everything in a subject that needs a human's approval, and what of its profile does. If there is no fault,
// all of it may be signed without. The pointers lead into the subject, or into the profile.
func (u UngatedNames) Faults(s api.IssuanceSubject, p api.ProfileSpec) []api.Fault {
	if u.AllowAll {
		return nil
	}
	return slices.Concat(
		checkUngatedCommonName(s), u.checkSANs(s.SANs), u.checkUsages(s.ExtendedKeyUsages),
		checkUngatedAttributes(s.SubjectAttributes), checkUngatedPatterns(p),
	)
}

// checkUngatedAttributes refuses every attribute: an organisation such as system:masters is a role in some programs.
func checkUngatedAttributes(attributes api.SubjectAttributes) []api.Fault {
	var out []api.Fault
	for _, a := range listAttributes(&attributes) {
		for i, value := range *a.values {
			out = append(out, newFault(elementPointer("/subject_attributes/"+a.name, i), "the subject attribute %s needs approval", quoteShort(value)))
		}
	}
	return out
}

func checkUngatedPatterns(p api.ProfileSpec) []api.Fault {
	if len(p.AllowedCommonNames) == 0 {
		return nil
	}
	return []api.Fault{newFault("/allowed_common_names", "a profile that allows common names outside the sans needs approval")}
}

// checkUngatedCommonName skips a common name that is one of the SANs. checkSANs checks those.
func checkUngatedCommonName(s api.IssuanceSubject) []api.Fault {
	if !HasFreeCommonName(s.CertificateContent) {
		return nil
	}
	return []api.Fault{newFault("/common_name", "the common name %s needs approval: it is not one of the sans", quoteShort(s.CommonName))}
}

func (u UngatedNames) checkSANs(sans []string) []api.Fault {
	if len(sans) == 0 {
		return []api.Fault{newFault("/sans", "a certificate without sans needs approval")}
	}
	// A wildcard name is listed if a pattern matches every name that the wildcard covers.
	listed := NewNamePatterns(api.ProfileSpec{
		AllowWildcardNames: true, AllowedDNSNames: u.AllowedDNSNames, AllowedIPRanges: u.AllowedIPRanges,
		AllowedURIs: u.AllowedURIs, AllowedEmailDomains: u.AllowedEmailDomains,
	})
	var out []api.Fault
	for i, san := range sans {
		if err := listed.checkListed(san); err != nil {
			out = append(out, newFault(elementPointer("/sans", i), "%s", err))
		}
	}
	return out
}

// checkListed returns an error if a SAN is not among the ungated names.
func (n *NamePatterns) checkListed(san string) error {
	name, err := ParseName(san)
	if err != nil {
		return err
	}
	if _, matches := n.findMatch(name); !matches {
		return fmt.Errorf("the %s %s needs approval: it is not among the ungated names", name.kind, quoteShort(san))
	}
	return nil
}

// checkUsages also refuses a certificate without usages, because such a certificate allows every use.
func (u UngatedNames) checkUsages(usages []string) []api.Fault {
	const pointer = "/extended_key_usages"
	if len(usages) == 0 {
		return []api.Fault{newFault(pointer, "a certificate without extended key usages needs approval")}
	}
	var out []api.Fault
	for i, usage := range usages {
		if !slices.Contains(u.AllowedEKUs, usage) {
			out = append(out, newFault(elementPointer(pointer, i), "the extended key usage %s needs approval: it is not among the ungated usages", quoteShort(usage)))
		}
	}
	return out
}

// checkUngatedLists returns every fault of the lists. Their patterns have the syntax of a profile's patterns.
func checkUngatedLists(lists api.UngatedLists) []api.Fault {
	return slices.Concat(
		checkSet("/allowed_dns_names", lists.AllowedDNSNames, checkDNSPattern),
		checkSet("/allowed_ip_ranges", lists.AllowedIPRanges, checkIPRange),
		checkSet("/allowed_uris", lists.AllowedURIs, checkURIPattern),
		checkSet("/allowed_email_domains", lists.AllowedEmailDomains, checkEmailDomain),
		checkSet("/allowed_ekus", lists.AllowedEKUs, checkEKU),
	)
}

// NewUngatedNames makes UngatedNames from lists, or returns an invalid_request problem with their faults.
func NewUngatedNames(lists api.UngatedLists) (UngatedNames, error) {
	if faults := checkUngatedLists(lists); len(faults) > 0 {
		return UngatedNames{}, api.Invalid(faults...)
	}
	return UngatedNames{UngatedLists: WithoutNulls(lists)}, nil
}

// AllowAllNames returns UngatedNames that allow everything to be signed without approval.
func AllowAllNames() UngatedNames {
	return UngatedNames{AllowAll: true, UngatedLists: WithoutNulls(api.UngatedLists{})}
}

// WithoutNulls returns the lists with an empty list in place of each nil, because JSON must have arrays.
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
