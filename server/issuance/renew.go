package issuance

import (
	"context"
	"errors"
	"log/slog"
	"time"

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
		proposal, err := s.Gate.Look(tx, c.UID, request.CSRPEM)
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
func Unprepared(certificateID string, request api.Renew) Prepared {
	return Prepared{certificateID: certificateID, request: request}
}

// Renew opens the job that issues a certificate, or the first one. Under a gated profile the job awaits an
// approval, which is opened in the same transaction.
func (s *Service) Renew(tx *store.Tx, who identity.Actor, p Prepared) (job.Job, error) {
	if faults := checkPeople(who, p.request); len(faults) > 0 {
		return job.Job{}, api.Invalid(faults...)
	}
	proposal, err := s.propose(tx, p, s.Gate.Propose)
	if err != nil {
		return job.Job{}, err
	}
	overdue, err := s.renewable(tx, proposal, p)
	if err != nil {
		return job.Job{}, err
	}
	if overdue != nil {
		if _, err := s.Approvals.Expire(tx, *overdue); err != nil && !approval.IsDecided(err) {
			return job.Job{}, err
		}
	}
	j, err := s.describe(tx, who, proposal, p.request)
	if err != nil {
		return job.Job{}, err
	}
	if !proposal.Profile.RequiresApproval {
		return s.open(tx, who, j, p.request.Reason)
	}
	return s.openGated(tx, who, j, proposal, p.request)
}

// propose finds what would be signed for a request; look is the gate's Propose, or its Look, which locks nothing.
func (s *Service) propose(tx *store.Tx, p Prepared, look func(tx *store.Tx, certificateUID, csrPEM string) (gate.Proposal, error)) (gate.Proposal, error) {
	c, err := certificate.Get(tx, p.certificateID)
	if err != nil {
		return gate.Proposal{}, err
	}
	proposal, err := look(tx, c.UID, p.request.CSRPEM)
	if errors.Is(err, gate.ErrNothingToSign) {
		return proposal, api.NotFound("certificate", c.ID) // it was archived just now
	}
	return proposal, refusal(err)
}

// open makes a job that a worker may take at once. The accountable person must be enabled.
func (s *Service) open(tx *store.Tx, who identity.Actor, j job.Request, reason string) (job.Job, error) {
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
func (s *Service) openGated(tx *store.Tx, who identity.Actor, j job.Request, p gate.Proposal, r api.Renew) (job.Job, error) {
	authorship, context, err := s.review(tx, who, p)
	if err != nil {
		return job.Job{}, err
	}
	people, err := excluded(tx, who, authorship.Authors, r)
	if err != nil {
		return job.Job{}, err
	}
	request := approval.Request{
		Kind: api.ApprovalIssuance, ProfileID: p.ProfileID, ProfileName: p.Profile.Name,
		CertificateID: &j.CertificateID, CertificateUID: &j.CertificateUID, JobID: &j.ID,
		Accountable: who.Accountable(), Excluded: people, AlsoExcluded: r.AlsoExcluded, StandsFor: r.StandsFor,
		Context: &context, Names: certificate.WithWildcards(p.Subject.SANs), Reason: reasonOf(who, r.Reason, context, authorship.Baseline != nil),
		Subject: j.Subject, Digest: j.Digest,
	}
	if err := addEarlier(tx, &request, p, authorship); err != nil {
		return job.Job{}, err
	}
	a, err := s.Approvals.Request(tx, who, request)
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

// review finds who wrote what would be signed, and tells an approver what differs from what a human approved last.
func (s *Service) review(tx *store.Tx, who identity.Actor, p gate.Proposal) (gate.Authorship, api.IssuanceContext, error) {
	authorship, err := s.Gate.Authorship(tx, p)
	if err != nil {
		return authorship, api.IssuanceContext{}, err
	}
	context, err := describeRequest(tx, who, p, authorship)
	return authorship, context, err
}

// addEarlier adds what became of earlier requests since a human approved the certificate last. That approval settles
// nothing for the names that were added to it.
func addEarlier(tx *store.Tx, r *approval.Request, p gate.Proposal, a gate.Authorship) error {
	var since time.Time
	if a.Baseline != nil {
		since = a.Baseline.ApprovedAt
	}
	var err error
	filter := approval.Filter{Kind: api.ApprovalIssuance, CertificateUID: *r.CertificateUID}
	if r.Previous, err = approval.Previous(tx, filter, since); err != nil {
		return err
	}
	r.Rejections, err = approval.Rejections(tx, p.Subject.SANs, since, r.Context.NamesAdded)
	return err
}

// renewable refuses what could never be signed, before anyone is asked to approve it. A request that is in the way only
// because nobody has seen its deadline pass is given back, to be ended first.
func (s *Service) renewable(tx *store.Tx, proposal gate.Proposal, p Prepared) (overdue *approval.Approval, err error) {
	if proposal.Certificate.ArchivedAt != nil {
		return nil, api.NotFound("certificate", proposal.Certificate.ID)
	}
	if !proposal.Profile.Enabled {
		return nil, profileDisabled(proposal.ProfileID)
	}
	if overdue, err = openRequest(tx, proposal.Certificate.UID); err != nil {
		return nil, err
	}
	if faults := proposal.Faults(); len(faults) > 0 {
		return nil, api.Invalid(faults...)
	}
	if err := s.approvalRequired(tx, proposal); err != nil {
		return nil, err
	}
	if sent := p.request.Digest; sent != "" && sent != proposal.Subject.Digest {
		return nil, api.Refuse(api.CodeDigestMismatch, "the digest sent is not that of what would be signed for %s: preview it again", proposal.Certificate.ID)
	}
	if proposal.Subject.Digest == p.lintedDigest {
		return overdue, nil
	}
	return overdue, refusal(s.Gate.Lint(proposal.Subject, tx.Now))
}

// openRequest refuses because of an open job, but gives back its request if the deadline has passed.
func openRequest(tx *store.Tx, certificateUID string) (*approval.Approval, error) {
	open, found, err := job.FindOpen(tx, certificateUID)
	if err != nil || !found {
		return nil, err
	}
	if open.Status != api.JobAwaitingApproval {
		return nil, certificate.AlreadyOpen(open)
	}
	a, err := approval.Get(tx, *open.ApprovalID)
	if err != nil {
		return nil, err
	}
	if !a.Overdue(tx.Now) {
		return nil, certificate.AlreadyOpen(open)
	}
	return &a, nil
}

func profileDisabled(id string) *api.Problem {
	return api.Refuse(api.CodeProfileDisabled, "profile %s is disabled: nothing is signed under it", id)
}

func (s *Service) describe(tx *store.Tx, who identity.Actor, p gate.Proposal, r api.Renew) (job.Request, error) {
	first, err := job.HasNone(tx, p.Certificate.UID)
	if err != nil {
		return job.Request{}, err
	}
	kind := api.JobRenewal
	if first {
		kind = api.JobIssuance
	}
	return job.Request{
		ID: job.NewID(), Type: kind, CertificateUID: p.Certificate.UID, CertificateID: p.Certificate.ID, ProfileID: p.ProfileID,
		RequestedBy: who.ID, Accountable: who.Accountable(),
		CSRPEM: p.CSRPEM, OwnCSR: r.CSRPEM != "", Subject: p.Subject.Canonical, Digest: p.Subject.Digest,
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
