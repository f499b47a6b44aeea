package rules

import (
	"slices"
	"strings"
	"testing"

	"github.com/certctl/terraform-provider-certctl/api"
)

// Two DNS patterns overlap exactly if some name matches both. All patterns and names of three labels are tried.
func TestOverlap_DNS(t *testing.T) {
	t.Parallel()
	var names []string
	for _, length := range []int{1, 2, 3} {
		names = append(names, sequences([]string{"a", "b"}, ".", length)...)
	}
	// A label more than any pattern has, so that ** is tried with more than one.
	names = append(names, sequences([]string{"a", "b"}, ".", 4)...)
	patterns := []string{"*", "**"}
	for _, length := range []int{1, 2} {
		for _, rest := range sequences([]string{"a", "b"}, ".", length) {
			patterns = append(patterns, rest, "*."+rest, "**."+rest)
		}
	}
	matches := func(pattern, name string) bool {
		return NewNamePatterns(api.ProfileSpec{AllowedDNSNames: []string{pattern}}).matchDNS(name)
	}
	checkOverlaps(t, patterns, names, matches, canOverlapDNS)
}

// The same for the paths of URIs.
func TestOverlap_URI(t *testing.T) {
	t.Parallel()
	const root = "spiffe://td.example.com"
	names := []string{root, "spiffe://other.example.com/a"}
	patterns := []string{root, "spiffe://other.example.com/a", root + "/**"}
	for _, length := range []int{1, 2, 3, 4} {
		for _, path := range sequences([]string{"a", "b"}, "/", length) {
			names = append(names, root+"/"+path)
		}
	}
	for _, length := range []int{1, 2} {
		for _, path := range sequences([]string{"a", "b", "*"}, "/", length) {
			patterns = append(patterns, root+"/"+path, root+"/"+path+"/**")
		}
	}
	matches := func(pattern, name string) bool {
		return NewNamePatterns(api.ProfileSpec{AllowedURIs: []string{pattern}}).matchURI(name)
	}
	checkOverlaps(t, patterns, names, matches, canOverlapURI)
}

func checkOverlaps(t *testing.T, patterns, names []string, matches func(pattern, name string) bool, overlap func(a, b string) bool) {
	t.Helper()
	for _, a := range patterns {
		for _, b := range patterns {
			want := slices.ContainsFunc(names, func(n string) bool { return matches(a, n) && matches(b, n) })
			if got := overlap(a, b); got != want {
				t.Errorf("overlap of %s and %s: %t", a, b, got)
			}
		}
	}
}

// sequences are all of one length that can be made of the parts.
func sequences(parts []string, separator string, length int) []string {
	if length == 1 {
		return parts
	}
	var out []string
	for _, rest := range sequences(parts, separator, length-1) {
		for _, part := range parts {
			out = append(out, strings.Join([]string{part, rest}, separator))
		}
	}
	return out
}

// A profile can overlap in each kind of name, and each kind is reported once.
func TestUngatedNames_Overlaps(t *testing.T) {
	t.Parallel()
	names := UngatedNames{UngatedLists: api.UngatedLists{
		AllowedDNSNames: []string{"*.dev.example.com"}, AllowedIPRanges: []string{"10.0.0.0/8"}, AllowedURIs: []string{"spiffe://dev.example.com/**"},
		AllowedEmailDomains: []string{"dev.example.com"}, AllowedEKUs: []string{"serverAuth"},
	}}
	for name, c := range map[string]struct {
		spec api.ProfileSpec
		want []Overlap
	}{
		"nothing": {api.ProfileSpec{
			AllowedDNSNames: []string{"dev.example.com", "a.b.dev.example.com", "*.prod.example.com"}, AllowedIPRanges: []string{"11.0.0.0/8", "::/0"},
			AllowedURIs: []string{"spiffe://dev.example.com"}, AllowedEmailDomains: []string{"x.dev.example.com"}, AllowedEKUs: []string{"serverAuth"},
		}, nil},
		"all kinds": {api.ProfileSpec{
			AllowedDNSNames: []string{"other.example.com", "**.example.com", "**"}, AllowedIPRanges: []string{"10.1.0.0/16"},
			AllowedURIs: []string{"spiffe://dev.example.com/*"}, AllowedEmailDomains: []string{"dev.example.com"},
		}, []Overlap{
			{"**.example.com", "*.dev.example.com"},
			{"10.1.0.0/16", "10.0.0.0/8"},
			{"spiffe://dev.example.com/*", "spiffe://dev.example.com/**"},
			{"dev.example.com", "dev.example.com"},
		}},
		"a range that cannot be read": {api.ProfileSpec{AllowedIPRanges: []string{"?"}}, []Overlap{{"?", "10.0.0.0/8"}}},
	} {
		if got := names.FindOverlaps(c.spec); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v", name, got)
		}
	}
}
