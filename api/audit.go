package api

import (
	"encoding/json"
	"time"
)

// AuditEvent is one row of the audit trail.
type AuditEvent struct {
	ID           string          `json:"id"`
	OccurredAt   time.Time       `json:"occurred_at"`
	Actor        string          `json:"actor"`
	ActorType    string          `json:"actor_type" enum:"User,Service,System"`
	Action       string          `json:"action"`
	ResourceType string          `json:"resource_type"`
	ResourceID   string          `json:"resource_id"`
	RequestID    string          `json:"request_id"`
	Details      json.RawMessage `json:"details"`
}
