// Package audit owns the audit trail: one row for each change of state, written in the transaction of the change.
//
// The schema refuses every change and deletion of a row.
package audit

import (
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Event is one change of state.
type Event struct {
	Actor        identity.Actor
	Action       string
	ResourceType string
	ResourceID   string
	Details      Details
}

// Details are the rest of an event, as a JSON object. They hold no secret.
type Details map[string]any

// Row is a stored event.
type Row struct {
	ID           string
	OccurredAt   time.Time
	Actor        string
	ActorType    string
	Action       string
	ResourceType string
	ResourceID   string
	RequestID    string
	Details      string
	Position     int64 `gorm:"->"` // the schema sets it
}

// TableName implements gorm's Tabler.
func (Row) TableName() string { return "audit_events" }

// Append adds an event to the trail. An event of a command names the operating system's user who ran the command.
func Append(tx *store.Tx, e Event) error {
	if e.Details == nil {
		e.Details = Details{}
	}
	if claim, ok := identity.ClaimOf(tx.Context()); ok && e.Actor.ID == identity.CLI.ID {
		e.Details = maps.Clone(e.Details)
		e.Details["claimed"] = claim
	}
	details, err := json.Marshal(e.Details)
	if err != nil {
		return fmt.Errorf("audit details: %w", err)
	}
	row := Row{
		ID:           tx.NewSortedID("ev-"),
		OccurredAt:   tx.Now,
		Actor:        e.Actor.ID,
		ActorType:    e.Actor.Type(),
		Action:       e.Action,
		ResourceType: e.ResourceType,
		ResourceID:   e.ResourceID,
		RequestID:    identity.RequestID(tx.Context()),
		Details:      string(details),
	}
	if err := tx.DB.Create(&row).Error; err != nil {
		return fmt.Errorf("append %s to the audit trail: %w", e.Action, err)
	}
	return nil
}
