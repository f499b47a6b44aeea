package gate

import (
	"fmt"
	"reflect"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/rules"
	"github.com/certctl/terraform-provider-certctl/server/certificate"
	"github.com/certctl/terraform-provider-certctl/server/profile"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// CountEffects counts what an edit of a profile does to the jobs and certificates under it, once the edit applies. The
// warnings say what was not counted.
func CountEffects(tx *store.Tx, p profile.Profile, after api.ProfileSpec) (api.EditEffects, []string, error) {
	cancelled, err := countCancelled(tx, p, after)
	if err != nil {
		return api.EditEffects{}, nil, err
	}
	blocked, warnings, err := certificate.CountBlocked(tx, p, after)
	return api.EditEffects{JobsCancelled: cancelled, RenewalsBlocked: blocked}, warnings, err
}

// A job that runs and has its intent may be signed at this moment, so it is not counted.
const countOpenJobs = `SELECT count(*) FROM jobs j WHERE j.profile_id = ? AND j.status IN ('AwaitingApproval', 'Pending', 'Running')
	AND NOT (j.status = 'Running' AND EXISTS (SELECT 1 FROM intents i WHERE i.job_id = j.id))`

// countCancelled counts the open jobs that check would refuse: all of them if the profile gives another content to
// their subjects, those without approval if the gate is turned on.
func countCancelled(tx *store.Tx, p profile.Profile, after api.ProfileSpec) (int, error) {
	before, query := p.Spec.V, countOpenJobs
	switch {
	case !reflect.DeepEqual(rules.ProfileContent(before), rules.ProfileContent(after)):
	case !before.RequiresApproval && after.RequiresApproval:
		query += ` AND j.approval_id IS NULL`
	default:
		return 0, nil
	}
	var count int
	if err := tx.DB.Raw(query, p.ID).Scan(&count).Error; err != nil {
		return 0, fmt.Errorf("count the open jobs of profile %s: %w", p.ID, err)
	}
	return count, nil
}
