package rules

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/certctl/terraform-provider-certctl/api"
)

// Overlap is a pattern of a profile and an ungated one: there may be a name that both match.
type Overlap struct{ Allowed, Ungated string }

// Overlaps gives the first overlap of each kind of name. A pattern that cannot be read overlaps every pattern of its
// kind.
func (u UngatedNames) Overlaps(spec api.ProfileSpec) []Overlap {
	var out []Overlap
	for _, kind := range []struct {
		allowed, ungated []string
		overlap          func(a, b string) bool
	}{
		{spec.AllowedDNSNames, u.AllowedDNSNames, overlapDNS},
		{spec.AllowedIPRanges, u.AllowedIPRanges, overlapIP},
		{spec.AllowedURIs, u.AllowedURIs, overlapURI},
		{spec.AllowedEmailDomains, u.AllowedEmailDomains, func(a, b string) bool { return a == b }},
	} {
		if first, found := firstOverlap(kind.allowed, kind.ungated, kind.overlap); found {
			out = append(out, first)
		}
	}
	return out
}

func firstOverlap(allowed, ungated []string, overlap func(a, b string) bool) (Overlap, bool) {
	for _, a := range allowed {
		if i := slices.IndexFunc(ungated, func(b string) bool { return overlap(a, b) }); i >= 0 {
			return Overlap{a, ungated[i]}, true
		}
	}
	return Overlap{}, false
}

// overlapDNS compares what follows the stars. A wildcard name needs no case of its own: a pattern that matches the
// name also matches every name that the wildcard covers.
func overlapDNS(a, b string) bool {
	starsA, restA := splitPattern(a)
	starsB, restB := splitPattern(b)
	switch {
	case starsA == "" && starsB == "":
		return restA == restB
	case starsA == "":
		return NamesOf(api.ProfileSpec{AllowedDNSNames: []string{b}}).matchDNS(a)
	case starsB == "":
		return NamesOf(api.ProfileSpec{AllowedDNSNames: []string{a}}).matchDNS(b)
	}
	return restA == restB || starsA == "**" && isBelow(restB, restA) || starsB == "**" && isBelow(restA, restB)
}

// splitPattern cuts the stars of a pattern from its labels; a pattern may be stars alone.
func splitPattern(pattern string) (stars, rest string) {
	if first, rest, _ := strings.Cut(pattern, "."); first == "*" || first == "**" {
		return first, rest
	}
	return "", pattern
}

// isBelow says whether a name has further labels in front of a domain. Every name is below the empty one.
func isBelow(name, domain string) bool {
	return name != "" && (domain == "" || strings.HasSuffix(name, "."+domain))
}

func overlapIP(a, b string) bool {
	one, errOne := netip.ParsePrefix(a)
	other, errOther := netip.ParsePrefix(b)
	return errOne != nil || errOther != nil || one.Overlaps(other)
}

func overlapURI(a, b string) bool {
	rootA, pathA := cutRoot(a)
	rootB, pathB := cutRoot(b)
	return rootA == rootB && overlapPaths(pathA, pathB)
}

// overlapPaths compares the segments that both paths name, and then the lengths: ** at the end is one segment or more.
func overlapPaths(a, b []string) bool {
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
