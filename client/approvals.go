package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
)

// ApprovalFilter selects approvals. An empty field selects all.
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
		addText("kind", string(f.Kind)).
		addText("profile_id", f.ProfileID).
		addText("certificate_id", f.CertificateID).
		addText("requested_by", f.RequestedBy).
		addText("decided_by", f.DecidedBy).
		addTime("since", f.Since)
}

// ListApprovalsOptions filters approvals.
type ListApprovalsOptions struct {
	Page
	ApprovalFilter
	Order api.ApprovalOrder // the default is the oldest first
}

// ListApprovals returns the approvals that match.
func (c *Client) ListApprovals(ctx context.Context, o ListApprovalsOptions) iter.Seq2[api.Approval, error] {
	q := o.ApprovalFilter.query().addNumber("limit", o.Limit).addText("order", string(o.Order))
	return list[api.Approval](ctx, c, approvalsPath(), q)
}

// GetApprovalSummaryOptions filters the summary. The default state is pending.
type GetApprovalSummaryOptions struct {
	ApprovalFilter
	// Limit bounds the list of approvals. The counts cover all approvals.
	Limit int
}

// GetApprovalSummary counts approvals and lists the oldest, from one snapshot of the database.
func (c *Client) GetApprovalSummary(ctx context.Context, o GetApprovalSummaryOptions) (api.ApprovalSummary, error) {
	q := o.ApprovalFilter.query().addNumber("limit", o.Limit)
	r := request{method: http.MethodGet, path: approvalsPath("summary"), query: url.Values(q), want: http.StatusOK}
	return call[api.ApprovalSummary](ctx, c, r)
}

// GetApproval reads an approval.
func (c *Client) GetApproval(ctx context.Context, id string) (api.Approval, error) {
	return call[api.Approval](ctx, c, request{method: http.MethodGet, path: approvalsPath(id), want: http.StatusOK})
}

// GetEligibility reads who may decide an approval.
func (c *Client) GetEligibility(ctx context.Context, id string) (api.Eligibility, error) {
	return call[api.Eligibility](ctx, c, request{method: http.MethodGet, path: approvalsPath(id, "eligibility"), want: http.StatusOK})
}

// ApproveApproval approves a request.
func (c *Client) ApproveApproval(ctx context.Context, id string, d api.Decision) (api.Approval, error) {
	return c.decide(ctx, id, "approve", d)
}

// RejectApproval rejects a request.
func (c *Client) RejectApproval(ctx context.Context, id string, d api.Decision) (api.Approval, error) {
	return c.decide(ctx, id, "reject", d)
}

// WithdrawApproval withdraws a request. The caller is an operator, or accountable for the request.
func (c *Client) WithdrawApproval(ctx context.Context, id string, w api.Withdrawal) (api.Approval, error) {
	return c.decide(ctx, id, "withdraw", w)
}

func (c *Client) decide(ctx context.Context, id, verb string, body any) (api.Approval, error) {
	r := request{method: http.MethodPost, path: approvalsPath(id, verb), body: body, want: http.StatusOK}
	return call[api.Approval](ctx, c, r)
}

func approvalsPath(rest ...string) string { return apiPath("approvals", rest...) }
