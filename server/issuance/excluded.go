package issuance

import (
	"slices"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/identity"
)

// excluded lists who may not decide a request: the accountable person, the authors of every signed field that differs
// from the baseline and that no human approved, and the people whom the requester names. The requester may stand for
// authors: those may decide then.
func excluded(who identity.Actor, authors []string, r api.Renew) []string {
	people := []string{who.Accountable()}
	for _, author := range authors {
		if !slices.Contains(r.StandsFor, author) {
			people = append(people, author)
		}
	}
	people = append(people, r.AlsoExcluded...)
	slices.Sort(people)
	return slices.Compact(people)
}
