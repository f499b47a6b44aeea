package notify

import (
	"fmt"
	"strings"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/outbox"
)

// outcomes are the words for what happened to a request.
var outcomes = map[outbox.Type]string{
	outbox.ApprovalRequested: "waits for approval",
	outbox.ApprovalReminder:  "still waits for approval",
	outbox.ApprovalApproved:  "was approved",
	outbox.ApprovalRejected:  "was rejected",
	outbox.ApprovalExpired:   "expired",
	outbox.ApprovalCancelled: "was cancelled",
}

// gatheredTitles are the words for several objects.
var gatheredTitles = map[outbox.Type]string{
	outbox.ApprovalRequested:   "requests wait for approval",
	outbox.ApprovalReminder:    "requests still wait for approval",
	outbox.ApprovalApproved:    "requests were approved",
	outbox.ApprovalRejected:    "requests were rejected",
	outbox.ApprovalExpired:     "requests expired",
	outbox.ApprovalCancelled:   "requests were cancelled",
	outbox.CertificateExpiring: "certificates end soon",
	outbox.RenewalBlocked:      "certificates cannot be renewed",
}

// listPath is where people find the objects of a message.
func listPath(t outbox.Type) string {
	if strings.HasPrefix(string(t), "approval.") {
		return "/approvals"
	}
	return "/certificates"
}

// subjects are the words for what is requested.
var subjects = map[api.ApprovalKind]string{
	api.ApprovalIssuance:    "a certificate",
	api.ApprovalProfileEdit: "an edit of a profile",
}

// describeApproval says who requests what, what is new about it, and until when.
func describeApproval(row outbox.Row, d approvalData) entry {
	who := fmt.Sprintf("%s requested %s%s", describeRequester(d), subjects[d.Kind], describeObjects(d))
	e := entry{title: d.ApprovalID + " " + outcomes[row.Type], url: d.URL, data: d, brief: d.ApprovalID + ": " + who}
	e.lines = []string{fmt.Sprintf("%s. The request %s%s.", who, outcomes[row.Type], describeEnd(d))}
	if d.News != "" {
		e.lines = append(e.lines, "New: "+d.News+".")
		e.brief += "; " + d.News
	}
	if d.NameCount > 0 {
		e.lines = append(e.lines, describeNames(d.NameCount, d.Names))
	}
	if d.State == api.ApprovalPending {
		e.lines = append(e.lines, "Decide until "+describeTime(d.ExpiresAt)+".")
	}
	return e
}

func describeRequester(d approvalData) string {
	if d.RequestedBy == d.Accountable {
		return safe(d.RequestedBy)
	}
	return fmt.Sprintf("%s (accountable: %s)", safe(d.RequestedBy), safe(d.Accountable))
}

func describeObjects(d approvalData) string {
	var objects strings.Builder
	if d.CertificateID != nil {
		objects.WriteString(" " + safe(*d.CertificateID))
	}
	if d.ProfileID != nil {
		objects.WriteString(" under profile " + safe(*d.ProfileID))
	}
	return objects.String()
}

// describeEnd says who ended a request, and why.
func describeEnd(d approvalData) string {
	switch {
	case d.ClosedBy != nil && d.Cause != nil:
		return fmt.Sprintf(" by %s (%s)", safe(*d.ClosedBy), d.Cause.Words())
	case d.DecidedBy != nil:
		return " by " + safe(*d.DecidedBy)
	}
	return ""
}

// maxListed bounds the names in a text.
const maxListed = 10

// describeNames lists names that went through safe. Without names it tells their number.
func describeNames(count int, names []string) string {
	if len(names) == 0 {
		return fmt.Sprintf("Names: %d.", count)
	}
	shown := names[:min(len(names), maxListed)]
	text := fmt.Sprintf("Names (%d): %s", count, strings.Join(shown, ", "))
	if rest := count - len(shown); rest > 0 {
		text += fmt.Sprintf(" and %d more", rest)
	}
	return text
}

func describeExpiring(d expiringData) entry {
	what := fmt.Sprintf("%s under profile %s ends at %s", safe(d.CertificateID), safe(d.ProfileID), describeTime(d.NotAfter))
	return entry{
		title: safe(d.CertificateID) + " ends soon", url: d.URL, data: d, brief: what,
		lines: []string{"The certificate " + what + ".", describeNames(d.NameCount, d.Names)},
	}
}

// blocks are the words for what blocks a renewal.
var blocks = map[api.RenewalBlock]string{
	api.BlockedByPerson:   "the accountable person is disabled",
	api.BlockedByProfile:  "the profile is disabled",
	api.BlockedByRules:    "the profile no longer allows it",
	api.BlockedByApproval: "it needs an approval that the profile does not ask for",
	api.BlockedByIssuer:   "the CA cannot sign it",
	api.BlockedByNobody:   "nobody could approve it",
}

func describeBlocked(d blockedData) entry {
	what := fmt.Sprintf("%s under profile %s cannot be renewed: %s", safe(d.CertificateID), safe(d.ProfileID), blocks[api.RenewalBlock(d.Reason)])
	e := entry{title: safe(d.CertificateID) + " cannot be renewed", url: d.URL, data: d, brief: what, lines: []string{"The certificate " + what + "."}}
	if d.NotAfter != nil {
		e.lines = append(e.lines, "It ends at "+describeTime(*d.NotAfter)+".")
	}
	return e
}

func describeTime(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// maxLine bounds a line of a text: mail allows 998 bytes. All of a text is ASCII.
const maxLine = 900

// joinLines joins lines, and breaks those that are too long.
func joinLines(lines []string) string {
	var broken []string
	for _, l := range lines {
		for len(l) > maxLine {
			broken, l = append(broken, l[:maxLine]), l[maxLine:]
		}
		broken = append(broken, l)
	}
	return strings.Join(broken, "\n")
}
