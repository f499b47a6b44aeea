package console

import (
	"errors"
	"fmt"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/approval"
	"github.com/certctl/terraform-provider-certctl/server/certificate"
	"github.com/certctl/terraform-provider-certctl/server/job"
	"github.com/certctl/terraform-provider-certctl/server/review"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// requestPage is what the page of a request shows.
type requestPage struct {
	api.Approval
	Review      review.Review
	Eligibility api.Eligibility
	MayWithdraw bool
	Job         *api.Job // of an approved issuance
	Draft       string   // what the person wrote before
	Once        string
	Problem     *api.Problem // why the last form had no effect; nil if none was sent
}

// showRequest shows a request.
func (s *site) showRequest(tx *store.Tx, v *visit) (view, error) {
	id := v.c.Param("id")
	note := ""
	if v.session.Draft.Path == requestPath(id) {
		note = v.session.Draft.Note
	}
	return s.readRequest(tx, v, id, note, nil)
}

func (s *site) readRequest(tx *store.Tx, v *visit, id, note string, problem *api.Problem) (view, error) {
	row, err := approval.Get(tx, id)
	if err != nil {
		return view{}, err
	}
	page := requestPage{
		Approval: row.API(), MayWithdraw: approval.MayWithdraw(tx, v.who(), row), Draft: note, Once: store.NewID(""), Problem: problem,
	}
	if page.Eligibility, err = approval.GetEligibility(tx, v.who(), id); err != nil {
		return view{}, err
	}
	if page.Review, err = readReview(tx, page.Approval); err != nil {
		return view{}, err
	}
	if page.State == api.ApprovalApproved && page.JobID != nil {
		j, err := job.Get(tx, *page.JobID)
		if err != nil {
			return view{}, err
		}
		shown := j.API()
		page.Job = &shown
	}
	return view{Page: "request", Title: titleOf(page.Approval), Data: page}, nil
}

// readReview returns the review of a request, with the certificates that share a name or the key with it.
func readReview(tx *store.Tx, a api.Approval) (review.Review, error) {
	var holders []review.Holder
	if a.Context != nil && len(a.Context.OtherCertificates.IDs) > 0 {
		others, err := certificate.ListLive(tx, a.Context.OtherCertificates.IDs)
		if err != nil {
			return review.Review{}, err
		}
		for _, c := range others {
			holders = append(holders, review.Holder{ID: c.ID, SANs: c.Spec.V.SANs})
		}
	}
	r, err := review.Of(a, holders)
	if errors.Is(err, review.ErrUnknownField) {
		return r, api.Refuse(api.CodeUnavailable, "a newer server made this request, and this one cannot show all of it: try again when every server is upgraded")
	}
	if err != nil {
		return r, fmt.Errorf("show approval %s: %w", a.ID, err)
	}
	return r, nil
}

// maxPeople is how many people the page names.
const maxPeople = 10

// May lists the first of the people who may decide.
func (p requestPage) May() []string {
	return p.Eligibility.May[:min(len(p.Eligibility.May), maxPeople)]
}

// MoreMay counts the other people who may decide.
func (p requestPage) MoreMay() int { return len(p.Eligibility.May) - len(p.May()) }

// MoreOthers counts the certificates of the same names or key that the request does not list.
func (p requestPage) MoreOthers() int64 {
	return p.Context.OtherCertificates.Count - int64(len(p.Context.OtherCertificates.IDs))
}

// SubjectText is the canonical JSON that the digest is of.
func (p requestPage) SubjectText() string { return string(p.Subject) }

// StateAt returns the state at the time of the page: the expiry may not be recorded yet.
func (p requestPage) StateAt(c clock) string {
	if p.State == api.ApprovalPending && c.IsPast(p.ExpiresAt) {
		return string(api.ApprovalExpired)
	}
	return string(p.State)
}

// Writer returns who wrote the note of a request that ended: the decider, or the principal who withdrew it.
func (p requestPage) Writer() *string {
	if p.DecidedBy != nil {
		return p.DecidedBy
	}
	return p.ClosedBy
}

// Outcome says in a few words how the request ended.
func (p requestPage) Outcome() string {
	switch p.State {
	case api.ApprovalApproved:
		return "Approved by " + value(p.Writer())
	case api.ApprovalRejected:
		return "Rejected by " + value(p.Writer())
	case api.ApprovalCancelled:
		return "Cancelled by " + value(p.Writer())
	default:
		return "Expired"
	}
}

// EndedAt returns when the request ended.
func (p requestPage) EndedAt() time.Time {
	for _, at := range []*time.Time{p.DecidedAt, p.ClosedAt} {
		if at != nil {
			return *at
		}
	}
	return p.ExpiresAt
}

// SubjectTitle is the title of the table of fields.
func (p requestPage) SubjectTitle() string {
	switch {
	case p.State == api.ApprovalApproved:
		return "What was approved"
	case p.State != api.ApprovalPending:
		return "What was requested"
	case p.Kind == api.ApprovalProfileEdit:
		return "What would change"
	default:
		return "What would be signed"
	}
}
