package issuance

import (
	"slices"

	"github.com/certctl/terraform-provider-certctl/server/gate"
	"github.com/certctl/terraform-provider-certctl/server/identity"
)

// excluded lists who may not decide a request: the accountable person, and the authors of every signed field that
// differs from the baseline and that no human approved. The rule is the same whoever asks.
func excluded(who identity.Actor, a gate.Authorship) []string {
	people := append([]string{who.Accountable()}, a.Authors...)
	slices.Sort(people)
	return slices.Compact(people)
}
