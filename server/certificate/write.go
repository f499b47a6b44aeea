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

// Create stores a new certificate. Nothing is signed by that.
func (s *Service) Create(tx *store.Tx, who identity.Actor, in api.CreateCertificate) (Certificate, error) {
	var faults []api.Fault
	if in.ID == "" {
		in.ID = store.NewID("mc-")
	} else if !wellFormedID.MatchString(in.ID) {
		faults = append(faults, api.Fault{Pointer: "/id", Detail: "an id is mc- and 1 to 63 lower-case letters, digits and hyphens, beginning with no hyphen"})
	}
	if err := s.check(tx, in.CertificateSpec, faults); err != nil {
		return Certificate{}, err
	}
	if other, err := Get(tx, in.ID); err == nil {
		refusal := api.Refuse(api.CodeAlreadyExists, "there is a certificate %s already", other.ID)
		refusal.ID = other.ID
		return Certificate{}, refusal
	} else if !api.Is(err, api.CodeNotFound) {
		return Certificate{}, err
	}
	content, err := contentOf(in.CertificateSpec)
	if err != nil {
		return Certificate{}, err
	}
	c := Certificate{
		UID: store.NewID(""), ID: in.ID, Spec: store.JSON[api.CertificateSpec]{V: in.CertificateSpec},
		SPKISHA256: content.Key.SPKISHA256, Version: 1, CreatedAt: tx.Now, UpdatedAt: tx.Now,
	}
	if err := tx.DB.Create(&c).Error; err != nil {
		return Certificate{}, fmt.Errorf("store the certificate: %w", err)
	}
	if err := storeNames(tx, c.UID, in.SANs); err != nil {
		return Certificate{}, err
	}
	if err := recordAuthor(tx, history.AuthorOf(who), nil, c, content); err != nil {
		return Certificate{}, err
	}
	return c, record(tx, who, "certificate_created", c, audit.Details{"certificate": summary(c.Spec.V, content.Key)})
}

// check locks the profile's rules and holds the certificate against them.
func (s *Service) check(tx *store.Tx, spec api.CertificateSpec, faults []api.Fault) error {
	p, err := profile.Share(tx, spec.ProfileID)
	if api.Is(err, api.CodeNotFound) {
		return api.Invalid(append(faults, api.Fault{Pointer: "/profile_id", Detail: fmt.Sprintf("there is no profile %q", spec.ProfileID)})...)
	}
	if err != nil {
		return err
	}
	if faults = append(faults, rules.CheckCertificate(spec, p.Spec.V)...); len(faults) > 0 {
		return api.Invalid(faults...)
	}
	return nil
}

// Replace stores a certificate's new content. Equal content changes nothing, whatever the precondition.
func (s *Service) Replace(tx *store.Tx, who identity.Actor, id string, spec api.CertificateSpec, based api.Precondition) (Certificate, error) {
	before, err := s.locked(tx, id)
	if err != nil {
		return Certificate{}, err
	}
	if equal(before.Spec.V, spec) {
		return before, nil
	}
	if err := based.Check(before.Version); err != nil {
		return Certificate{}, err
	}
	if spec.ProfileID != before.Spec.V.ProfileID {
		return Certificate{}, api.Invalid(api.Fault{Pointer: "/profile_id", Detail: "a certificate stays with its profile: make a new one"})
	}
	if err := s.check(tx, spec, nil); err != nil {
		return Certificate{}, err
	}
	content, err := contentOf(spec)
	if err != nil {
		return Certificate{}, err
	}
	old := rules.CertificateContent(before.Spec.V, content.Key)
	if before.Spec.V.CSRPEM != spec.CSRPEM { // the same request has the same key
		if old, err = contentOf(before.Spec.V); err != nil {
			return Certificate{}, err
		}
	}
	if !reflect.DeepEqual(old, content) {
		if err := s.closeStale(tx, who, before); err != nil {
			return Certificate{}, err
		}
	}
	due, err := renewAt(tx, before, spec)
	if err != nil {
		return Certificate{}, err
	}
	var after Certificate
	err = tx.Must(&after, `UPDATE certificates SET spec = ?, spki_sha256 = ?, version = version + 1, renew_at = ?, updated_at = ?
		WHERE uid = ? AND version = ? AND archived_at IS NULL RETURNING *`,
		store.JSON[api.CertificateSpec]{V: spec}, content.Key.SPKISHA256, due, tx.Now, before.UID, before.Version)
	if err != nil {
		return Certificate{}, fmt.Errorf("store certificate %s: %w", id, err)
	}
	if !slices.Equal(old.SANs, content.SANs) {
		if err := storeNames(tx, after.UID, spec.SANs); err != nil {
			return Certificate{}, err
		}
	}
	if err := recordAuthor(tx, history.AuthorOf(who), old, after, content); err != nil {
		return Certificate{}, err
	}
	return after, record(tx, who, "certificate_updated", after, audit.Details{
		"version": after.Version, "before": summary(before.Spec.V, old.Key), "after": summary(spec, content.Key),
	})
}

// locked locks the certificate's profile and then the certificate: the profile never changes, so it may be looked
// up before.
func (s *Service) locked(tx *store.Tx, id string) (Certificate, error) {
	c, err := Get(tx, id)
	if err != nil {
		return Certificate{}, err
	}
	if _, err := profile.Share(tx, c.Spec.V.ProfileID); err != nil {
		return Certificate{}, err
	}
	return Lock(tx, id)
}

// closeStale closes the waiting request of a certificate whose names or key change: it would no longer be for what is
// signed. It refuses while a worker has the job. A new key is stale also for a job that has a key of its own: that key
// becomes the certificate's, and the caller's would be lost.
func (s *Service) closeStale(tx *store.Tx, who identity.Actor, c Certificate) error {
	open, found, err := job.FindOpen(tx, c.UID)
	if err != nil || !found {
		return err
	}
	if open.Status != api.JobAwaitingApproval {
		return AlreadyOpen(open)
	}
	return s.close(tx, who, open, api.CauseSubjectChanged)
}

func (s *Service) close(tx *store.Tx, who identity.Actor, open job.Job, cause api.Cause) error {
	waiting, err := approval.Get(tx, *open.ApprovalID)
	if err != nil {
		return err
	}
	return s.Approvals.CloseUnlessDecided(tx, who, waiting, cause)
}

// AlreadyOpen refuses because of a certificate's open job.
func AlreadyOpen(open job.Job) *api.Problem {
	refusal := api.Refuse(api.CodeJobAlreadyOpen, "certificate %s has the open job %s, which is %s", open.CertificateID, open.ID, open.Status)
	refusal.JobID = open.ID
	if open.ApprovalID != nil {
		refusal.ApprovalID = *open.ApprovalID
	}
	return refusal
}

// Archive takes a certificate out of use and frees its id. Its past stays.
func (s *Service) Archive(tx *store.Tx, who identity.Actor, id string, based api.Precondition) error {
	c, err := s.locked(tx, id)
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
		if err := s.close(tx, who, open, api.CauseCertificateArchived); err != nil {
			return err
		}
	}
	var archived Certificate
	if err := tx.Must(&archived, `UPDATE certificates SET archived_at = ?, updated_at = ?
		WHERE uid = ? AND archived_at IS NULL RETURNING *`, tx.Now, tx.Now, c.UID); err != nil {
		return fmt.Errorf("archive certificate %s: %w", id, err)
	}
	return record(tx, who, "certificate_archived", c, nil)
}

// equal says whether two certificates say the same: order in a set carries no meaning.
func equal(a, b api.CertificateSpec) bool {
	a.SANs, b.SANs = rules.SortedSet(a.SANs), rules.SortedSet(b.SANs)
	return reflect.DeepEqual(a, b)
}

// renewAt is when a leaf is due: renew_before_seconds before its end, or when a third of its life is left.
func renewAt(tx *store.Tx, c Certificate, spec api.CertificateSpec) (*time.Time, error) {
	if c.CurrentSerial == nil {
		return nil, nil
	}
	leaf, err := leafOf(tx, c.UID, *c.CurrentSerial)
	if err != nil {
		return nil, err
	}
	due := leaf.due(spec)
	return &due, nil
}

// summary is a certificate for the audit trail: the key that a CSR brings, instead of the CSR.
func summary(spec api.CertificateSpec, key api.Key) any {
	return struct {
		api.CertificateSpec
		CSRPEM string  `json:"csr_pem,omitempty"`
		Key    api.Key `json:"key"`
	}{CertificateSpec: spec, Key: key}
}
