package notify

import (
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/outbox"
)

// schemaVersion is the version of the data of all events. A new field does not raise it; a changed or removed one does.
const schemaVersion = 1

// event is the body of a webhook.
type event struct {
	Type      outbox.Type `json:"type"`
	Timestamp time.Time   `json:"timestamp"` // when it happened
	Data      any         `json:"data"`
}

// approvalData is the data of the events approval.*. Names are written by safe.
type approvalData struct {
	SchemaVersion int               `json:"schema_version"`
	ApprovalID    string            `json:"approval_id"`
	Kind          api.ApprovalKind  `json:"kind"`
	State         api.ApprovalState `json:"state"`
	URL           string            `json:"url,omitempty"`
	RequestedBy   string            `json:"requested_by"`
	Accountable   string            `json:"accountable"`
	ProfileID     *string           `json:"profile_id"`
	CertificateID *string           `json:"certificate_id"`
	JobID         *string           `json:"job_id"`
	Digest        string            `json:"digest"`
	RequestedAt   time.Time         `json:"requested_at"`
	ExpiresAt     time.Time         `json:"expires_at"`
	News          string            `json:"news"`
	NameCount     int               `json:"name_count"`
	NewNameCount  int               `json:"new_name_count"`
	Names         []string          `json:"names,omitempty"`
	NewNames      []string          `json:"new_names,omitempty"`
	Reminder      string            `json:"reminder,omitempty"`
	DecidedBy     *string           `json:"decided_by,omitempty"`
	DecidedAt     *time.Time        `json:"decided_at,omitempty"`
	ClosedBy      *string           `json:"closed_by,omitempty"`
	ClosedAt      *time.Time        `json:"closed_at,omitempty"`
	Cause         *api.Cause        `json:"cause,omitempty"`
}

// gatheredData is the data of an event that tells of several objects. Gathered has the data of the first of them.
type gatheredData struct {
	SchemaVersion int    `json:"schema_version"`
	Count         int64  `json:"count"`
	URL           string `json:"url"`
	Gathered      []any  `json:"gathered"`
}

// expiringData is the data of the event certificate.expiring.
type expiringData struct {
	SchemaVersion int       `json:"schema_version"`
	CertificateID string    `json:"certificate_id"`
	URL           string    `json:"url"`
	ProfileID     string    `json:"profile_id"`
	SerialNumber  string    `json:"serial_number"`
	NotAfter      time.Time `json:"not_after"`
	Horizon       string    `json:"horizon"`
	NameCount     int       `json:"name_count"`
	Names         []string  `json:"names,omitempty"`
}

// blockedData is the data of the event renewal.blocked.
type blockedData struct {
	SchemaVersion int        `json:"schema_version"`
	CertificateID string     `json:"certificate_id"`
	URL           string     `json:"url"`
	ProfileID     string     `json:"profile_id"`
	Reason        string     `json:"reason"`
	NotAfter      *time.Time `json:"not_after"`
}

// serverData is the data of the event bypass.enabled, and of a test.
type serverData struct {
	SchemaVersion int    `json:"schema_version"`
	URL           string `json:"url"`
}
