package audit

import (
	"encoding/json"
	"time"

	"gorm.io/gorm"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// API returns the event as callers see it.
func (r Row) API() api.AuditEvent {
	return api.AuditEvent{
		ID: r.ID, OccurredAt: r.OccurredAt, Actor: r.Actor, ActorType: r.ActorType, Action: r.Action,
		ResourceType: r.ResourceType, ResourceID: r.ResourceID, RequestID: r.RequestID, Details: json.RawMessage(r.Details),
	}
}

// Filter chooses events. An empty field chooses all.
type Filter struct {
	Actor, Action, ResourceID string
	Since, Until              time.Time
}

func (f Filter) apply(db *gorm.DB) *gorm.DB {
	db = db.Where(&Row{Actor: f.Actor, Action: f.Action, ResourceID: f.ResourceID})
	if !f.Since.IsZero() {
		db = db.Where("occurred_at >= ?", f.Since)
	}
	if !f.Until.IsZero() {
		db = db.Where("occurred_at < ?", f.Until)
	}
	return db
}

// List returns a page of the trail by time.
func List(tx *store.Tx, f Filter, page store.Page) ([]Row, error) {
	var rows []Row
	err := page.On(f.apply(tx.DB), "occurred_at", "id").Find(&rows).Error
	return rows, err
}
