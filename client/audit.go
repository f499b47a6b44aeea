package client

import (
	"cmp"
	"context"
	"iter"
	"net/http"
	"net/url"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
)

// ListAuditEventsOptions filters and orders the audit trail.
type ListAuditEventsOptions struct {
	Page
	Actor      string
	Action     string
	ResourceID string
	Since      time.Time
	Until      time.Time
	Order      api.AuditOrder // the newest first unless given
}

func (o ListAuditEventsOptions) query() query {
	return o.Page.query().
		addText("actor", o.Actor).
		addText("action", o.Action).
		addText("resource_id", o.ResourceID).
		addTime("since", o.Since).
		addTime("until", o.Until).
		addText("order", string(o.Order))
}

// ListAuditEvents returns the events of the audit trail that match. To wait for later events, use FollowAuditEvents.
func (c *Client) ListAuditEvents(ctx context.Context, o ListAuditEventsOptions) iter.Seq2[api.AuditEvent, error] {
	return list[api.AuditEvent](ctx, c, apiPath("audit-events"), o.query())
}

// FollowAuditEventsOptions say where a follower begins, and which events it reads.
type FollowAuditEventsOptions struct {
	Page
	// Cursor is that of the last page that was handled. Without it the follower begins with the oldest event.
	Cursor     string
	Actor      string
	Action     string
	ResourceID string
	Since      time.Time
	// Pause is the time between two requests while there is nothing new; 5 seconds unless given.
	Pause time.Duration
}

func (o FollowAuditEventsOptions) query() query {
	list := ListAuditEventsOptions{
		Page: o.Page, Actor: o.Actor, Action: o.Action, ResourceID: o.ResourceID, Since: o.Since, Order: api.AuditOldestFirst,
	}
	return list.query().addText("after", o.Cursor)
}

// AuditPage is the next part of the audit trail.
type AuditPage struct {
	Events []api.AuditEvent // at least one
	Cursor string           // of the page after this one
}

const defaultPause = 5 * time.Second

// FollowAuditEvents returns the audit trail from a cursor on, and waits for later events until ctx ends. Each event comes
// exactly once, in an order that never changes.
//
// Store the cursor of a page after its events are handled. After a restart, a follower with the stored cursor gets the next
// page.
//
// If a request fails, FollowAuditEvents yields the error. If the caller continues, it tries again after the pause.
func (c *Client) FollowAuditEvents(ctx context.Context, o FollowAuditEventsOptions) iter.Seq2[AuditPage, error] {
	pause := cmp.Or(o.Pause, defaultPause)
	return func(yield func(AuditPage, error) bool) {
		for query := url.Values(o.query()); ctx.Err() == nil; {
			page, next, err := c.getAuditPage(ctx, query)
			if ctx.Err() != nil {
				return
			}
			if err == nil {
				query = next
			}
			if (err != nil || len(page.Events) > 0) && !yield(page, err) {
				return
			}
			if n := len(page.Events); n == 0 || n < limitOf(next) {
				select {
				case <-ctx.Done():
				case <-time.After(pause):
				}
			}
		}
	}
}

// getAuditPage returns one page, and the query of the next page.
func (c *Client) getAuditPage(ctx context.Context, q url.Values) (AuditPage, url.Values, error) {
	r := request{method: http.MethodGet, path: apiPath("audit-events"), query: q, want: http.StatusOK}
	events, header, err := callWithHeader[[]api.AuditEvent](ctx, c, r)
	if err != nil {
		return AuditPage{}, nil, err
	}
	next := nextQuery(header)
	if next.Get("after") == "" {
		return AuditPage{}, nil, c.newForeignAnswerError(r, http.StatusOK, "it does not link to the next page")
	}
	return AuditPage{Events: events, Cursor: next.Get("after")}, next, nil
}
