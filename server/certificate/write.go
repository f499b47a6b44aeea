package certificate

import (
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/rules"
	"github.com/certctl/terraform-provider-certctl/server/approval"
	"github.com/certctl/terraform-provider-certctl/server/audit"
	"github.com/certctl/terraform-provider-certctl/server/history"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/job"
	"github.com/certctl/terraform-provider-certctl/server/profile"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Create stores a new certificate. It signs nothing.
func (s *Service) Create(tx *store.Tx, who identity.Actor, in api.CreateCertificate) (Certificate, error) {
	csr, err := checkNew(tx, profile.Share, in)
	if err != nil {
		return Certificate{}, err
	}
	if in.ID == "" {
		in.ID = store.NewID("mc-")
	}
	content := rules.CertificateContent(in.CertificateSpec, csr.Key)
	c := Certificate{
		UID: store.NewID(""), ID: in.ID, Spec: store.JSON[api.CertificateSpec]{V: in.CertificateSpec},
		SPKISHA256: content.Key.SPKISHA256, Version: 1, CreatedAt: tx.Now, UpdatedAt: tx.Now,
	}
	if err := tx.DB.Create(&c).Error; err != nil {
		return Certificate{}, fmt.Errorf("store the certificate: %w", err)
	}
	if err := storeNames(tx, c.UID, content); err != nil {
		return Certificate{}, err
	}
	if err := recordChanges(tx, history.AuthorOf(who), nil, c, content); err != nil {
		return Certificate{}, err
	}
	return c, appendAudit(tx, who, "certificate_created", c, audit.Details{"certificate": summarize(c.Spec.V, content.Key)})
}

// profileFinder is profile.Share, or profile.Get for a preview, which must not lock.
type profileFinder func(tx *store.Tx, id string) (profile.Profile, error)

// checkNew refuses a new certificate that breaks a rule, or whose id a live certificate has. It returns the parsed CSR.
func checkNew(tx *store.Tx, find profileFinder, in api.CreateCertificate) (*rules.CSR, error) {
	var faults []api.Fault
	if in.ID != "" && !wellFormedID.MatchString(in.ID) {
		faults = append(faults, api.Fault{Pointer: "/id", Detail: "an id is mc- and 1 to 63 lower-case letters, digits and hyphens, and the first of them is not a hyphen"})
	}
	csr, err := checkSpec(tx, find, in.CertificateSpec, faults)
	if err != nil || in.ID == "" {
		return csr, err
	}
	if other, err := Get(tx, in.ID); err == nil {
		refusal := api.Refuse(api.CodeAlreadyExists, "there is a certificate %s already: choose another id", other.ID)
		refusal.ID = other.ID
		return nil, refusal
	} else if !api.Is(err, api.CodeNotFound) {
		return nil, err
	}
	return csr, nil
}

// checkSpec refuses a certificate that breaks the rules of its profile. It returns the parsed CSR. faults are those that
// the caller found.
func checkSpec(tx *store.Tx, find profileFinder, spec api.CertificateSpec, faults []api.Fault) (*rules.CSR, error) {
	p, err := find(tx, spec.ProfileID)
	if api.Is(err, api.CodeNotFound) {
		return nil, api.Invalid(append(faults, api.Fault{Pointer: "/profile_id", Detail: fmt.Sprintf("there is no profile %q", spec.ProfileID)})...)
	}
	if err != nil {
		return nil, err
	}
	csr, found := rules.CheckCertificate(spec, p.Spec.V)
	if faults = append(faults, found...); len(faults) > 0 {
		return nil, api.Invalid(faults...)
	}
	return csr, nil
}

// edit is a change of a stored certificate that broke no rule.
type edit struct {
	none   bool // the new content equals the stored one
	before api.CertificateContent
	after  api.CertificateContent
	stale  job.Job // the waiting request that the edit makes stale; the zero Job if there is none
}

// checkEdit refuses a change of a certificate, or returns what it changes. Equal content is never refused.
func checkEdit(tx *store.Tx, find profileFinder, stored Certificate, spec api.CertificateSpec, based api.Precondition) (edit, error) {
	if isSameSpec(stored.Spec.V, spec) {
		return edit{none: true}, nil
	}
	if err := based.Check(stored.Version); err != nil {
		return edit{}, err
	}
	if spec.ProfileID != stored.Spec.V.ProfileID {
		return edit{}, api.Invalid(api.Fault{Pointer: "/profile_id", Detail: "the profile of a certificate cannot change: make a new certificate"})
	}
	csr, err := checkSpec(tx, find, spec, nil)
	if err != nil {
		return edit{}, err
	}
	e := edit{after: rules.CertificateContent(spec, csr.Key), before: rules.CertificateContent(stored.Spec.V, csr.Key)}
	if stored.Spec.V.CSRPEM != spec.CSRPEM { // the same CSR has the same key
		if e.before, err = contentOf(stored.Spec.V); err != nil {
			// A stored CSR that cannot be read has another key than the new one, and the edit repairs the certificate.
			e.before = rules.CertificateContent(stored.Spec.V, api.Key{SPKISHA256: stored.SPKISHA256})
		}
	}
	if !reflect.DeepEqual(e.before, e.after) {
		e.stale, err = findStale(tx, stored)
		return e, err
	}
	return e, nil
}

// findStale returns the waiting job of a certificate whose names or key change; the zero Job if there is none. If a
// worker may have the job, findStale refuses.
//
// A job with its own CSR is stale too. Otherwise its CSR would replace the CSR that the caller writes now.
func findStale(tx *store.Tx, c Certificate) (job.Job, error) {
	open, found, err := job.FindOpen(tx, c.UID)
	if err != nil || !found {
		return job.Job{}, err
	}
	if open.Status != api.JobAwaitingApproval {
		return job.Job{}, AlreadyOpenProblem(open)
	}
	return open, nil
}

// Replace stores a certificate's new content. Equal content changes nothing, and is accepted with any precondition.
func (s *Service) Replace(tx *store.Tx, who identity.Actor, id string, spec api.CertificateSpec, based api.Precondition) (Certificate, error) {
	before, err := s.lockWithProfile(tx, id)
	if err != nil {
		return Certificate{}, err
	}
	e, err := checkEdit(tx, profile.Share, before, spec, based)
	if err != nil || e.none {
		return before, err
	}
	if e.stale.ID != "" {
		if err := s.closeApproval(tx, who, e.stale, api.CauseSubjectChanged); err != nil {
			return Certificate{}, err
		}
	}
	after, err := storeSpec(tx, before, spec, e.after.Key)
	if err != nil {
		return Certificate{}, err
	}
	if !slices.Equal(rules.ListNames(e.before), rules.ListNames(e.after)) {
		if err := storeNames(tx, after.UID, e.after); err != nil {
			return Certificate{}, err
		}
	}
	if err := recordChanges(tx, history.AuthorOf(who), e.before, after, e.after); err != nil {
		return Certificate{}, err
	}
	return after, appendAudit(tx, who, "certificate_updated", after, audit.Details{
		"version": after.Version, "before": summarize(before.Spec.V, e.before.Key), "after": summarize(spec, e.after.Key),
	})
}

// storeSpec stores a new version of a certificate and returns it.
func storeSpec(tx *store.Tx, before Certificate, spec api.CertificateSpec, key api.Key) (Certificate, error) {
	due, err := findRenewAt(tx, before, spec)
	if err != nil {
		return Certificate{}, err
	}
	var after Certificate
	err = tx.Must(&after, `UPDATE certificates SET spec = ?, spki_sha256 = ?, version = version + 1, renew_at = ?, updated_at = ?
		WHERE uid = ? AND version = ? AND archived_at IS NULL RETURNING *`,
		store.JSON[api.CertificateSpec]{V: spec}, key.SPKISHA256, due, tx.Now, before.UID, before.Version)
	if err != nil {
		return Certificate{}, fmt.Errorf("store certificate %s: %w", before.ID, err)
	}
	return after, nil
}

// lockWithProfile locks the certificate's profile and then the certificate. The first look-up takes no lock. It finds the
// right profile, because a certificate never changes its profile.
func (s *Service) lockWithProfile(tx *store.Tx, id string) (Certificate, error) {
	c, err := Get(tx, id)
	if err != nil {
		return Certificate{}, err
	}
	if _, err := profile.Share(tx, c.Spec.V.ProfileID); err != nil {
		return Certificate{}, err
	}
	return Lock(tx, id)
}

// closeApproval cancels the approval that a job waits for.
func (s *Service) closeApproval(tx *store.Tx, who identity.Actor, open job.Job, cause api.Cause) error {
	waiting, err := approval.Get(tx, *open.ApprovalID)
	if err != nil {
		return err
	}
	return s.Approvals.CloseUnlessDecided(tx, who, waiting, cause)
}

// AlreadyOpenProblem returns the refusal for a certificate that has an open job.
func AlreadyOpenProblem(open job.Job) *api.Problem {
	refusal := api.Refuse(api.CodeJobAlreadyOpen, "certificate %s has the open job %s, which is %s", open.CertificateID, open.ID, open.Status)
	refusal.JobID = open.ID
	if open.ApprovalID != nil {
		refusal.ApprovalID = *open.ApprovalID
	}
	return refusal
}

// Archive takes a certificate out of use and frees its id. Its jobs, approvals, leaves and audit rows stay.
func (s *Service) Archive(tx *store.Tx, who identity.Actor, id string, based api.Precondition) error {
	c, err := s.lockWithProfile(tx, id)
	if err != nil {
		return err
	}
	if err := based.Check(c.Version); err != nil {
		return err
	}
	open, found, err := job.FindOpen(tx, c.UID)
	switch {
	case err != nil:
		return err
	case found && open.Status != api.JobAwaitingApproval:
		refusal := api.Refuse(api.CodeInUse, "certificate %s is being issued: try again when job %s has ended", id, open.ID)
		refusal.UsedBy, refusal.UsedByCount = []api.Ref{{Type: "job", ID: open.ID}}, 1
		return refusal
	case found:
		if err := s.closeApproval(tx, who, open, api.CauseCertificateArchived); err != nil {
			return err
		}
	}
	var archived Certificate
	if err := tx.Must(&archived, `UPDATE certificates SET archived_at = ?, updated_at = ?
		WHERE uid = ? AND archived_at IS NULL RETURNING *`, tx.Now, tx.Now, c.UID); err != nil {
		return fmt.Errorf("archive certificate %s: %w", id, err)
	}
	return appendAudit(tx, who, "certificate_archived", c, nil)
}

// isSameSpec reports whether two certificates have the same content. The order of the SANs has no meaning.
func isSameSpec(a, b api.CertificateSpec) bool {
	a.SANs, b.SANs = rules.SortSet(a.SANs), rules.SortSet(b.SANs)
	return reflect.DeepEqual(a, b)
}

// findRenewAt returns when the current leaf is due for renewal; nil if there is none.
func findRenewAt(tx *store.Tx, c Certificate, spec api.CertificateSpec) (*time.Time, error) {
	if c.CurrentSerial == nil {
		return nil, nil
	}
	leaf, err := getLeaf(tx, c.UID, *c.CurrentSerial)
	if err != nil {
		return nil, err
	}
	at := leaf.renewAt(spec)
	return &at, nil
}

// summarize returns a certificate for the audit trail, with the key in place of the CSR.
func summarize(spec api.CertificateSpec, key api.Key) any {
	return struct {
		api.CertificateSpec
		CSRPEM string  `json:"csr_pem,omitempty"`
		Key    api.Key `json:"key"`
	}{CertificateSpec: spec, Key: key}
}
