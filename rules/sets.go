package rules

import (
	"cmp"
	"reflect"
	"slices"

	"github.com/certctl/terraform-provider-certctl/api"
)

// SameProfile says whether two profiles say the same: order in a set carries no meaning.
func SameProfile(a, b api.ProfileSpec) bool {
	return reflect.DeepEqual(SortedProfile(a), SortedProfile(b))
}

// SortedProfile is the profile with every set in one order, so that equal content is equal to the byte.
func SortedProfile(spec api.ProfileSpec) api.ProfileSpec {
	for _, set := range []*[]string{
		&spec.AllowedEKUs, &spec.AllowedDNSNames, &spec.AllowedIPRanges, &spec.AllowedURIs, &spec.AllowedEmailDomains,
	} {
		*set = SortedSet(*set)
	}
	spec.AllowedKeyAlgorithms = slices.SortedFunc(slices.Values(spec.AllowedKeyAlgorithms), func(a, b api.KeyAlgorithm) int {
		return cmp.Compare(a.Algorithm, b.Algorithm)
	})
	return spec
}

// SameSet says whether two lists hold the same elements: order carries no meaning.
func SameSet(a, b []string) bool { return slices.Equal(SortedSet(a), SortedSet(b)) }

// SortedSet is a list in the order of its bytes, as it stands in the subject of an approval.
func SortedSet(list []string) []string {
	copied := slices.Clone(list)
	slices.Sort(copied)
	return copied
}
