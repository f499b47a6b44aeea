package review

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/mtibben/confusables"
	"golang.org/x/net/idna"
)

// firstResembled returns the first of the known names that a reader can take name for, or "".
func firstResembled(name string, known []string) string {
	i := slices.IndexFunc(known, func(other string) bool { return resembles(name, other) })
	if i < 0 {
		return ""
	}
	return known[i]
}

// resembles reports whether a reader can take one name for another: the first label from the right that differs can be
// taken for its counterpart, or the names are equal but for dots and hyphens, or for one letter of the top-level domain.
func resembles(a, b string) bool {
	if a == b || isAddress(a) || isAddress(b) {
		return false
	}
	if withoutSeparators(a) == withoutSeparators(b) {
		return true
	}
	labelsOfA, labelsOfB := splitLabels(a), splitLabels(b)
	for i := range min(len(labelsOfA), len(labelsOfB)) {
		if labelsOfA[i] == labelsOfB[i] {
			continue
		}
		isOnlyTopLevel := i == 0 && slices.Equal(labelsOfA[1:], labelsOfB[1:])
		return labelsResemble(labelsOfA[i], labelsOfB[i]) || isOnlyTopLevel && isOneEdit([]rune(labelsOfA[i]), []rune(labelsOfB[i]))
	}
	return false
}

func isAddress(name string) bool {
	_, err := netip.ParseAddr(name)
	return err == nil
}

// splitLabels returns the labels of a name from the right, in Unicode. The part before the @ of an address is the last one.
func splitLabels(name string) []string {
	labels := strings.FieldsFunc(decode(name), func(r rune) bool { return strings.ContainsRune(".@/:", r) })
	slices.Reverse(labels)
	return labels
}

func withoutSeparators(name string) string {
	return strings.NewReplacer(".", "", "-", "", "_", "", "@", "", "/", "").Replace(name)
}

// decode returns the Unicode form of a name with xn-- labels, and any other name as it is.
func decode(name string) string {
	return encodedLabel.ReplaceAllStringFunc(name, func(label string) string {
		decoded, err := idna.Punycode.ToUnicode(label)
		if err != nil {
			return label
		}
		return decoded
	})
}

// encodedLabel matches an xn-- label. In an address or a URI it does not follow a dot.
var encodedLabel = regexp.MustCompile(`\bxn--[a-z0-9-]+`)

// minEditLength is the length from which one typing error is taken for a look-alike. Short labels such as api and app
// differ by one letter on purpose.
const minEditLength = 4

// labelsResemble compares by Unicode TR 39 and by one typing error. Labels that differ in digits alone are a series: node-1,
// node-2.
func labelsResemble(a, b string) bool {
	if skeleton(a) == skeleton(b) {
		return true
	}
	if min(len(a), len(b)) < minEditLength || withoutDigits(a) == withoutDigits(b) {
		return false
	}
	return isOneEdit([]rune(a), []rune(b))
}

// skeleton is the TR 39 skeleton without regard to case. The vv for w is no part of TR 39.
func skeleton(label string) string {
	return strings.ReplaceAll(strings.ToLower(confusables.Skeleton(label)), "vv", "w")
}

func withoutDigits(label string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsDigit(r) {
			return -1
		}
		return r
	}, label)
}

// isOneEdit reports whether one letter is added, left out or replaced, or two neighbours are swapped. A letter that stands
// alone numbers a series: node-a, node-b.
func isOneEdit(a, b []rune) bool {
	first := 0
	for first < min(len(a), len(b)) && a[first] == b[first] {
		first++
	}
	restOfA, restOfB := a[first:], b[first:]
	for len(restOfA) > 0 && len(restOfB) > 0 && restOfA[len(restOfA)-1] == restOfB[len(restOfB)-1] {
		restOfA, restOfB = restOfA[:len(restOfA)-1], restOfB[:len(restOfB)-1]
	}
	isAtEnd := first+1 == len(a) && first+1 == len(b)
	if isAtEnd && first > 0 && !unicode.IsLetter(a[first-1]) {
		return false
	}
	isSwap := len(restOfA) == 2 && len(restOfB) == 2 && restOfA[0] == restOfB[1] && restOfA[1] == restOfB[0]
	return isSwap || max(len(restOfA), len(restOfB)) == 1
}
