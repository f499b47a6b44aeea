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
	cancelled, warnings, err := countCancelled(tx, p, after)
	if err != nil {
		return api.EditEffects{}, nil, err
	}
	blocked, more, err := certificate.CountBlocked(tx, p, after)
	return api.EditEffects{JobsCancelled: cancelled, RenewalsBlocked: blocked}, append(warnings, more...), err
}

// openJobs chooses the open jobs of a profile. A running job with an intent may be signed at this moment, so it is left
// out.
const openJobs = `FROM jobs j WHERE j.profile_id = ? AND j.status IN ('AwaitingApproval', 'Pending', 'Running')
	AND NOT (j.status = 'Running' AND EXISTS (SELECT 1 FROM intents i WHERE i.job_id = j.id))`

// countCancelled counts the open jobs that the gate would refuse after an edit: every job if the edit changes what the
// profile gives to subjects, the jobs without approval if the edit turns the gate on, and the jobs whose names or key
// the edit forbids.
func countCancelled(tx *store.Tx, p profile.Profile, after api.ProfileSpec) (int, []string, error) {
	before, query := p.Spec.V, openJobs
	if reflect.DeepEqual(rules.ProfileContent(before), rules.ProfileContent(after)) {
		if before.RequiresApproval || !after.RequiresApproval {
			return countForbidden(tx, p, after)
		}
		query += ` AND j.approval_id IS NULL`
	}
	var count int
	if err := tx.DB.Raw("SELECT count(*) "+query, p.ID).Scan(&count).Error; err != nil {
		return 0, nil, fmt.Errorf("count the open jobs of profile %s: %w", p.ID, err)
	}
	return count, nil, nil
}

// maxChecked bounds the jobs that one edit is compared with.
const maxChecked = 1000

// countForbidden counts the open jobs whose names or key an edit forbids, or which then need an approval that they do not
// have. A job that the gate would refuse anyway is no effect of the edit.
func countForbidden(tx *store.Tx, p profile.Profile, after api.ProfileSpec) (int, []string, error) {
	if profile.SameRules(p.Spec.V, after) {
		return 0, nil, nil
	}
	var jobs []struct {
		CSRPEM     string `gorm:"column:csr_pem"`
		ApprovalID *string
		Spec       store.JSON[api.CertificateSpec]
	}
	err := tx.DB.Raw(`SELECT j.csr_pem, j.approval_id, c.spec FROM certificates c JOIN (SELECT j.certificate_uid, j.csr_pem, j.approval_id `+openJobs+` ORDER BY j.created_at, j.id LIMIT ?) j
		ON j.certificate_uid = c.uid`, p.ID, maxChecked+1).Scan(&jobs).Error
	if err != nil {
		return 0, nil, fmt.Errorf("look at the open jobs of profile %s: %w", p.ID, err)
	}
	var warnings []string
	if len(jobs) > maxChecked {
		jobs = jobs[:maxChecked]
		warnings = []string{fmt.Sprintf("the profile has more than %d open jobs; the edit was compared with the oldest %d", maxChecked, maxChecked)}
	}
	names, err := profile.GetUngatedNames(tx)
	if err != nil {
		return 0, nil, err
	}
	forbidden := 0
	for _, j := range jobs {
		csr, err := rules.ParseCSR(j.CSRPEM)
		isAllowed := func(p api.ProfileSpec) bool {
			lacksApproval := j.ApprovalID == nil && (p.RequiresApproval || len(certificate.ListUngatedFaults(names, j.Spec.V, p)) > 0)
			return !lacksApproval && len(rules.CheckContent(j.Spec.V, csr, p)) == 0
		}
		if err == nil && isAllowed(p.Spec.V) && !isAllowed(after) {
			forbidden++
		}
	}
	return forbidden, warnings, nil
}
