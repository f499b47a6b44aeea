package rules

import (
	"cmp"
	"reflect"
	"slices"

	"github.com/certctl/terraform-provider-certctl/api"
)

// SameProfile reports whether two profiles are equal. The order in a set has no meaning.
func SameProfile(a, b api.ProfileSpec) bool {
	return reflect.DeepEqual(SortProfile(a), SortProfile(b))
}

// SortProfile returns the profile with every set sorted, so equal profiles have equal bytes.
func SortProfile(spec api.ProfileSpec) api.ProfileSpec {
	for _, set := range []*[]string{
		&spec.AllowedEKUs, &spec.AllowedDNSNames, &spec.AllowedIPRanges, &spec.AllowedURIs, &spec.AllowedEmailDomains,
		&spec.AllowedCommonNames, &spec.KeyUsages,
	} {
		*set = SortSet(*set)
	}
	spec.SubjectAttributes = sortAttributes(spec.SubjectAttributes)
	spec.AllowedKeyAlgorithms = slices.SortedFunc(slices.Values(spec.AllowedKeyAlgorithms), func(a, b api.KeyAlgorithm) int {
		return cmp.Compare(a.Algorithm, b.Algorithm)
	})
	return spec
}

// sortAttributes sorts every set. An empty one becomes nil, so equal attributes are equal values.
func sortAttributes(a api.SubjectAttributes) api.SubjectAttributes {
	for _, attribute := range listAttributes(&a) {
		*attribute.values = SortSet(*attribute.values)
		if len(*attribute.values) == 0 {
			*attribute.values = nil
		}
	}
	return a
}

// SameSet reports whether two lists have the same elements. The order has no meaning.
func SameSet(a, b []string) bool { return slices.Equal(SortSet(a), SortSet(b)) }

// SortSet returns a sorted copy of a list, by bytes. The subject of an approval has every set in this order.
func SortSet(list []string) []string {
	copied := slices.Clone(list)
	slices.Sort(copied)
	return copied
}
