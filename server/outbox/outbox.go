package outbox

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Type is the type of a message, as its receivers see it.
type Type string

// The types.
const (
	ApprovalRequested   Type = "approval.requested"
	ApprovalReminder    Type = "approval.reminder"
	ApprovalApproved    Type = "approval.approved"
	ApprovalRejected    Type = "approval.rejected"
	ApprovalExpired     Type = "approval.expired"
	ApprovalCancelled   Type = "approval.cancelled"
	RenewalBlocked      Type = "renewal.blocked"
	CertificateExpiring Type = "certificate.expiring"
	BypassEnabled       Type = "bypass.enabled"
)

// Types lists every type of message.
func Types() []Type {
	return []Type{
		ApprovalRequested, ApprovalReminder, ApprovalApproved, ApprovalRejected, ApprovalExpired, ApprovalCancelled,
		RenewalBlocked, CertificateExpiring, BypassEnabled,
	}
}

// State is where a message stands. All but pending are final.
type State string

// The states.
const (
	Pending   State = "pending"
	Delivered State = "delivered"
	Dropped   State = "dropped" // it would have told something that was over
	Failed    State = "failed"  // it was not delivered within GiveUpAfter
)

const (
	// Lease is how long a claim holds.
	Lease = time.Minute
	// GiveUpAfter is how long a message is tried.
	GiveUpAfter = 24 * time.Hour
)

// Message is what the writer of a message says.
type Message struct {
	Type Type
	// About is the id of the approval or the uid of the certificate that the message is about; empty for neither.
	About string
	// Topic is the accountable person, or the profile. Messages of one type and topic are counted, and gathered if there are
	// many.
	Topic string
	// MayGather says that the message may be gathered with others.
	MayGather bool
	// Data are details that the object itself does not keep; nil for none.
	Data any
}

// Row is a message for one receiver.
type Row struct {
	ID        string
	Receiver  string
	Type      Type
	About     string
	Topic     string
	MayGather bool
	Gathered  string
	Leader    *string
	Data      string
	State     State
	Attempt   int
	Fence     int64
	LastError string
	CreatedAt time.Time
	DueAt     time.Time
	EndedAt   *time.Time
}

// TableName implements gorm's Tabler.
func (Row) TableName() string { return "outbox" }

const appendToEach = `INSERT INTO outbox (id, receiver, type, about, topic, may_gather, gathered, data, state, attempt, fence, last_error, created_at, due_at)
	SELECT ?, name, ?, ?, ?, ?, '', ?, 'pending', 0, 0, '', ?, ? FROM receivers`

// Append adds a message for every receiver. After the commit it wakes those who deliver.
func Append(tx *store.Tx, m Message) error {
	data, err := json.Marshal(m.Data)
	if err != nil {
		return fmt.Errorf("details of a message %s: %w", m.Type, err)
	}
	topic := string(m.Type) + "/" + m.Topic
	done := tx.DB.Exec(appendToEach, tx.NewSortedID("msg-"), m.Type, m.About, topic, m.MayGather, string(data), tx.Now, tx.Now)
	if done.Error != nil {
		return fmt.Errorf("append a message %s: %w", m.Type, done.Error)
	}
	if done.RowsAffected > 0 {
		tx.WakeMessengers()
	}
	return nil
}
