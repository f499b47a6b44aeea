package api

import (
	"encoding/json"
	"time"
)

// AuditEvent is one row of the audit trail.
type AuditEvent struct {
	ID           string          `json:"id"`
	OccurredAt   time.Time       `json:"occurred_at" doc:"When the change happened."`
	Actor        string          `json:"actor" doc:"Principal that acted, or a built-in actor such as system-reaper."`
	ActorType    string          `json:"actor_type" enum:"User,Service,System"`
	Action       string          `json:"action" doc:"Name of the change, or decision_denied."`
	ResourceType string          `json:"resource_type"`
	ResourceID   string          `json:"resource_id"`
	RequestID    string          `json:"request_id" doc:"Id of the request that caused the change; empty without a request."`
	Details      json.RawMessage `json:"details" doc:"Further members, which depend on the action."`
}

// AuditOrder is the order of a list of audit events.
type AuditOrder string

// The orders.
const (
	AuditOldestFirst AuditOrder = "oldest" // complete: for followers
	AuditNewestFirst AuditOrder = "newest"
)
