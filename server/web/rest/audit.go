package rest

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/negotiation"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/audit"
	"github.com/certctl/terraform-provider-certctl/server/store"
	"github.com/certctl/terraform-provider-certctl/server/web"
)

// listAuditEventsInput has its own After: each order has its own kind of cursor.
type listAuditEventsInput struct {
	Limit int            `query:"limit" default:"50" minimum:"1" maximum:"500"`
	After string         `query:"after" doc:"Cursor of the page, from the Link header of the page before in the same order. The content has no meaning."`
	Order api.AuditOrder `query:"order" enum:"oldest,newest" default:"newest"`

	Actor      string    `query:"actor" maxLength:"64" doc:"Only events of this principal or built-in actor." example:"bob"`
	Action     string    `query:"action" maxLength:"64" doc:"Only events with exactly this action." example:"approval_approved"`
	ResourceID string    `query:"resource_id" maxLength:"80" doc:"Only events of the object with this id."`
	Since      time.Time `query:"since" doc:"Only events of this time or later." example:"2026-01-05T09:00:00Z"`
	Until      time.Time `query:"until" doc:"Only events before this time." example:"2026-01-06T00:00:00Z"`

	cursor   store.Cursor   // of the newest first
	position store.Position // of the oldest first
	url      url.URL

	mediaType string // of the answer
}

const (
	jsonContentType  = "application/json"
	linesContentType = "application/x-ndjson"
)

// Resolve implements huma.Resolver.
func (in *listAuditEventsInput) Resolve(ctx huma.Context) []error {
	in.url = ctx.URL()
	in.mediaType = cmp.Or(negotiation.SelectQValue(ctx.Header("Accept"), []string{jsonContentType, linesContentType}), jsonContentType)
	if in.After == "" {
		return nil
	}
	var err error
	if in.Order == api.AuditOldestFirst {
		in.position, err = store.ParsePosition(in.After)
	} else {
		in.cursor, err = store.ParseCursor(in.After)
	}
	if err != nil {
		return []error{&huma.ErrorDetail{Location: "query.after", Message: err.Error()}}
	}
	return nil
}

func (in *listAuditEventsInput) filter() audit.Filter {
	return audit.Filter{Actor: in.Actor, Action: in.Action, ResourceID: in.ResourceID, Since: in.Since.UTC(), Until: in.Until.UTC()}
}

// auditAnswer is one page of the audit trail, as JSON or with one event in each line.
type auditAnswer struct {
	ContentType string `header:"Content-Type"`
	Link        string `header:"Link"`
	Body        []byte
}

func (s *server) listAuditEvents(ctx context.Context, in *listAuditEventsInput) (*auditAnswer, error) {
	read := s.readAuditTrail
	if in.Order == api.AuditOldestFirst {
		read = s.followAuditTrail
	}
	page, err := read(ctx, in)
	if err != nil {
		return nil, err
	}
	answer := &auditAnswer{ContentType: in.mediaType, Link: page.Link}
	if answer.Body, err = encodeEvents(in.mediaType, page.Body); err != nil {
		return nil, fmt.Errorf("encode audit events: %w", err)
	}
	return answer, nil
}

func encodeEvents(mediaType string, events []api.AuditEvent) ([]byte, error) {
	var b bytes.Buffer
	if mediaType != linesContentType {
		err := huma.DefaultJSONFormat.Marshal(&b, events)
		return b.Bytes(), err
	}
	for _, e := range events {
		if err := huma.DefaultJSONFormat.Marshal(&b, e); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}

// readAuditTrail returns a page of the newest events.
func (s *server) readAuditTrail(ctx context.Context, in *listAuditEventsInput) (*listAnswer[api.AuditEvent], error) {
	page := PageQuery{Limit: in.Limit, cursor: in.cursor, url: in.url}
	rows, err := web.Query(ctx, s.Store, func(tx *store.Tx) ([]audit.Row, error) {
		return audit.List(tx, in.filter(), page.page(true))
	})
	if err != nil {
		return nil, err
	}
	cursorOf := func(r audit.Row) store.Cursor { return store.Cursor{At: r.OccurredAt, ID: r.ID} }
	return newConvertedAnswer(&page, rows, cursorOf, audit.Row.API), nil
}

// followAuditTrail returns the next events for a follower. The answer always links to the next page, which may have no
// events yet.
func (s *server) followAuditTrail(ctx context.Context, in *listAuditEventsInput) (*listAnswer[api.AuditEvent], error) {
	next := in.position
	rows, err := web.Read(ctx, s.Store, func(tx *store.Tx) (rows []audit.Row, err error) {
		rows, next, err = audit.Follow(tx, in.filter(), in.position, in.Limit)
		return rows, err
	})
	if err != nil {
		return nil, err
	}
	answer := &listAnswer[api.AuditEvent]{Link: nextLink(in.url, in.Limit, next.String()), Body: make([]api.AuditEvent, len(rows))}
	for i, row := range rows {
		answer.Body[i] = row.API()
	}
	return answer, nil
}
