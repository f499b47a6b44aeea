package certificate

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/rules"
	"github.com/certctl/terraform-provider-certctl/server/job"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// ShowAll returns certificates as callers see them, each with its current leaf, its newest job and that job's approval. It
// takes two statements for any number of certificates.
func ShowAll(tx *store.Tx, rows ...Certificate) ([]api.Certificate, error) {
	if len(rows) == 0 {
		return []api.Certificate{}, nil
	}
	surroundings, err := listSurroundings(tx, rows)
	if err != nil {
		return nil, err
	}
	leaves, err := listCurrentLeaves(tx, rows)
	if err != nil {
		return nil, err
	}
	views := make([]api.Certificate, len(rows))
	for i, c := range rows {
		if views[i], err = show(c, leaves, surroundings[c.UID], tx.Now); err != nil {
			return nil, err
		}
	}
	return views, nil
}

func show(c Certificate, leaves map[string]currentLeaf, around surroundings, now time.Time) (api.Certificate, error) {
	v := api.Certificate{
		ID: c.ID, CertificateSpec: c.Spec.V, RenewAt: c.RenewAt, Version: c.Version, CreatedAt: c.CreatedAt, UpdatedAt: c.UpdatedAt,
		CSRIgnored: listStoredIgnored(c, around.ProfileSpec.V), Renewal: around.describeRenewal(c),
	}
	if c.CurrentSerial != nil {
		current := leaves[c.UID]
		leaf := current.API()
		v.Current = &leaf
		var err error
		if v.UpToDate, err = current.isUpToDate(c, now); err != nil {
			return v, err
		}
	}
	if newest := around.Job; newest.ID != "" {
		v.Job = &api.JobSummary{ID: newest.ID, Status: newest.Status, Type: newest.Type, Cause: newest.Cause, ErrorMessage: newest.ErrorMessage}
		if newest.FinishedAt == nil {
			v.OpenJobID = &newest.ID
		}
		v.ApprovalID, v.ApprovalState = newest.ApprovalID, around.ApprovalState
	}
	v.Status = statusOf(v.Current, now, around.Job.Status, v.ApprovalState)
	return v, nil
}

// surroundings are the rows around a certificate: its newest job with that job's approval, its profile, and what blocks its
// renewal. The zero value has none of them.
type surroundings struct {
	UID           string
	Job           job.Job `gorm:"embedded;embeddedPrefix:job_"`
	ApprovalState *api.ApprovalState
	ProfileSpec   store.JSON[api.ProfileSpec]
	BlockReason   *api.RenewalBlock
	BlockDetail   string
	BlockSince    *time.Time
}

const surroundingsQuery = `SELECT c.uid, j.id AS job_id, j.status AS job_status, j.type AS job_type, j.cause AS job_cause,
		j.error_message AS job_error_message, j.finished_at AS job_finished_at, j.approval_id AS job_approval_id,
		a.state AS approval_state, p.spec AS profile_spec, b.reason AS block_reason, b.detail AS block_detail, b.since AS block_since
	FROM certificates c
		LEFT JOIN jobs j ON j.id = (SELECT n.id FROM jobs n WHERE n.certificate_uid = c.uid ORDER BY n.created_at DESC, n.id DESC LIMIT 1)
		LEFT JOIN approvals a ON a.id = j.approval_id
		LEFT JOIN profiles p ON p.id = c.profile_id
		LEFT JOIN blocked_renewals b ON b.certificate_uid = c.uid
	WHERE c.uid IN ?`

// listSurroundings returns the rows around each certificate, by the certificate's uid.
func listSurroundings(tx *store.Tx, rows []Certificate) (map[string]surroundings, error) {
	var list []surroundings
	uids := pluck(rows, func(c Certificate) string { return c.UID })
	if err := tx.DB.Raw(surroundingsQuery, uids).Scan(&list).Error; err != nil {
		return nil, fmt.Errorf("look up jobs and profiles: %w", err)
	}
	all := make(map[string]surroundings, len(list))
	for _, around := range list {
		all[around.UID] = around
	}
	return all, nil
}

// listStoredIgnored lists what the CSR of a certificate asks for and is not signed. A CSR that cannot be read hides no
// certificate: the list says so.
func listStoredIgnored(c Certificate, p api.ProfileSpec) []api.Ignored {
	ignored, err := rules.ListIgnored(c.Spec.V, p)
	if err != nil {
		return []api.Ignored{{What: "the CSR cannot be read", Value: ""}}
	}
	return ignored
}

// describeRenewal returns when the scheduler renews a certificate, and what was in its way when it looked last.
func (s surroundings) describeRenewal(c Certificate) api.Renewal {
	if !c.Spec.V.AutoRenew || c.ArchivedAt != nil {
		return api.Renewal{}
	}
	return api.Renewal{DueAt: c.RenewAt, BlockedBy: s.BlockReason, Since: s.BlockSince, Detail: s.BlockDetail}
}

// statusOf returns the status of a certificate. An open job determines it. Otherwise a leaf makes it issued, or expired
// once the leaf has ended. Without a leaf, the last job determines it.
func statusOf(leaf *api.Leaf, now time.Time, newest api.JobStatus, decision *api.ApprovalState) api.CertificateStatus {
	switch {
	case newest == api.JobAwaitingApproval:
		return api.CertificateAwaitingApproval
	case newest == api.JobPending, newest == api.JobRunning:
		return api.CertificateIssuing
	case leaf != nil && now.After(leaf.NotAfter):
		return api.CertificateExpired
	case leaf != nil:
		return api.CertificateIssued
	case newest == "":
		return api.CertificateUnissued
	case newest == api.JobFailed:
		return api.CertificateFailed
	case decision != nil && *decision == api.ApprovalRejected:
		return api.CertificateRejected
	case decision != nil && *decision == api.ApprovalExpired:
		return api.CertificateRequestExpired
	default:
		return api.CertificateCancelled
	}
}

// currentLeaf is the current leaf of a certificate, with its signed subject, and with today's profile and issuer.
type currentLeaf struct {
	Leaf                    `gorm:"embedded"`
	SignedSubject           string
	ProfileSpec             store.JSON[api.ProfileSpec]
	IssuerFingerprintSHA256 string `gorm:"column:issuer_fingerprint_sha256"`
}

// isUpToDate reports whether the leaf has not expired and has the content that would be signed now. It compares the hash
// of the key, so it need not parse the CSR.
func (l currentLeaf) isUpToDate(c Certificate, now time.Time) (bool, error) {
	var signed api.IssuanceSubject
	if err := json.Unmarshal([]byte(l.SignedSubject), &signed); err != nil {
		return false, fmt.Errorf("read the subject of job %s: %w", l.JobID, err)
	}
	if now.After(l.NotAfter) || signed.Key.SPKISHA256 != c.SPKISHA256 {
		return false, nil
	}
	return reflect.DeepEqual(signed, api.IssuanceSubject{
		CertificateID: c.ID, ProfileID: c.Spec.V.ProfileID, IssuerFingerprintSHA256: l.IssuerFingerprintSHA256,
		CertificateContent: rules.CertificateContent(c.Spec.V, signed.Key),
		ProfileContent:     rules.ProfileContent(l.ProfileSpec.V),
	}), nil
}

// The profile of an archived certificate may be deleted. The fingerprint belongs to the newest generation of the leaf's
// issuer. If the profile names another issuer, the subjects differ anyway.
const currentLeavesQuery = `SELECT l.*, j.subject AS signed_subject, p.spec AS profile_spec, COALESCE((
		SELECT i.fingerprint_sha256 FROM issuers i WHERE i.id = l.issuer_id ORDER BY i.generation DESC LIMIT 1), '') AS issuer_fingerprint_sha256
	FROM leaves l JOIN jobs j ON j.id = l.job_id JOIN certificates c ON c.uid = l.certificate_uid LEFT JOIN profiles p ON p.id = c.profile_id
	WHERE l.certificate_uid IN ? AND l.serial_number IN ?`

// listCurrentLeaves returns the current leaf of each certificate that has one, by the certificate's uid.
func listCurrentLeaves(tx *store.Tx, rows []Certificate) (map[string]currentLeaf, error) {
	serials := map[string]string{}
	for _, c := range rows {
		if c.CurrentSerial != nil {
			serials[c.UID] = *c.CurrentSerial
		}
	}
	leaves := map[string]currentLeaf{}
	if len(serials) == 0 {
		return leaves, nil
	}
	var list []currentLeaf
	err := tx.DB.Raw(currentLeavesQuery, slices.Collect(maps.Keys(serials)), slices.Collect(maps.Values(serials))).Scan(&list).Error
	if err != nil {
		return nil, fmt.Errorf("look up leaves: %w", err)
	}
	for _, l := range list {
		if l.SerialNumber == serials[l.CertificateUID] {
			leaves[l.CertificateUID] = l
		}
	}
	for uid, serial := range serials {
		if _, ok := leaves[uid]; !ok {
			return nil, fmt.Errorf("leaf %s is missing", serial)
		}
	}
	return leaves, nil
}

// pluck returns one field of each row.
func pluck[T, V any](rows []T, field func(T) V) []V {
	values := make([]V, len(rows))
	for i, row := range rows {
		values[i] = field(row)
	}
	return values
}
