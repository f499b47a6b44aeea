package issuance

import (
	"slices"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/principal"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// excluded lists who may not decide a request: the accountable person, the authors of every signed field that differs
// from the baseline and that no human approved, and those whom the requester names. The requester may stand for
// authors: those may decide then. A person stands behind each service that is named: its owner.
func excluded(tx *store.Tx, who identity.Actor, authors []string, r api.Renew) ([]string, error) {
	owners, err := principal.Owners(tx, r.AlsoExcluded)
	if err != nil {
		return nil, err
	}
	people := []string{who.Accountable()}
	for _, author := range authors {
		if !slices.Contains(r.StandsFor, author) {
			people = append(people, author)
		}
	}
	people = slices.Concat(people, r.AlsoExcluded, owners)
	slices.Sort(people)
	return slices.Compact(people), nil
}
