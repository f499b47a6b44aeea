package rules

import (
	"fmt"
	"regexp"
	"strings"
)

var handlePattern = regexp.MustCompile(`^[a-z][a-z0-9._-]{0,62}$`)

// reservedHandlePrefix begins the ids of the server's own actors.
const reservedHandlePrefix = "system-"

// CheckHandle returns an error if an id cannot be a principal's.
func CheckHandle(id string) error {
	switch {
	case !handlePattern.MatchString(id):
		return fmt.Errorf("the id %q must match %s", id, handlePattern)
	case strings.HasPrefix(id, reservedHandlePrefix):
		return fmt.Errorf("the id %q is reserved: ids that begin with %s belong to the server's own actors", id, reservedHandlePrefix)
	}
	return nil
}
