package client

import (
	"context"
	"iter"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
)

// ListAuditEventsOptions filters the audit trail.
type ListAuditEventsOptions struct {
	Page
	Actor      string
	Action     string
	ResourceID string
	Since      time.Time
	Until      time.Time
}

// ListAuditEvents returns the rows of the audit trail that match, the newest first.
func (c *Client) ListAuditEvents(ctx context.Context, o ListAuditEventsOptions) iter.Seq2[api.AuditEvent, error] {
	q := o.Page.query().
		addText("actor", o.Actor).
		addText("action", o.Action).
		addText("resource_id", o.ResourceID).
		addTime("since", o.Since).
		addTime("until", o.Until)
	return list[api.AuditEvent](ctx, c, apiPath("audit-events"), q)
}
