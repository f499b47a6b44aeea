package notify_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/app"
	"github.com/certctl/terraform-provider-certctl/server/notify"
	"github.com/certctl/terraform-provider-certctl/server/outbox"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// marker is in each hostile text.
const marker = "injected"

// acceptedTexts are what a user may write in a reason or a note, and refusedTexts what the API refuses there. A
// database may have them from elsewhere.
var (
	acceptedTexts = []string{
		`<script>alert("injected")</script>`, `<b>injected</b> &lt;injected`, "<https://evil.test|injected> <!channel> *injected*",
		"[injected](https://evil.test) `injected` @everyone", "injected\nBcc: eve@evil.test\nSubject: injected", "injected \U0001f512",
		"injected \u05e9\u05dc\u05d5\u05dd",
	}
	refusedTexts = []string{"injected\r\nBcc: eve@evil.test\r\n\r\ninjected", "\u202einjected", "\x1b[31m injected\x07"}
)

// No message has free text of users in any form, and no such text changes a mail.
func TestMessages_HaveNoTextOfAUser(t *testing.T) { // not parallel, see StartSlack
	slack, nextOfSlack := notify.StartSlack(t)
	mail, nextMail := notify.StartMailbox(t)
	h := newHook(t, secret)
	s := servertest.New(t, servertest.WithoutInvariants(), deliverTo(t, h, secret), servertest.Messages(func(c *app.MessagesConfig) {
		c.NotifyNames, c.NotifyURLsFile = true, writeFile(t, slack+"\n"+mail)
	}))
	id := rejectHostileRequest(t, s)
	writeHostileTexts(t, s)
	s.Write(t, func(tx *store.Tx) error { // the same messages, with what the API refused
		for _, again := range []outbox.Type{outbox.ApprovalRequested, outbox.ApprovalRejected} {
			if err := outbox.Append(tx, outbox.Message{Type: again, About: id}); err != nil {
				return err
			}
		}
		return nil
	})
	servertest.WaitUntil(t, func() error { return requireNonePending(t, s) })

	const each = 4
	all := h.all()
	if len(all) != each {
		t.Fatalf("the webhook got %d messages", len(all))
	}
	var messages []string
	for _, r := range all {
		messages = append(messages, string(r.Body))
	}
	subjects := map[string]int{}
	for range each {
		m := strings.ReplaceAll(nextMail(), "\r\n", "\n")
		header, _, _ := strings.Cut(m, "\n\n")
		if strings.Count(header, "\n") != 6 || !strings.HasPrefix(header, "team@example.com\n") {
			t.Errorf("the header of a mail is %q", header)
		}
		_, subject, _ := strings.Cut(header, "\nSubject: ")
		subject, _, _ = strings.Cut(subject, "\n")
		subjects[subject]++
		messages = append(messages, m, nextOfSlack())
	}
	if subjects["certctl: "+id+" waits for approval"] != 2 || subjects["certctl: "+id+" was rejected"] != 2 {
		t.Errorf("the subjects are %v", subjects)
	}
	for _, m := range messages {
		if !strings.Contains(m, id) {
			t.Errorf("a message does not tell of the request: %s", m)
		}
		for _, part := range []string{marker, "evil", "script", "channel", "everyone", "Bcc", "\x1b"} {
			if strings.Contains(m, part) {
				t.Errorf("a message has %q: %s", part, m)
			}
		}
	}
}

// rejectHostileRequest requests a certificate and rejects the request, with hostile texts wherever a user may write one.
func rejectHostileRequest(t *testing.T, s *servertest.Server) (approvalID string) {
	t.Helper()
	ctx := context.Background()
	text, labels := strings.Join(acceptedTexts, "\n"), map[string]string{"team": marker}
	profile := api.DefaultProfileSpec()
	profile.Name, profile.Description, profile.Labels = acceptedTexts[0], text, labels
	profile.RequiresApproval, profile.AllowedDNSNames = true, []string{"**.example.com"}
	olga := s.Client(t, "olga")
	p, err := olga.CreateProfile(ctx, api.CreateProfile{ProfileSpec: profile})
	if err != nil {
		t.Fatal(err)
	}
	spec := api.DefaultCertificateSpec()
	spec.CommonName, spec.SANs, spec.ProfileID, spec.CSRPEM, spec.Labels = "www.example.com", []string{"www.example.com"}, p.ID, servertest.CSR(t), labels
	c, err := olga.CreateCertificate(ctx, api.CreateCertificate{CertificateSpec: spec})
	if err != nil {
		t.Fatal(err)
	}
	j, err := olga.RenewCertificate(ctx, c.ID, api.Renew{Reason: text})
	if err != nil {
		t.Fatal(err)
	}
	note := string([]rune(text + strings.Repeat(" "+marker, 250))[:2000]) // the longest that the API takes
	if _, err := s.Client(t, "bob").RejectApproval(ctx, *j.ApprovalID, api.Decision{Note: note}); err != nil {
		t.Fatal(err)
	}
	servertest.WaitUntil(t, func() error { return requireNonePending(t, s) })
	return *j.ApprovalID
}

// writeHostileTexts writes all texts past the API.
func writeHostileTexts(t *testing.T, s *servertest.Server) {
	t.Helper()
	var triggers []string
	s.Query(t, &triggers, "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name IN ('approvals', 'certificates', 'profiles')")
	for _, name := range triggers {
		s.Exec(t, "DROP TRIGGER "+name)
	}
	texts := slices.Concat(acceptedTexts, refusedTexts)
	labels := map[string]string{}
	for i, text := range texts {
		labels[fmt.Sprint(i, text)] = text
	}
	encoded, err := json.Marshal(labels)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(texts, "\r\n")
	s.Exec(t, "UPDATE approvals SET reason = ?, note = ?, profile_name = ?", text, text, text)
	s.Exec(t, "UPDATE profiles SET spec = json_set(spec, '$.name', ?, '$.description', ?, '$.labels', json(?))", text, text, string(encoded))
	s.Exec(t, "UPDATE certificates SET spec = json_set(spec, '$.labels', json(?))", string(encoded))
}

// Without names, no message has a name of the certificate. It has their number.
func TestMessages_HaveNumbersInsteadOfNames(t *testing.T) {
	t.Parallel()
	ctx, h := context.Background(), newHook(t, secret)
	texts := make(chan string, 100)
	ntfy := newPlainServer(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		texts <- string(body)
		_, _ = io.WriteString(w, "{}")
	})
	s := servertest.New(t, deliverTo(t, h, secret), servertest.Messages(func(c *app.MessagesConfig) {
		c.NotifyNames, c.NotifyURLsFile = false, writeFile(t, ntfyAddress(ntfy))
	}))
	c := s.CreateCertificateAsOlga(t, s.CreateProfileAsOlga(t, true).ID)
	j, err := s.Client(t, "olga").RenewCertificate(ctx, c.ID, api.Renew{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Client(t, "bob").ApproveApproval(ctx, *j.ApprovalID, api.Decision{}); err != nil {
		t.Fatal(err)
	}
	s.WaitUntilFinalAsVera(t, j.ID)
	issued, err := s.Client(t, "vera").GetCertificate(ctx, c.ID)
	if err != nil {
		t.Fatal(err)
	}
	s.Clock.Advance(issued.Current.NotAfter.Add(-29 * 24 * time.Hour).Sub(s.Clock.Now()))
	if err := s.App.TellDue(ctx); err != nil {
		t.Fatal(err)
	}
	for _, eventType := range []string{"approval.requested", "approval.approved", "certificate.expiring"} {
		if got := h.wait(t, eventType, "certificate_id", c.ID).Data["name_count"]; got != 1.0 {
			t.Errorf("%s counts %v names", eventType, got)
		}
	}
	servertest.WaitUntil(t, func() error { return requireNonePending(t, s) })
	host, _, _ := strings.Cut(c.SANs[0], ".")
	for _, r := range h.all() {
		if strings.Contains(string(r.Body), host) {
			t.Errorf("an event has a name: %s", r.Body)
		}
		if text := <-texts; strings.Contains(text, host) || !strings.Contains(text, "Names: 1.") {
			t.Errorf("a text has a name, or no number: %s", text)
		}
	}
}
