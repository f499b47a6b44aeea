package notify

import (
	"fmt"
	"strings"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/outbox"
)

// done are the words for what happened to a request.
var done = map[outbox.Type]string{
	outbox.ApprovalRequested: "waits for approval",
	outbox.ApprovalReminder:  "still waits for approval",
	outbox.ApprovalApproved:  "was approved",
	outbox.ApprovalRejected:  "was rejected",
	outbox.ApprovalExpired:   "expired",
	outbox.ApprovalCancelled: "was cancelled",
}

// subjects are the words for what is requested.
var subjects = map[api.ApprovalKind]string{
	api.ApprovalIssuance:    "a certificate",
	api.ApprovalProfileEdit: "an edit of a profile",
}

func describeApprovalTitle(row outbox.Row, d approvalData) string {
	return fmt.Sprintf("certctl: %s %s", d.ApprovalID, done[row.Type])
}

// describeApprovalText returns the lines of a message: who asks for what, what is new about it, until when, and the link.
func describeApprovalText(row outbox.Row, d approvalData) []string {
	lines := []string{fmt.Sprintf("%s requested %s%s. The request %s%s.", describePerson(d), subjects[d.Kind], describeIDs(d), done[row.Type], describeDecider(d))}
	if d.News != "" {
		lines = append(lines, "New: "+d.News+".")
	}
	if d.NameCount > 0 {
		lines = append(lines, fmt.Sprintf("Names: %d%s.", d.NameCount, describeNames(d)))
	}
	if d.State == api.ApprovalPending {
		lines = append(lines, "Decide until "+describeTime(d.ExpiresAt)+".")
	}
	return append(lines, d.URL)
}

func describePerson(d approvalData) string {
	if d.RequestedBy == d.Accountable {
		return safe(d.RequestedBy)
	}
	return fmt.Sprintf("%s (accountable: %s)", safe(d.RequestedBy), safe(d.Accountable))
}

func describeIDs(d approvalData) string {
	var ids strings.Builder
	if d.CertificateID != nil {
		ids.WriteString(" " + safe(*d.CertificateID))
	}
	if d.ProfileID != nil {
		ids.WriteString(" under profile " + safe(*d.ProfileID))
	}
	return ids.String()
}

func describeDecider(d approvalData) string {
	var by strings.Builder
	if d.DecidedBy != nil {
		by.WriteString(" by " + safe(*d.DecidedBy))
	}
	if d.ClosedBy != nil {
		by.WriteString(" by " + safe(*d.ClosedBy))
	}
	if d.Cause != nil && d.ClosedBy != nil {
		by.WriteString(": " + d.Cause.Words())
	}
	return by.String()
}

func describeNames(d approvalData) string {
	if len(d.Names) == 0 {
		return ""
	}
	shown := strings.Join(d.Names, ", ")
	if rest := d.NameCount - len(d.Names); rest > 0 {
		shown += fmt.Sprintf(" and %d more", rest)
	}
	return ": " + shown
}

func describeTime(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
