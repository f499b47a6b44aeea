package notify

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/outbox"
)

var update = flag.Bool("update", false, "write the events into the page")

const (
	page        = "../../docs/server/messages.md"
	beginEvents = "<!-- events -->\n"
	endEvents   = "<!-- end of events -->"
)

// The page shows an event of each type, as receivers get it.
func TestPage_HasEveryEvent(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, _ := strings.Cut(string(content), beginEvents)
	_, after, found := strings.Cut(rest, endEvents)
	if !found {
		t.Fatalf("%s has no place for the events", page)
	}
	want := before + beginEvents + "\n" + describeEvents(t) + endEvents + after
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(content) != want {
		t.Errorf("the events of %s are not those of the program: run go test ./server/notify -run TestPage -update", page)
	}
}

func describeEvents(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	samples := sampleEvents()
	for _, kind := range outbox.Types() {
		text, err := json.MarshalIndent(event{Type: kind, Timestamp: sampleTime, Data: samples[kind]}, "", "  ")
		if err != nil || samples[kind] == nil {
			t.Fatalf("there is no sample of %s: %v", kind, err)
		}
		fmt.Fprintf(&b, "### `%s`\n\n```json\n%s\n```\n\n", kind, text)
	}
	return b.String()
}

var sampleTime = time.Date(2026, 11, 26, 9, 30, 0, 0, time.UTC)

func sampleEvents() map[outbox.Type]any {
	const origin = "https://certctl.example.com"
	certificate, profile, job := "mc-shop", "p-web", "job-7kq2m4abc"
	bob, olga := "bob", "olga"
	deadline, decided := sampleTime.Add(7*day), sampleTime.Add(time.Hour)
	withdrawn := api.CauseApprovalWithdrawn
	names := showNames([]string{"pay.example.com", "www.example.com"})
	requested := approvalData{
		SchemaVersion: schemaVersion, ApprovalID: "ar-b5x7q2m4abc", Kind: api.ApprovalIssuance, State: api.ApprovalPending,
		URL: origin + "/approvals/ar-b5x7q2m4abc", RequestedBy: "terraform", Accountable: "alice", ProfileID: &profile, CertificateID: &certificate, JobID: &job,
		Digest: "sha256:5e0c1f0cbb2c2c0d7a54e5f3e8a1b6d09f3e7c4b8a2d6f1e0c9b8a7d6e5f4c3b", RequestedAt: sampleTime, ExpiresAt: deadline,
		News: "1 new name: " + names[0], NameCount: 2, NewNameCount: 1, Names: names, NewNames: names[:1],
	}
	end := func(state api.ApprovalState, by string) approvalData {
		ended := requested
		ended.State, ended.DecidedBy, ended.DecidedAt = state, &by, &decided
		return ended
	}
	reminder, cancelled := requested, requested
	reminder.Reminder = "50%"
	cancelled.State, cancelled.ClosedBy, cancelled.ClosedAt, cancelled.Cause = api.ApprovalCancelled, &olga, &decided, &withdrawn
	expired := end(api.ApprovalExpired, "system-reaper")
	passed := api.CauseApprovalExpired
	expired.DecidedAt, expired.Cause = &deadline, &passed
	return map[outbox.Type]any{
		outbox.ApprovalRequested: requested,
		outbox.ApprovalReminder:  reminder,
		outbox.ApprovalApproved:  end(api.ApprovalApproved, bob),
		outbox.ApprovalRejected:  end(api.ApprovalRejected, bob),
		outbox.ApprovalExpired:   expired,
		outbox.ApprovalCancelled: cancelled,
		outbox.RenewalBlocked: blockedData{
			SchemaVersion: schemaVersion, CertificateID: certificate, URL: origin + "/certificates/" + certificate, ProfileID: profile,
			Reason: string(api.BlockedByPerson), NotAfter: &deadline,
		},
		outbox.CertificateExpiring: expiringData{
			SchemaVersion: schemaVersion, CertificateID: certificate, URL: origin + "/certificates/" + certificate, ProfileID: profile,
			SerialNumber: "1b6d09f3e7c4b8a2d6f1e0c9b8a7d6e5", NotAfter: deadline, Horizon: "7d", NameCount: 2, Names: names,
		},
		outbox.BypassEnabled: serverData{SchemaVersion: schemaVersion, URL: origin},
	}
}
