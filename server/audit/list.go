package audit

import (
	"encoding/json"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// API is the row as callers see it.
func (r Row) API() api.AuditEvent {
	return api.AuditEvent{
		ID: r.ID, OccurredAt: r.OccurredAt, Actor: r.Actor, ActorType: r.ActorType, Action: r.Action,
		ResourceType: r.ResourceType, ResourceID: r.ResourceID, RequestID: r.RequestID, Details: json.RawMessage(r.Details),
	}
}

// Filter chooses events; an empty field chooses all.
type Filter struct {
	Actor, Action, ResourceID string
	Since, Until              time.Time
}

// List gives a page of the trail.
func List(tx *store.Tx, f Filter, page store.Page) ([]Row, error) {
	db := tx.DB
	if f.Actor != "" {
		db = db.Where("actor = ?", f.Actor)
	}
	if f.Action != "" {
		db = db.Where("action = ?", f.Action)
	}
	if f.ResourceID != "" {
		db = db.Where("resource_id = ?", f.ResourceID)
	}
	if !f.Since.IsZero() {
		db = db.Where("occurred_at >= ?", f.Since)
	}
	if !f.Until.IsZero() {
		db = db.Where("occurred_at < ?", f.Until)
	}
	var rows []Row
	err := page.On(db, "occurred_at", "id").Find(&rows).Error
	return rows, err
}
