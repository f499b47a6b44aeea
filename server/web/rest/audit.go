package rest

import (
	"context"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/audit"
	"github.com/certctl/terraform-provider-certctl/server/store"
	"github.com/certctl/terraform-provider-certctl/server/web"
)

type listAuditEventsInput struct {
	PageQuery
	Actor      string    `query:"actor" maxLength:"64" doc:"Only events of this principal or built-in actor." example:"bob"`
	Action     string    `query:"action" maxLength:"64" doc:"Only events with exactly this action." example:"approval_approved"`
	ResourceID string    `query:"resource_id" maxLength:"80" doc:"Only events of the object with this id."`
	Since      time.Time `query:"since" doc:"Only events of this time or later." example:"2026-01-05T09:00:00Z"`
	Until      time.Time `query:"until" doc:"Only events before this time." example:"2026-01-06T00:00:00Z"`
}

func (s *server) listAuditEvents(ctx context.Context, in *listAuditEventsInput) (*listAnswer[api.AuditEvent], error) {
	rows, err := web.Query(ctx, s.Store, func(tx *store.Tx) ([]audit.Row, error) {
		return audit.List(tx, audit.Filter{
			Actor: in.Actor, Action: in.Action, ResourceID: in.ResourceID, Since: in.Since.UTC(), Until: in.Until.UTC(),
		}, in.page(true))
	})
	if err != nil {
		return nil, err
	}
	cursorOf := func(r audit.Row) store.Cursor { return store.Cursor{At: r.OccurredAt, ID: r.ID} }
	return newConvertedAnswer(&in.PageQuery, rows, cursorOf, audit.Row.API), nil
}
