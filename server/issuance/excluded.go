package issuance

import (
	"slices"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/principal"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// listExcluded lists who may not decide a request, sorted:
//
//   - the accountable person,
//   - the authors of every signed field that differs from the baseline and that no human approved, except those the
//     requester stands for,
//   - the people that the requester names, and the owners of the services that the requester names.
func listExcluded(tx *store.Tx, who identity.Actor, authors []string, r api.Renew) ([]string, error) {
	owners, err := principal.ListOwners(tx, r.AlsoExcluded)
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
