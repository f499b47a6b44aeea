package approval

import (
	"fmt"
	"slices"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/principal"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// undecidable is true for a row of approvals that waits and that nobody can decide. A handle has no characters that JSON
// escapes, so the text of the list has it in quotes.
const undecidable = `(approvals.state = 'pending' AND NOT EXISTS (SELECT 1 FROM principals p
	WHERE p.kind = 'human' AND p.disabled_at IS NULL AND replace(p.roles, '"approver"', '') <> p.roles
	AND replace(approvals.excluded, '"' || p.id || '"', '') = approvals.excluded))`

// withUndecidable are the columns of an approval as callers see it.
const withUndecidable = "approvals.*, " + undecidable + " AS undecidable"

// isUndecidable reports whether nobody can decide a request.
func isUndecidable(tx *store.Tx, id string) (bool, error) {
	var row struct{ Undecidable bool }
	err := tx.Must(&row, "SELECT "+undecidable+" AS undecidable FROM approvals WHERE id = ?", id)
	return row.Undecidable, err
}

// CountUndecidable counts the requests that wait and that nobody can decide, by profile; those without a profile count
// under the empty id.
func CountUndecidable(tx *store.Tx) (map[string]int64, error) {
	var rows []struct {
		ProfileID string
		N         int64
	}
	err := tx.DB.Raw("SELECT COALESCE(profile_id, '') AS profile_id, count(*) AS n FROM approvals WHERE " + pendingCondition + " AND " + undecidable + " GROUP BY profile_id").
		Scan(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("count the approvals that nobody can decide: %w", err)
	}
	counts := map[string]int64{}
	for _, r := range rows {
		counts[r.ProfileID] += r.N
	}
	return counts, nil
}

// GetEligibility says who may decide a request now, who may not and why, and whether the caller may. It lists the people
// who are enabled, and those whom the request excludes.
func GetEligibility(tx *store.Tx, who identity.Actor, id string) (api.Eligibility, error) {
	e := api.Eligibility{May: []string{}, MayNot: []api.Ineligible{}}
	a, err := Get(tx, id)
	if err != nil {
		return e, err
	}
	people, err := principal.ListAll(tx)
	if err != nil {
		return e, fmt.Errorf("look up the people: %w", err)
	}
	for _, p := range people {
		why := a.describeIneligible(tx, p)
		switch {
		case p.Kind != api.KindHuman, p.DisabledAt != nil && !slices.Contains(a.Excluded.V, p.ID):
		case why == "":
			e.May = append(e.May, p.ID)
		default:
			e.MayNot = append(e.MayNot, api.Ineligible{Principal: p.ID, Why: why})
		}
	}
	e.Me.Why = a.explainRefusal(tx, who)
	e.Me.May = e.Me.Why == ""
	return e, nil
}

// describeIneligible says why a person may not decide; empty if they may.
func (a Approval) describeIneligible(tx *store.Tx, p principal.Principal) string {
	switch {
	case !a.isOpen(tx.Now):
		return a.describeEnd(tx)
	case p.DisabledAt != nil:
		return "is disabled"
	case p.ID == a.Accountable:
		return "is accountable for the request"
	case slices.Contains(a.AlsoExcluded.V, p.ID):
		return "was excluded by the requester"
	case slices.Contains(a.Excluded.V, p.ID):
		return "wrote something in it that no human has approved yet, or owns a service that did"
	case !slices.Contains(p.Roles.V, api.RoleApprover):
		return "has no role approver"
	}
	return ""
}

// explainRefusal says why the caller may not decide; empty if they may.
func (a Approval) explainRefusal(tx *store.Tx, who identity.Actor) string {
	open := a.isOpen(tx.Now)
	refusal := checkDecider(who, a, open)
	switch {
	case !open:
		return a.describeEnd(tx)
	case refusal != nil:
		return refusal.Detail
	}
	return ""
}

func (a Approval) describeEnd(tx *store.Tx) string {
	if a.IsOverdue(tx.Now) {
		return "the request has expired"
	}
	return fmt.Sprintf("the request is %s", a.State)
}
