package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
)

// ApprovalFilter says which approvals are meant.
type ApprovalFilter struct {
	States        []api.ApprovalState
	Kind          api.ApprovalKind
	ProfileID     string
	CertificateID string
	RequestedBy   string
	DecidedBy     string
	Since         time.Time
}

func (f ApprovalFilter) query() query {
	q := query{}
	for _, state := range f.States {
		url.Values(q).Add("state", string(state))
	}
	return q.
		text("kind", string(f.Kind)).
		text("profile_id", f.ProfileID).
		text("certificate_id", f.CertificateID).
		text("requested_by", f.RequestedBy).
		text("decided_by", f.DecidedBy).
		time("since", f.Since)
}

// ListApprovalsOptions filters approvals.
type ListApprovalsOptions struct {
	Page
	ApprovalFilter
	Order api.ApprovalOrder // the oldest first unless given
}

// ListApprovals gives the approvals that match.
func (c *Client) ListApprovals(ctx context.Context, o ListApprovalsOptions) iter.Seq2[api.Approval, error] {
	q := o.ApprovalFilter.query().number("limit", o.Limit).text("order", string(o.Order))
	return list[api.Approval](ctx, c, approvalsPath(), q)
}

// GetApprovalSummaryOptions filters the summary. State is pending unless given.
type GetApprovalSummaryOptions struct {
	ApprovalFilter
	// Limit is how many approvals are listed; all are counted.
	Limit int
}

// GetApprovalSummary counts approvals and lists the oldest, from one snapshot of the database.
func (c *Client) GetApprovalSummary(ctx context.Context, o GetApprovalSummaryOptions) (api.ApprovalSummary, error) {
	q := o.ApprovalFilter.query().number("limit", o.Limit)
	r := request{method: http.MethodGet, path: approvalsPath("summary"), query: url.Values(q), want: http.StatusOK}
	return call[api.ApprovalSummary](ctx, c, r)
}

// GetApproval reads an approval.
func (c *Client) GetApproval(ctx context.Context, id string) (api.Approval, error) {
	return call[api.Approval](ctx, c, request{method: http.MethodGet, path: approvalsPath(id), want: http.StatusOK})
}

// ApproveApproval lets what was requested happen.
func (c *Client) ApproveApproval(ctx context.Context, id string, d api.Decision) (api.Approval, error) {
	return c.decide(ctx, id, "approve", d)
}

// RejectApproval closes a request against its requester's will.
func (c *Client) RejectApproval(ctx context.Context, id string, d api.Decision) (api.Approval, error) {
	return c.decide(ctx, id, "reject", d)
}

// WithdrawApproval closes a request of one's own.
func (c *Client) WithdrawApproval(ctx context.Context, id string, w api.Withdrawal) (api.Approval, error) {
	return c.decide(ctx, id, "withdraw", w)
}

func (c *Client) decide(ctx context.Context, id, verb string, body any) (api.Approval, error) {
	r := request{method: http.MethodPost, path: approvalsPath(id, verb), body: body, want: http.StatusOK}
	return call[api.Approval](ctx, c, r)
}

func approvalsPath(rest ...string) string { return apiPath("approvals", rest...) }
