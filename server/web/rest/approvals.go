package rest

import (
	"cmp"
	"context"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/approval"
	"github.com/certctl/terraform-provider-certctl/server/certificate"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/store"
	"github.com/certctl/terraform-provider-certctl/server/web"
)

// ApprovalFilter is the part of an input that chooses approvals.
type ApprovalFilter struct {
	Kind          api.ApprovalKind `query:"kind" enum:"issuance,profile_edit"`
	ProfileID     string           `query:"profile_id" maxLength:"65" doc:"Only approvals under this profile."`
	CertificateID string           `query:"certificate_id" maxLength:"66" doc:"Only approvals of this certificate."`
	RequestedBy   string           `query:"requested_by" maxLength:"63" doc:"Only approvals that this principal requested."`
	DecidedBy     string           `query:"decided_by" maxLength:"63" doc:"Only approvals that this principal decided."`
	Since         time.Time        `query:"since" doc:"Only approvals requested at this time or later." example:"2026-01-05T09:00:00Z"`
}

// nobody is a uid that no certificate has.
const nobody = "none"

// filter chooses by the certificate that has the id now: the approvals of an archived one are not shown as its.
func (f ApprovalFilter) filter(tx *store.Tx, states []api.ApprovalState) (approval.Filter, error) {
	chosen := approval.Filter{
		States: states, Kind: f.Kind, ProfileID: f.ProfileID, RequestedBy: f.RequestedBy, DecidedBy: f.DecidedBy, Since: f.Since.UTC(),
	}
	if f.CertificateID == "" {
		return chosen, nil
	}
	uid, err := certificate.FindUID(tx, f.CertificateID)
	chosen.CertificateUID = cmp.Or(uid, nobody)
	return chosen, err
}

type listApprovalsInput struct {
	Paged
	ApprovalFilter
	State []api.ApprovalState `query:"state,explode" enum:"pending,approved,rejected,expired,cancelled"`
	Order api.ApprovalOrder   `query:"order" enum:"oldest,newest,expires_at" default:"oldest"`
}

func (s *server) listApprovals(ctx context.Context, in *listApprovalsInput) (*list[api.Approval], error) {
	read := web.Query[[]approval.Approval]
	if in.CertificateID != "" {
		read = web.Read // which certificate has the id now is another statement
	}
	rows, err := read(ctx, s.Store, func(tx *store.Tx) ([]approval.Approval, error) {
		filter, err := in.filter(tx, in.State)
		if err != nil {
			return nil, err
		}
		return approval.List(tx, filter, in.Order, in.page(false))
	})
	if err != nil {
		return nil, err
	}
	place := func(a approval.Approval) store.Cursor { return a.Cursor(in.Order) }
	return listed(&in.Paged, rows, place, approval.Approval.API), nil
}

type approvalSummaryInput struct {
	ApprovalFilter
	State []api.ApprovalState `query:"state,explode" enum:"pending,approved,rejected,expired,cancelled"`
	Limit int                 `query:"limit" default:"50" minimum:"1" maximum:"500"`
}

func (s *server) getApprovalSummary(ctx context.Context, in *approvalSummaryInput) (*plain[api.ApprovalSummary], error) {
	summary, err := web.Read(ctx, s.Store, func(tx *store.Tx) (api.ApprovalSummary, error) {
		states := in.State
		if len(states) == 0 {
			states = []api.ApprovalState{api.ApprovalPending}
		}
		filter, err := in.filter(tx, states)
		if err != nil {
			return api.ApprovalSummary{}, err
		}
		return s.Approvals.Summarize(tx, filter, in.Limit)
	})
	if err != nil {
		return nil, err
	}
	summary.ApprovalBypass, summary.ServerVersion = s.Approvals.HasBypass(), s.Version
	return &plain[api.ApprovalSummary]{summary}, nil
}

func (s *server) getApproval(ctx context.Context, in *ByID) (*plain[api.Approval], error) {
	a, err := web.Query(ctx, s.Store, func(tx *store.Tx) (approval.Approval, error) { return approval.Get(tx, in.ID) })
	return shown(a.API(), err)
}

func shown(a api.Approval, err error) (*plain[api.Approval], error) {
	if err != nil {
		return nil, err
	}
	return &plain[api.Approval]{a}, nil
}

type decisionInput struct {
	ByID
	Once
	Optional[api.Decision]
}

func (s *server) approve(ctx context.Context, in *decisionInput) (*plain[api.Approval], error) {
	return shown(web.Once(ctx, s.Store, in.retry(in.RawBody), func(tx *store.Tx, who identity.Actor) (api.Approval, error) {
		a, err := s.Approvals.Approve(tx, who, in.ID, in.value)
		return a.API(), err
	}))
}

func (s *server) reject(ctx context.Context, in *decisionInput) (*plain[api.Approval], error) {
	return shown(web.Once(ctx, s.Store, in.retry(in.RawBody), func(tx *store.Tx, who identity.Actor) (api.Approval, error) {
		a, err := s.Approvals.Reject(tx, who, in.ID, in.value)
		return a.API(), err
	}))
}

type withdrawInput struct {
	ByID
	Once
	Optional[api.Withdrawal]
}

func (s *server) withdraw(ctx context.Context, in *withdrawInput) (*plain[api.Approval], error) {
	return shown(web.Once(ctx, s.Store, in.retry(in.RawBody), func(tx *store.Tx, who identity.Actor) (api.Approval, error) {
		a, err := s.Approvals.Withdraw(tx, who, in.ID, in.value.Note)
		return a.API(), err
	}))
}
