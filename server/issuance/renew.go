package issuance

import (
	"context"
	"errors"
	"log/slog"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/approval"
	"github.com/certctl/terraform-provider-certctl/server/audit"
	"github.com/certctl/terraform-provider-certctl/server/certificate"
	"github.com/certctl/terraform-provider-certctl/server/gate"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/job"
	"github.com/certctl/terraform-provider-certctl/server/principal"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Service opens and works on issuances.
type Service struct {
	Store     *store.Store
	Gate      *gate.Gate
	Approvals *approval.Service
	Queue     *job.Queue
	Metrics   *Metrics
	Log       *slog.Logger
}

// Prepared is a request that was linted, so that the transaction that stores it need not.
type Prepared struct {
	certificateID string
	request       api.Renew
	lintedDigest  string
}

// Prepare lints what would be signed before the transaction, because that takes its time. What it finds may be out of
// date when the transaction runs, which then lints again; so any refusal is left to it, in its order.
func (s *Service) Prepare(ctx context.Context, certificateID string, request api.Renew) (Prepared, error) {
	p := Prepared{certificateID: certificateID, request: request}
	var subject gate.Subject
	err := s.Store.Read(ctx, func(tx *store.Tx) error {
		c, err := certificate.Get(tx, certificateID)
		if err != nil {
			return err
		}
		proposal, err := s.Gate.Look(tx, c.UID, csrOf(request, c))
		subject = proposal.Subject
		return err
	})
	if err == nil {
		err = s.Gate.Lint(subject, s.Store.Now())
	}
	if err == nil {
		p.lintedDigest = subject.Digest
	}
	return p, ignoreRefusal(err)
}

// Unprepared is a request that is linted in its transaction: for a certificate that this transaction writes.
func Unprepared(certificateID, reason string) Prepared {
	return Prepared{certificateID: certificateID, request: api.Renew{Reason: reason}}
}

func csrOf(request api.Renew, c certificate.Certificate) string {
	if request.CSRPEM != "" {
		return request.CSRPEM
	}
	return c.Spec.V.CSRPEM
}

// Renew opens the job that issues a certificate, or the first one. Under a gated profile the job awaits an
// approval, which is opened in the same transaction.
func (s *Service) Renew(tx *store.Tx, who identity.Actor, p Prepared) (job.Job, error) {
	c, err := certificate.Get(tx, p.certificateID)
	if err != nil {
		return job.Job{}, err
	}
	proposal, err := s.Gate.Propose(tx, c.UID, csrOf(p.request, c))
	if errors.Is(err, gate.ErrNothingToSign) {
		return job.Job{}, api.NotFound("certificate", c.ID) // it was archived just now
	}
	if err != nil {
		return job.Job{}, refusal(err)
	}
	if err := s.renewable(tx, proposal, p.lintedDigest); err != nil {
		return job.Job{}, err
	}
	j, err := s.describe(tx, who, proposal)
	if err != nil {
		return job.Job{}, err
	}
	if !proposal.Profile.RequiresApproval {
		return s.open(tx, who, j, p.request.Reason)
	}
	return s.openGated(tx, who, j, proposal, p.request.Reason)
}

// open makes a job that a worker may take at once. The accountable person must be enabled.
func (s *Service) open(tx *store.Tx, who identity.Actor, j job.New, reason string) (job.Job, error) {
	if err := principal.MustStand(tx, j.Accountable); err != nil {
		return job.Job{}, err
	}
	opened, err := s.Queue.Enqueue(tx, j)
	if err != nil {
		return job.Job{}, err
	}
	return opened, audit.Append(tx, audit.Event{
		Actor: who, Action: "issuance_requested", ResourceType: "job", ResourceID: j.ID,
		Details: audit.Details{"certificate_id": j.CertificateID, "reason": reason, "digest": j.Digest},
	})
}

// openGated makes a job that waits, and the approval that it waits for.
func (s *Service) openGated(tx *store.Tx, who identity.Actor, j job.New, p gate.Proposal, reason string) (job.Job, error) {
	authorship, err := s.Gate.Authorship(tx, p)
	if err != nil {
		return job.Job{}, err
	}
	a, err := s.Approvals.Request(tx, who, approval.Request{
		Kind: api.ApprovalIssuance, ProfileID: p.ProfileID, ProfileName: p.Profile.Name,
		CertificateID: &j.CertificateID, CertificateUID: &j.CertificateUID, JobID: &j.ID, Accountable: who.Accountable(), Excluded: excluded(who, authorship),
		Reason: reason, Subject: j.Subject, Digest: j.Digest,
	})
	if err != nil {
		return job.Job{}, err
	}
	j.ApprovalID = &a.ID
	opened, err := s.Queue.Enqueue(tx, j)
	if err != nil {
		return job.Job{}, err
	}
	if _, bypassed, err := s.Approvals.Bypass(tx, a); err != nil || !bypassed {
		return opened, err
	}
	return job.Get(tx, opened.ID)
}

// renewable refuses what could never be signed, before anyone is asked to approve it.
func (s *Service) renewable(tx *store.Tx, p gate.Proposal, lintedDigest string) error {
	if p.Certificate.ArchivedAt != nil {
		return api.NotFound("certificate", p.Certificate.ID)
	}
	if !p.Profile.Enabled {
		return profileDisabled(p.ProfileID)
	}
	if open, found, err := s.inTheWay(tx, p.Certificate.UID); err != nil {
		return err
	} else if found {
		return certificate.AlreadyOpen(open)
	}
	if faults := p.Faults(); len(faults) > 0 {
		return api.Invalid(faults...)
	}
	if err := s.approvalRequired(tx, p); err != nil {
		return err
	}
	if p.Subject.Digest == lintedDigest {
		return nil
	}
	return refusal(s.Gate.Lint(p.Subject, tx.Now))
}

func profileDisabled(id string) *api.Problem {
	return api.Refuse(api.CodeProfileDisabled, "profile %s is disabled: nothing is signed under it", id)
}

// inTheWay finds the open job of a certificate. One whose request's deadline passed unseen is ended here and now.
func (s *Service) inTheWay(tx *store.Tx, certificateUID string) (job.Job, bool, error) {
	open, found, err := job.Open(tx, certificateUID)
	if err != nil || !found || open.Status != api.JobAwaitingApproval {
		return open, found, err
	}
	a, err := approval.Get(tx, *open.ApprovalID)
	if err != nil || !a.Overdue(tx.Now) {
		return open, true, err
	}
	if _, err := s.Approvals.Expire(tx, a); err != nil && !approval.IsDecided(err) {
		return open, true, err
	}
	return job.Job{}, false, nil
}

func (s *Service) describe(tx *store.Tx, who identity.Actor, p gate.Proposal) (job.New, error) {
	first, err := job.First(tx, p.Certificate.UID)
	if err != nil {
		return job.New{}, err
	}
	kind := api.JobRenewal
	if first {
		kind = api.JobIssuance
	}
	return job.New{
		ID: job.NewID(), Type: kind, CertificateUID: p.Certificate.UID, CertificateID: p.Certificate.ID, ProfileID: p.ProfileID,
		RequestedBy: who.ID, Accountable: who.Accountable(),
		CSRPEM: p.CSRPEM, Subject: p.Subject.Canonical, Digest: p.Subject.Digest,
	}, nil
}

// refusal makes of what can never be signed the fault that the caller made.
func refusal(err error) error {
	var unsignable *gate.UnsignableError
	if errors.As(err, &unsignable) {
		return api.Invalid(unsignable.Fault)
	}
	return err
}

func ignoreRefusal(err error) error {
	var known *api.Problem
	if errors.As(refusal(err), &known) || errors.Is(err, gate.ErrNothingToSign) {
		return nil
	}
	return err
}
