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

// ApprovalFilter is the part of a query that chooses approvals.
type ApprovalFilter struct {
	Kind          api.ApprovalKind `query:"kind" enum:"issuance,profile_edit"`
	ProfileID     string           `query:"profile_id" maxLength:"65" doc:"Only approvals under this profile."`
	CertificateID string           `query:"certificate_id" maxLength:"66" doc:"Only approvals of this certificate."`
	RequestedBy   string           `query:"requested_by" maxLength:"63" doc:"Only approvals that this principal requested."`
	DecidedBy     string           `query:"decided_by" maxLength:"63" doc:"Only approvals that this principal decided."`
	Since         time.Time        `query:"since" doc:"Only approvals requested at this time or later." example:"2026-01-05T09:00:00Z"`
}

// noUID is a uid that no certificate has.
const noUID = "none"

// resolve returns the filter of package approval. A certificate id means the certificate that has the id now: approvals
// of an archived certificate do not match.
func (f ApprovalFilter) resolve(tx *store.Tx, states []api.ApprovalState) (approval.Filter, error) {
	filter := approval.Filter{
		States: states, Kind: f.Kind, ProfileID: f.ProfileID, RequestedBy: f.RequestedBy, DecidedBy: f.DecidedBy, Since: f.Since.UTC(),
	}
	if f.CertificateID == "" {
		return filter, nil
	}
	uid, err := certificate.FindUID(tx, f.CertificateID)
	filter.CertificateUID = cmp.Or(uid, noUID)
	return filter, err
}

type listApprovalsInput struct {
	PageQuery
	ApprovalFilter
	State []api.ApprovalState `query:"state,explode" enum:"pending,approved,rejected,expired,cancelled"`
	Order api.ApprovalOrder   `query:"order" enum:"oldest,newest,expires_at" default:"oldest"`
}

func (s *server) listApprovals(ctx context.Context, in *listApprovalsInput) (*listAnswer[api.Approval], error) {
	read := web.Query[[]approval.Approval]
	if in.CertificateID != "" {
		read = web.Read // to find the uid is a second statement
	}
	rows, err := read(ctx, s.Store, func(tx *store.Tx) ([]approval.Approval, error) {
		filter, err := in.resolve(tx, in.State)
		if err != nil {
			return nil, err
		}
		return approval.List(tx, filter, in.Order, in.page(false))
	})
	if err != nil {
		return nil, err
	}
	cursorOf := func(a approval.Approval) store.Cursor { return a.Cursor(in.Order) }
	return newConvertedAnswer(&in.PageQuery, rows, cursorOf, approval.Approval.API), nil
}

type approvalSummaryInput struct {
	ApprovalFilter
	State []api.ApprovalState `query:"state,explode" enum:"pending,approved,rejected,expired,cancelled"`
	Limit int                 `query:"limit" default:"50" minimum:"1" maximum:"500"`
}

func (s *server) getApprovalSummary(ctx context.Context, in *approvalSummaryInput) (*bodyAnswer[api.ApprovalSummary], error) {
	summary, err := web.Read(ctx, s.Store, func(tx *store.Tx) (api.ApprovalSummary, error) {
		states := in.State
		if len(states) == 0 {
			states = []api.ApprovalState{api.ApprovalPending}
		}
		filter, err := in.resolve(tx, states)
		if err != nil {
			return api.ApprovalSummary{}, err
		}
		return s.Approvals.Summarize(tx, filter, in.Limit)
	})
	if err != nil {
		return nil, err
	}
	summary.ApprovalBypass, summary.ServerVersion = s.Approvals.HasBypass(), s.Version
	return &bodyAnswer[api.ApprovalSummary]{summary}, nil
}

func (s *server) getApproval(ctx context.Context, in *PathID) (*bodyAnswer[api.Approval], error) {
	a, err := web.Query(ctx, s.Store, func(tx *store.Tx) (approval.Approval, error) { return approval.Get(tx, in.ID) })
	if err != nil {
		return nil, err
	}
	return &bodyAnswer[api.Approval]{a.API()}, nil
}

func (s *server) getEligibility(ctx context.Context, in *PathID) (*bodyAnswer[api.Eligibility], error) {
	who := web.CallerOf(ctx).Actor
	e, err := web.Read(ctx, s.Store, func(tx *store.Tx) (api.Eligibility, error) { return approval.GetEligibility(tx, who, in.ID) })
	if err != nil {
		return nil, err
	}
	return &bodyAnswer[api.Eligibility]{e}, nil
}

// endApproval runs the verb that ends an approval, once for each retry key.
func (s *server) endApproval(ctx context.Context, r web.Retry, verb func(*store.Tx, identity.Actor) (approval.Approval, error)) (*bodyAnswer[api.Approval], error) {
	a, err := web.WriteOnce(ctx, s.Store, r, func(tx *store.Tx, who identity.Actor) (api.Approval, error) {
		a, err := verb(tx, who)
		return a.API(), err
	})
	if err != nil {
		return nil, err
	}
	return &bodyAnswer[api.Approval]{a}, nil
}

type decisionInput struct {
	PathID
	RetryInput
	OptionalBody[api.Decision]
}

func (s *server) approve(ctx context.Context, in *decisionInput) (*bodyAnswer[api.Approval], error) {
	return s.endApproval(ctx, in.newRetry(in.RawBody), func(tx *store.Tx, who identity.Actor) (approval.Approval, error) {
		return s.Approvals.Approve(tx, who, in.ID, in.value)
	})
}

func (s *server) reject(ctx context.Context, in *decisionInput) (*bodyAnswer[api.Approval], error) {
	return s.endApproval(ctx, in.newRetry(in.RawBody), func(tx *store.Tx, who identity.Actor) (approval.Approval, error) {
		return s.Approvals.Reject(tx, who, in.ID, in.value)
	})
}

type withdrawInput struct {
	PathID
	RetryInput
	OptionalBody[api.Withdrawal]
}

func (s *server) withdraw(ctx context.Context, in *withdrawInput) (*bodyAnswer[api.Approval], error) {
	return s.endApproval(ctx, in.newRetry(in.RawBody), func(tx *store.Tx, who identity.Actor) (approval.Approval, error) {
		return s.Approvals.Withdraw(tx, who, in.ID, in.value.Note)
	})
}
