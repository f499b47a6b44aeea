package rules

import (
	"fmt"
	"testing"

	"github.com/certctl/terraform-provider-certctl/api"
)

// As many names as a certificate may have against as many patterns as a profile may have, none of which matches:
// this runs under locks. The second figure is the same with a single pattern.
func BenchmarkNames(b *testing.B) {
	for _, patterns := range []int{1000, 1} {
		b.Run(fmt.Sprintf("%d patterns", patterns), func(b *testing.B) {
			spec := api.ProfileSpec{}
			for i := range patterns {
				spec.AllowedDNSNames = append(spec.AllowedDNSNames, fmt.Sprintf("**.d%d.example.com", i))
				spec.AllowedURIs = append(spec.AllowedURIs, fmt.Sprintf("spiffe://example.com/*/n%d", i))
			}
			var names []Name
			for i := range 500 {
				for _, text := range []string{fmt.Sprintf("h%d.example.org", i), fmt.Sprintf("spiffe://example.com/x/%d", i)} {
					name, err := ParseName(text)
					if err != nil {
						b.Fatal(err)
					}
					names = append(names, name)
				}
			}
			for b.Loop() {
				allowed := NewNamePatterns(spec)
				for _, name := range names {
					if allowed.CheckName(name) == nil {
						b.Fatal(name)
					}
				}
			}
		})
	}
}
