package gate

import (
	"fmt"
	"slices"
	"time"

	"github.com/certctl/terraform-provider-certctl/server/certificate"
	"github.com/certctl/terraform-provider-certctl/server/history"
	"github.com/certctl/terraform-provider-certctl/server/profile"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Baseline is the newest leaf of a certificate whose job a human approved. A leaf signed without approval, or by the
// bypass, is no baseline.
type Baseline struct {
	SerialNumber       string
	CertificateVersion int64
	ProfileVersion     int64
	Subject            string // of the job, RFC 8785 JSON
	ApprovedBy         string
	ApprovedAt         time.Time
}

// humanApprovedCondition excludes the approvals of the bypass.
const humanApprovedCondition = `a.state = 'approved' AND a.decided_by NOT LIKE 'system-%'`

const baselineQuery = `SELECT l.serial_number, l.certificate_version, i.profile_version, j.subject,
		a.decided_by AS approved_by, a.decided_at AS approved_at
	FROM leaves l JOIN intents i ON i.job_id = l.job_id JOIN jobs j ON j.id = l.job_id JOIN approvals a ON a.id = j.approval_id
	WHERE l.certificate_uid = ? AND ` + humanApprovedCondition + ` ORDER BY l.certificate_version DESC, l.created_at DESC LIMIT 1`

func findBaseline(tx *store.Tx, certificateUID string) (Baseline, bool, error) {
	var b Baseline
	found, err := tx.Find(&b, baselineQuery, certificateUID)
	if err != nil {
		err = fmt.Errorf("look up the baseline: %w", err)
	}
	return b, found, err
}

// approvedRules is the newest version of a profile under which a human approved a certificate, and the approver.
type approvedRules struct {
	Version    int64
	ApprovedBy *string
}

// The condition on created_at excludes approvals of a deleted profile with the same id.
const approvedRulesQuery = `SELECT i.profile_version AS version, a.decided_by AS approved_by
	FROM approvals a JOIN profiles p ON p.id = a.profile_id JOIN intents i ON i.job_id = a.job_id JOIN leaves l ON l.job_id = i.job_id
	WHERE a.profile_id = ? AND a.created_at >= p.created_at AND ` + humanApprovedCondition + ` ORDER BY i.profile_version DESC LIMIT 1`

// Authorship lists who wrote what would be signed, compared with the baseline.
type Authorship struct {
	Baseline  *Baseline        // nil if no human approved a certificate yet
	Differing []history.Change // what makes the subject differ from the baseline; each names who approved it, if a human did
	Authors   []string         // the people accountable for the differing changes that no human approved, sorted
}

// FindAuthorship finds who wrote what a proposal would sign. A caller that writes holds the locks of the proposal.
func FindAuthorship(tx *store.Tx, p Proposal) (Authorship, error) {
	var a Authorship
	b, found, err := findBaseline(tx, p.Certificate.UID)
	if err != nil {
		return a, err
	}
	if found {
		a.Baseline = &b
	}
	ofCertificate, err := certificate.ListChanges(tx, p.Certificate.UID)
	if err != nil {
		return a, err
	}
	ofProfile, err := profile.ListChanges(tx, p.ProfileID)
	if err != nil {
		return a, err
	}
	rules, err := findApprovedRules(tx, p.ProfileID, ofProfile, b.ProfileVersion)
	if err != nil {
		return a, err
	}
	if p.HasOwnKey() {
		ofCertificate = slices.DeleteFunc(ofCertificate, func(c history.Change) bool { return c.Field == "key" })
	}
	certificates, profiles := listDiffering(ofCertificate, ofProfile, b, rules)
	a.Differing = slices.Concat(certificates, profiles)
	a.Authors = listAuthors(certificates, profiles, ofProfile, rules)
	return a, nil
}

// findApprovedRules asks the database only if a change of the profile since the baseline needs it.
func findApprovedRules(tx *store.Tx, profileID string, changes []history.Change, baseline int64) (approvedRules, error) {
	rules := approvedRules{Version: comparedVersion(baseline)}
	since := history.ListOpen(changes, func(c history.Change) bool { return c.Version <= rules.Version })
	if len(since) == 0 {
		return rules, nil
	}
	var newest approvedRules
	found, err := tx.Find(&newest, approvedRulesQuery, profileID)
	if err != nil {
		return rules, fmt.Errorf("look up approved rules of profile %s: %w", profileID, err)
	}
	if found && newest.Version > rules.Version {
		return newest, nil
	}
	return rules, nil
}

// comparedVersion is the version of the profile to compare with: the baseline's, or else the first. Creating a profile
// is no change, so a team of two can use a profile that one of them made.
func comparedVersion(baseline int64) int64 { return max(baseline, 1) }

// listDiffering lists the changes since the baseline that make the subject differ from it. Without a baseline every change
// of the certificate since its creation counts. A change of the rules that a human approved names the approver.
func listDiffering(ofCertificate, ofProfile []history.Change, b Baseline, rules approvedRules) (certificates, profiles []history.Change) {
	certificates = history.ListOpen(ofCertificate, func(c history.Change) bool { return c.Version <= b.CertificateVersion })
	profiles = history.ListOpen(ofProfile, func(c history.Change) bool { return c.Version <= comparedVersion(b.ProfileVersion) })
	for i, c := range profiles {
		if c.ApprovedBy == nil && c.Version <= rules.Version {
			profiles[i].ApprovedBy = rules.ApprovedBy
		}
	}
	return certificates, profiles
}

// listAuthors lists the people accountable for differing changes that no human approved. An approved edit approves its
// change. A certificate that a human approved also approves every change up to its profile version.
func listAuthors(certificates, profiles, ofProfile []history.Change, rules approvedRules) []string {
	unapproved := history.ListOpen(ofProfile, func(c history.Change) bool { return c.Version <= rules.Version || c.ApprovedBy != nil })
	list := certificates
	for _, c := range unapproved {
		if history.HasField(profiles, c.Field) {
			list = append(slices.Clone(list), c)
		}
	}
	return history.ListAccountable(list)
}
