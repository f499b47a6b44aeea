package profile

import (
	"cmp"
	"reflect"
	"slices"

	"github.com/certctl/terraform-provider-certctl/api"
)

// Equal says whether two profiles say the same: order in a set carries no meaning.
func Equal(a, b api.ProfileSpec) bool { return reflect.DeepEqual(Sorted(a), Sorted(b)) }

// Sorted is the profile with every set in one order, so that equal content is equal to the byte.
func Sorted(spec api.ProfileSpec) api.ProfileSpec {
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
