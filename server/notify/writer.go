package notify

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/approval"
	"github.com/certctl/terraform-provider-certctl/server/outbox"
	"github.com/certctl/terraform-provider-certctl/server/review"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// writer writes messages from rows of the outbox.
type writer struct {
	origin string // where people reach the server
	names  bool   // whether messages contain names
}

// errOver says that a message would tell something that is over.
var errOver = errors.New("what the message tells is over")

// write writes the message of a row. If the message is a reminder of a request that has ended, write returns errOver.
func (w writer) write(tx *store.Tx, row outbox.Row) (message, error) {
	switch row.Type {
	case outbox.ApprovalRequested, outbox.ApprovalReminder, outbox.ApprovalApproved, outbox.ApprovalRejected, outbox.ApprovalExpired, outbox.ApprovalCancelled:
		return w.writeApproval(tx, row)
	default:
		return message{}, fmt.Errorf("there is no message of type %q", row.Type)
	}
}

func (w writer) writeApproval(tx *store.Tx, row outbox.Row) (message, error) {
	a, err := approval.Get(tx, row.About)
	if err != nil {
		return message{}, err
	}
	if row.Type == outbox.ApprovalReminder && (a.State != api.ApprovalPending || a.IsOverdue(tx.Now)) {
		return message{}, errOver
	}
	data, err := w.describeApproval(a, row)
	if err != nil {
		return message{}, err
	}
	return w.finish(row, describeApprovalTitle(row, data), describeApprovalText(row, data), data)
}

// finish puts a message together. Title and lines contain words of this program, and values that went through safe.
func (writer) finish(row outbox.Row, title string, lines []string, data any) (message, error) {
	body, err := json.Marshal(event{Type: row.Type, Timestamp: row.CreatedAt, Data: data})
	if err != nil {
		return message{}, fmt.Errorf("write message %s: %w", row.ID, err)
	}
	return message{id: row.ID, title: title, text: strings.Join(lines, "\n"), body: body}, nil
}

// maxNames bounds the names in an event.
const maxNames = 20

// describeApproval returns the data of an event. All of it is fixed when the event happens, so every attempt sends the same.
func (w writer) describeApproval(a approval.Approval, row outbox.Row) (approvalData, error) {
	d := approvalData{
		SchemaVersion: schemaVersion, ApprovalID: a.ID, Kind: a.Kind, State: a.State, URL: w.origin + "/approvals/" + a.ID,
		RequestedBy: a.RequestedBy, Accountable: a.Accountable, ProfileID: a.ProfileID, CertificateID: a.CertificateID, JobID: a.JobID,
		Digest: a.Digest, RequestedAt: a.CreatedAt, ExpiresAt: a.ExpiresAt, Reminder: row.Data,
	}
	if row.Type == outbox.ApprovalRequested || row.Type == outbox.ApprovalReminder {
		d.State = api.ApprovalPending // it may have ended since
	} else {
		d.DecidedBy, d.DecidedAt, d.ClosedBy, d.ClosedAt, d.Cause = a.DecidedBy, a.DecidedAt, a.ClosedBy, a.ClosedAt, a.Cause
	}
	if err := d.addNames(a, w.names); err != nil {
		return d, err
	}
	r, err := review.Of(a.API(), nil)
	if err != nil {
		return d, err
	}
	show := safe
	if !w.names {
		show = nil
	}
	d.News = r.News(show)
	return d, nil
}

// addNames adds the names of an issuance, or only their number.
func (d *approvalData) addNames(a approval.Approval, names bool) error {
	if a.Kind != api.ApprovalIssuance {
		return nil
	}
	var subject api.IssuanceSubject
	if err := json.Unmarshal([]byte(a.Subject), &subject); err != nil {
		return fmt.Errorf("read the subject of %s: %w", a.ID, err)
	}
	d.NameCount = len(subject.SANs)
	var added []string
	if c := store.Value(a.Context); c != nil {
		added = c.NamesAdded
	}
	d.NewNameCount = len(added)
	if names {
		d.Names, d.NewNames = showNames(subject.SANs), showNames(added)
	}
	return nil
}

func showNames(names []string) []string {
	shown := make([]string, min(len(names), maxNames))
	for i := range shown {
		shown[i] = safe(names[i])
	}
	return shown
}
