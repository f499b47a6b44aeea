package issuance

import (
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/rules"
	"github.com/certctl/terraform-provider-certctl/server/approval"
	"github.com/certctl/terraform-provider-certctl/server/audit"
	"github.com/certctl/terraform-provider-certctl/server/certificate"
	"github.com/certctl/terraform-provider-certctl/server/gate"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/job"
	"github.com/certctl/terraform-provider-certctl/server/principal"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Service requests issuances and works on them.
type Service struct {
	Store     *store.Store
	Gate      *gate.Gate
	Approvals *approval.Service
	Queue     *job.Queue
	Metrics   *Metrics
	Log       *slog.Logger

	checking     sync.Mutex
	checkedUntil string // the uid up to which CheckRenewals has looked; empty to begin again
}

// Request is what a caller asks to have issued.
type Request struct {
	CertificateID string
	api.Renew
}

// Renew opens the job that issues a certificate. Under a gated profile the job awaits an approval, which is opened in
// the same transaction.
func (s *Service) Renew(tx *store.Tx, who identity.Actor, r Request) (job.Job, error) {
	if faults := checkPeople(who, r.Renew); len(faults) > 0 {
		return job.Job{}, api.Invalid(faults...)
	}
	proposal, err := propose(tx, r, s.Gate.LockProposal)
	if err != nil {
		return job.Job{}, err
	}
	overdue, err := s.checkRenewable(tx, proposal, r)
	if err != nil {
		return job.Job{}, err
	}
	if overdue != nil {
		if _, err := s.Approvals.Expire(tx, *overdue); err != nil && !approval.IsAlreadyFinal(err) {
			return job.Job{}, err
		}
	}
	j, err := newJob(tx, who, proposal, r)
	if err != nil {
		return job.Job{}, err
	}
	if !proposal.Profile.RequiresApproval {
		return s.enqueue(tx, who, j, r.Reason, len(proposal.CSRIgnored()))
	}
	return s.enqueueGated(tx, who, j, proposal, r)
}

// propose returns what would be signed for a request. find is the gate's LockProposal, or its GetProposal for a preview.
func propose(tx *store.Tx, r Request, find func(tx *store.Tx, uid, csrPEM string) (gate.Proposal, error)) (gate.Proposal, error) {
	c, err := certificate.Get(tx, r.CertificateID)
	if err != nil {
		return gate.Proposal{}, err
	}
	proposal, err := find(tx, c.UID, r.CSRPEM)
	if errors.Is(err, gate.ErrNothingToSign) {
		return proposal, api.NotFound("certificate", c.ID) // it was archived just now
	}
	return proposal, asInvalid(err)
}

// enqueue makes a job that a worker may take at once. The accountable person must be enabled.
func (s *Service) enqueue(tx *store.Tx, who identity.Actor, j job.Request, reason string, ignored int) (job.Job, error) {
	if err := principal.RequireEnabled(tx, j.Accountable); err != nil {
		return job.Job{}, err
	}
	enqueued, err := s.Queue.Enqueue(tx, j)
	if err != nil {
		return job.Job{}, err
	}
	details := audit.Details{"certificate_id": j.CertificateID, "reason": reason, "digest": j.Digest}
	if ignored > 0 {
		details["csr_ignored"] = ignored
	}
	return enqueued, audit.Append(tx, audit.Event{
		Actor: who, Action: "issuance_requested", ResourceType: "job", ResourceID: j.ID, Details: details,
	})
}

// enqueueGated makes a job that waits, and the approval that it waits for.
func (s *Service) enqueueGated(tx *store.Tx, who identity.Actor, j job.Request, p gate.Proposal, r Request) (job.Job, error) {
	request, err := newApprovalRequest(tx, who, j, p, r)
	if err != nil {
		return job.Job{}, err
	}
	var enqueued job.Job
	a, err := s.Approvals.Open(tx, who, request, func(a approval.Approval) (err error) {
		j.ApprovalID = &a.ID
		enqueued, err = s.Queue.Enqueue(tx, j)
		return err
	})
	if err != nil {
		return enqueued, err
	}
	if a.State == api.ApprovalPending {
		approvers, err := principal.ListApprovers(tx)
		enqueued.Warnings = warnOfUndecidable(nil, approvers, request.Excluded)
		return enqueued, err
	}
	return job.Get(tx, enqueued.ID) // the bypass moved it
}

// newApprovalRequest says what a job needs approved, and what helps to decide.
func newApprovalRequest(tx *store.Tx, who identity.Actor, j job.Request, p gate.Proposal, r Request) (approval.Request, error) {
	authorship, context, err := review(tx, who, p)
	if err != nil {
		return approval.Request{}, err
	}
	excluded, err := listExcluded(tx, who, authorship.Authors, r.Renew)
	if err != nil {
		return approval.Request{}, err
	}
	request := approval.Request{
		Kind: api.ApprovalIssuance, ProfileID: &p.ProfileID, ProfileName: p.Profile.Name,
		CertificateID: &j.CertificateID, CertificateUID: &j.CertificateUID, JobID: &j.ID,
		Accountable: who.Accountable(), Excluded: excluded, AlsoExcluded: r.AlsoExcluded, StandsFor: r.StandsFor,
		Context: &context, CSRIgnored: p.CSRIgnored(), Names: certificate.AddWildcards(rules.ListNames(p.Subject.CertificateContent)), Reason: reasonOf(who, r.Reason, context, authorship.Baseline != nil),
		Subject: j.Subject, Digest: j.Digest,
	}
	return request, addEarlier(tx, &request, p, authorship)
}

// review returns who wrote what would be signed, and what differs from what a human approved last.
func review(tx *store.Tx, who identity.Actor, p gate.Proposal) (gate.Authorship, api.IssuanceContext, error) {
	authorship, err := gate.FindAuthorship(tx, p)
	if err != nil {
		return authorship, api.IssuanceContext{}, err
	}
	context, err := describeRequest(tx, who, p, authorship)
	return authorship, context, err
}

// addEarlier adds earlier requests since a human approved the certificate last. For names that were added since, it adds
// rejections of any time.
func addEarlier(tx *store.Tx, r *approval.Request, p gate.Proposal, a gate.Authorship) error {
	var since time.Time
	if a.Baseline != nil {
		since = a.Baseline.ApprovedAt
	}
	var err error
	filter := approval.Filter{Kind: api.ApprovalIssuance, CertificateUID: *r.CertificateUID}
	if r.Previous, err = approval.FindPrevious(tx, filter, since); err != nil {
		return err
	}
	content := p.Subject.CertificateContent
	r.Rejections, err = approval.ListRejections(tx, rules.ListNames(content), since, listAdded(content, *r.Context))
	return err
}

// listAdded lists the names that the baseline does not have, also a common name that is no SAN.
func listAdded(content api.CertificateContent, c api.IssuanceContext) []string {
	isCommonName := func(c api.Change) bool { return c.Pointer == "/common_name" }
	if rules.HasFreeCommonName(content) && slices.ContainsFunc(c.OtherChanges, isCommonName) {
		return append(slices.Clone(c.NamesAdded), content.CommonName)
	}
	return c.NamesAdded
}

// checkRenewable refuses what could never be signed, before anyone is asked to approve it. If the open request is past
// its deadline, checkRenewable returns it, for the caller to expire.
func (s *Service) checkRenewable(tx *store.Tx, proposal gate.Proposal, r Request) (overdue *approval.Approval, err error) {
	if proposal.Certificate.ArchivedAt != nil {
		return nil, api.NotFound("certificate", proposal.Certificate.ID)
	}
	if !proposal.Profile.Enabled {
		return nil, profileDisabledProblem(proposal.ProfileID)
	}
	if overdue, err = checkNoneOpen(tx, proposal.Certificate.UID); err != nil {
		return nil, err
	}
	if err := s.checkRules(tx, proposal); err != nil {
		return nil, err
	}
	if r.Digest != "" && r.Digest != proposal.Subject.Digest {
		return nil, api.Refuse(api.CodeDigestMismatch,
			"the digest sent is not the digest of what would be signed for %s: preview it again", proposal.Certificate.ID)
	}
	return overdue, asInvalid(s.Gate.Lint(proposal.Subject, tx.Now))
}

// checkRules refuses what the profile forbids or the ungated names do not list.
func (s *Service) checkRules(tx *store.Tx, proposal gate.Proposal) error {
	if faults := proposal.Faults(); len(faults) > 0 {
		return api.Invalid(faults...)
	}
	return s.checkApprovable(tx, proposal)
}

// checkNoneOpen refuses if the certificate has an open job. If the job's request is past its deadline, checkNoneOpen
// returns the request instead.
func checkNoneOpen(tx *store.Tx, certificateUID string) (*approval.Approval, error) {
	open, found, err := job.FindOpen(tx, certificateUID)
	if err != nil || !found {
		return nil, err
	}
	if open.Status != api.JobAwaitingApproval {
		return nil, certificate.AlreadyOpenProblem(open)
	}
	a, err := approval.Get(tx, *open.ApprovalID)
	if err != nil {
		return nil, err
	}
	if !a.IsOverdue(tx.Now) {
		return nil, certificate.AlreadyOpenProblem(open)
	}
	return &a, nil
}

func profileDisabledProblem(id string) *api.Problem {
	return api.Refuse(api.CodeProfileDisabled, "profile %s is disabled: nothing is signed under it", id)
}

func newJob(tx *store.Tx, who identity.Actor, p gate.Proposal, r Request) (job.Request, error) {
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

// asInvalid turns what can never be signed into an invalid_request problem.
func asInvalid(err error) error {
	var unsignable *gate.UnsignableError
	if errors.As(err, &unsignable) {
		return api.Invalid(unsignable.Fault)
	}
	return err
}
