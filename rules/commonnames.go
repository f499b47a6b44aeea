package rules

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/certctl/terraform-provider-certctl/api"
)

const serverAuth = "serverAuth"

// checkCommonNamePatterns refuses patterns in a profile with serverAuth: a client that reads the common name as a host name
// would accept it for a host that the profile does not allow.
func checkCommonNamePatterns(spec api.ProfileSpec) []api.Fault {
	const pointer = "/allowed_common_names"
	faults := checkSet(pointer, spec.AllowedCommonNames, checkCommonNamePattern)
	if len(spec.AllowedCommonNames) > 0 && slices.Contains(spec.AllowedEKUs, serverAuth) {
		faults = append([]api.Fault{newFault(pointer, "a profile with serverAuth allows only common names that are among the sans; leave the list empty, or remove serverAuth from allowed_ekus")}, faults...)
	}
	return faults
}

func checkCommonNamePattern(pattern string) error {
	switch {
	case pattern == "":
		return errors.New("the pattern is empty")
	case strings.Contains(pattern, "**"):
		return fmt.Errorf("%s has ** ; one * is any run of characters", quoteShort(pattern))
	case len(strings.ReplaceAll(pattern, "*", "")) > MaxCommonNameLength:
		return fmt.Errorf("%s matches only names of more than %d characters", quoteShort(pattern), MaxCommonNameLength)
	}
	return checkCommonNameCharacters(pattern, func(c byte) bool { return isCommonNameChar(c) || c == '*' })
}

// checkCommonNameCharacters refuses a common name that is no SAN and that people or programs could take for another one.
func checkCommonNameCharacters(s string, allowed func(byte) bool) error {
	switch {
	case !hasOnly(s, allowed):
		return fmt.Errorf("%s has a character that a common name outside the sans may not have; allowed are ASCII letters, digits, spaces and -._:@", quoteShort(s))
	case strings.Trim(s, " ") != s:
		return fmt.Errorf("%s begins or ends with a space", quoteShort(s))
	case strings.Contains(s, "  "):
		return fmt.Errorf("%s has two spaces in a row", quoteShort(s))
	}
	return nil
}

func isCommonNameChar(c byte) bool {
	return isLDH(c) || isUpper(c) || strings.IndexByte(" ._:@", c) >= 0
}

// checkFreeCommonName returns an error if a profile does not allow a common name that is none of the SANs.
func checkFreeCommonName(name string, p api.ProfileSpec) error {
	if len(p.AllowedCommonNames) == 0 || slices.Contains(p.AllowedEKUs, serverAuth) {
		return errors.New("the common name is not one of the sans: add it to them")
	}
	if err := checkCommonNameCharacters(name, isCommonNameChar); err != nil {
		return err
	}
	if slices.ContainsFunc(p.AllowedCommonNames, func(pattern string) bool { return matchRuns(pattern, name) }) {
		return nil
	}
	return errors.New("the common name is not one of the sans, and matches nothing in the profile's allowed_common_names")
}

// matchRuns reports whether a pattern matches a whole name. Each * is any run of characters, also an empty one.
func matchRuns(pattern, name string) bool {
	first, rest, hasStar := strings.Cut(pattern, "*")
	if !hasStar {
		return pattern == name
	}
	name, found := strings.CutPrefix(name, first)
	if !found {
		return false
	}
	for {
		part, after, more := strings.Cut(rest, "*")
		if !more {
			return strings.HasSuffix(name, part)
		}
		_, behind, found := strings.Cut(name, part)
		if !found {
			return false
		}
		name, rest = behind, after
	}
}
