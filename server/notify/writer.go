package notify

import (
	"encoding/json"
	"errors"
	"fmt"

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

// write writes the message of a row, which may carry others. If nothing that it tells is still true, write returns errOver.
func (w writer) write(tx *store.Tx, row outbox.Row, count int64) (message, error) {
	if count > 1 {
		return w.writeGathered(tx, row, count)
	}
	e, err := w.describe(tx, row)
	if err != nil {
		return message{}, err
	}
	return e.finish(row)
}

// entry is what a message tells of one object. Its texts contain words of this program, and values that went through safe.
type entry struct {
	title string
	lines []string // who, what, until when
	brief string   // one line for a message that tells of several objects
	url   string
	data  any // of the event
}

func (e entry) finish(row outbox.Row) (message, error) {
	body, err := json.Marshal(event{Type: row.Type, Timestamp: row.CreatedAt, Data: e.data})
	if err != nil {
		return message{}, fmt.Errorf("write message %s: %w", row.ID, err)
	}
	return message{id: row.ID, title: "certctl: " + e.title, text: joinLines(append(e.lines, e.url)), body: body}, nil
}

// describe describes the object of one row.
func (w writer) describe(tx *store.Tx, row outbox.Row) (entry, error) {
	switch row.Type {
	case outbox.ApprovalRequested, outbox.ApprovalReminder, outbox.ApprovalApproved, outbox.ApprovalRejected, outbox.ApprovalExpired, outbox.ApprovalCancelled:
		return w.describeApproval(tx, row)
	case outbox.CertificateExpiring:
		return w.describeExpiring(row)
	case outbox.RenewalBlocked:
		return w.describeBlocked(row)
	case outbox.BypassEnabled:
		return w.describeBypass(), nil
	default:
		return entry{}, fmt.Errorf("there is no message of type %q", row.Type)
	}
}

// maxGathered bounds the objects that one message describes. It counts the others.
const maxGathered = 20

// writeGathered writes a message about several objects.
func (w writer) writeGathered(tx *store.Tx, row outbox.Row, count int64) (message, error) {
	rows, err := outbox.ListCarried(tx, row, maxGathered-1)
	if err != nil {
		return message{}, err
	}
	var entries []entry
	var failures error
	for _, r := range append([]outbox.Row{row}, rows...) {
		e, err := w.describe(tx, r)
		if errors.Is(err, errOver) {
			continue
		}
		if err != nil {
			failures = errors.Join(failures, err)
			continue // the message counts the object, and tells of the others
		}
		entries = append(entries, e)
	}
	if failures != nil && (len(entries) == 0 || tx.Context().Err() != nil) {
		return message{}, failures
	}
	if len(entries) == 0 && count <= maxGathered {
		return message{}, errOver
	}
	return w.gather(row, entries, count).finish(row)
}

// gather puts several objects into one entry.
func (w writer) gather(row outbox.Row, entries []entry, count int64) entry {
	data := gatheredData{SchemaVersion: schemaVersion, Count: count, URL: w.origin + listPath(row.Type), Gathered: []any{}}
	title := fmt.Sprintf("%d %s", count, gatheredTitles[row.Type])
	gathered := entry{title: title, lines: []string{title + ":"}, url: data.URL}
	for _, e := range entries {
		gathered.lines = append(gathered.lines, "- "+e.brief)
		data.Gathered = append(data.Gathered, e.data)
	}
	if rest := count - int64(len(entries)); rest > 0 {
		gathered.lines = append(gathered.lines, fmt.Sprintf("- and %d more", rest))
	}
	gathered.data = data
	return gathered
}

func (w writer) describeApproval(tx *store.Tx, row outbox.Row) (entry, error) {
	a, err := approval.Get(tx, row.About)
	if err != nil {
		return entry{}, err
	}
	if row.Type == outbox.ApprovalReminder && (a.State != api.ApprovalPending || a.IsOverdue(tx.Now)) {
		return entry{}, errOver
	}
	data, err := w.approvalData(a, row)
	if err != nil {
		return entry{}, err
	}
	return describeApproval(row, data), nil
}

func (w writer) describeExpiring(row outbox.Row) (entry, error) {
	var leaf outbox.ExpiringLeaf
	if err := json.Unmarshal([]byte(row.Data), &leaf); err != nil {
		return entry{}, fmt.Errorf("read the details of message %s: %w", row.ID, err)
	}
	data := expiringData{
		SchemaVersion: schemaVersion, CertificateID: leaf.CertificateID, URL: w.origin + "/certificates/" + leaf.CertificateID, ProfileID: leaf.ProfileID,
		SerialNumber: leaf.SerialNumber, NotAfter: leaf.NotAfter, Horizon: leaf.Horizon, NameCount: leaf.NameCount,
	}
	if w.names {
		data.Names = showNames(leaf.Names)
	}
	return describeExpiring(data), nil
}

func (w writer) describeBlocked(row outbox.Row) (entry, error) {
	var blocked outbox.BlockedRenewal
	if err := json.Unmarshal([]byte(row.Data), &blocked); err != nil {
		return entry{}, fmt.Errorf("read the details of message %s: %w", row.ID, err)
	}
	return describeBlocked(blockedData{
		SchemaVersion: schemaVersion, CertificateID: blocked.CertificateID, URL: w.origin + "/certificates/" + blocked.CertificateID,
		ProfileID: blocked.ProfileID, Reason: blocked.Reason, NotAfter: blocked.NotAfter,
	}), nil
}

func (w writer) describeBypass() entry {
	return entry{
		title: "the approval bypass is on",
		lines: []string{"A server was started with CERTCTL_APPROVAL_BYPASS: it approves every request at once, without a person."},
		url:   w.origin,
		data:  serverData{SchemaVersion: schemaVersion, URL: w.origin},
	}
}

// maxNames bounds the names in an event.
const maxNames = 20

// approvalData returns the data of an event. All of it is fixed when the event happens, so every attempt sends the same.
func (w writer) approvalData(a approval.Approval, row outbox.Row) (approvalData, error) {
	d := approvalData{
		SchemaVersion: schemaVersion, ApprovalID: a.ID, Kind: a.Kind, State: a.State, URL: w.origin + "/approvals/" + a.ID,
		RequestedBy: a.RequestedBy, Accountable: a.Accountable, ProfileID: a.ProfileID, CertificateID: a.CertificateID, JobID: a.JobID,
		Digest: a.Digest, RequestedAt: a.CreatedAt, ExpiresAt: a.ExpiresAt,
	}
	if err := json.Unmarshal([]byte(row.Data), &d.Reminder); row.Type == outbox.ApprovalReminder && err != nil {
		return d, fmt.Errorf("read the details of message %s: %w", row.ID, err)
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
