package rules

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/certctl/terraform-provider-certctl/api"
)

// Overlap is a pattern of a profile and an ungated pattern that may match the same name.
type Overlap struct{ Allowed, Ungated string }

// FindOverlaps returns the first overlap of each kind of name. A malformed pattern overlaps every pattern of its kind.
func (u UngatedNames) FindOverlaps(spec api.ProfileSpec) []Overlap {
	var out []Overlap
	for _, kind := range []struct {
		allowed, ungated []string
		overlap          func(a, b string) bool
	}{
		{spec.AllowedDNSNames, u.AllowedDNSNames, canOverlapDNS},
		{spec.AllowedIPRanges, u.AllowedIPRanges, canOverlapIP},
		{spec.AllowedURIs, u.AllowedURIs, canOverlapURI},
		{spec.AllowedEmailDomains, u.AllowedEmailDomains, func(a, b string) bool { return a == b }},
	} {
		if first, found := findOverlap(kind.allowed, kind.ungated, kind.overlap); found {
			out = append(out, first)
		}
	}
	return out
}

func findOverlap(allowed, ungated []string, overlap func(a, b string) bool) (Overlap, bool) {
	for _, a := range allowed {
		if i := slices.IndexFunc(ungated, func(b string) bool { return overlap(a, b) }); i >= 0 {
			return Overlap{a, ungated[i]}, true
		}
	}
	return Overlap{}, false
}

// canOverlapDNS compares the labels after the stars. Wildcard names need no separate case: a pattern that matches a
// wildcard name also matches every name that the wildcard covers.
func canOverlapDNS(a, b string) bool {
	starsA, restA := splitPattern(a)
	starsB, restB := splitPattern(b)
	switch {
	case starsA == "" && starsB == "":
		return restA == restB
	case starsA == "":
		return NewNamePatterns(api.ProfileSpec{AllowedDNSNames: []string{b}}).matchDNS(a)
	case starsB == "":
		return NewNamePatterns(api.ProfileSpec{AllowedDNSNames: []string{a}}).matchDNS(b)
	}
	return restA == restB || starsA == "**" && isBelow(restB, restA) || starsB == "**" && isBelow(restA, restB)
}

// splitPattern cuts the stars of a pattern from its labels. A pattern may have no labels.
func splitPattern(pattern string) (stars, rest string) {
	if first, rest, _ := strings.Cut(pattern, "."); first == "*" || first == "**" {
		return first, rest
	}
	return "", pattern
}

// isBelow reports whether a name has further labels in front of a domain. Every name is below the empty domain.
func isBelow(name, domain string) bool {
	return name != "" && (domain == "" || strings.HasSuffix(name, "."+domain))
}

func canOverlapIP(a, b string) bool {
	one, errOne := netip.ParsePrefix(a)
	other, errOther := netip.ParsePrefix(b)
	return errOne != nil || errOther != nil || one.Overlaps(other)
}

func canOverlapURI(a, b string) bool {
	rootA, pathA := cutRoot(a)
	rootB, pathB := cutRoot(b)
	return rootA == rootB && canOverlapPaths(pathA, pathB)
}

// canOverlapPaths compares the segments that both paths have, and then the lengths. A ** at the end is one segment or more.
func canOverlapPaths(a, b []string) bool {
	a, openA := cutDoubleStar(a)
	b, openB := cutDoubleStar(b)
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] && a[i] != "*" && b[i] != "*" {
			return false
		}
	}
	switch {
	case openA && openB:
		return true
	case openA:
		return len(b) > len(a)
	case openB:
		return len(a) > len(b)
	}
	return len(a) == len(b)
}

func cutDoubleStar(path []string) (fixed []string, open bool) {
	if last := len(path) - 1; last >= 0 && path[last] == "**" {
		return path[:last], true
	}
	return path, false
}
