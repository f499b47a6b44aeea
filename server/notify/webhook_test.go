package notify_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/app"
	"github.com/certctl/terraform-provider-certctl/server/outbox"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

const (
	secret      = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
	otherSecret = "whsec_b3RoZXIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODk="
	externalURL = "https://certctl.example.com"
)

// hook is a receiver of webhooks that verifies every event.
type hook struct {
	*httptest.Server
	mu       sync.Mutex
	answer   func(http.ResponseWriter, *http.Request)
	received []received
}

// received is an event as the receiver got it.
type received struct {
	ID   string
	Body []byte
	Type string
	Data map[string]any
}

func newHook(t *testing.T, verifyWith string) *hook {
	t.Helper()
	h := &hook{}
	verifier, err := standardwebhooks.NewWebhook(verifyWith)
	if err != nil {
		t.Fatal(err)
	}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = verifier.Verify(body, r.Header)
		}
		if err != nil {
			t.Errorf("an event cannot be verified: %v", err)
		}
		h.receive(t, r.Header.Get("webhook-id"), body)
		h.mu.Lock()
		answer := h.answer
		h.mu.Unlock()
		if answer != nil {
			answer(w, r)
		}
	}))
	t.Cleanup(h.Close)
	return h
}

func (h *hook) receive(t *testing.T, id string, body []byte) {
	got := received{ID: id, Body: body}
	var e struct {
		Type string
		Data map[string]any
	}
	if err := json.Unmarshal(body, &e); err != nil {
		t.Errorf("an event is no JSON: %v", err)
	}
	got.Type, got.Data = e.Type, e.Data
	h.mu.Lock()
	defer h.mu.Unlock()
	h.received = append(h.received, got)
}

// setAnswer replaces the answer, which is 200 at first.
func (h *hook) setAnswer(answer func(http.ResponseWriter, *http.Request)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answer = answer
}

func (h *hook) all() []received {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.received)
}

// wait waits for an event of a type about an object.
func (h *hook) wait(t *testing.T, eventType, field, id string) received {
	t.Helper()
	var found received
	servertest.WaitUntil(t, func() error {
		for _, r := range h.all() {
			if r.Type == eventType && r.Data[field] == id {
				found = r
				return nil
			}
		}
		return fmt.Errorf("no event %s about %s", eventType, id)
	})
	return found
}

// deliverTo makes a server deliver to a webhook.
func deliverTo(t *testing.T, h *hook, secrets ...string) servertest.Option {
	t.Helper()
	file := writeFile(t, strings.Join(secrets, "\n"))
	return servertest.Messages(func(c *app.MessagesConfig) {
		c.ExternalURL, c.WebhookURL, c.WebhookSecretFile = externalURL, h.URL, file
	})
}

func writeFile(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(content+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// runOnEach runs a test on both databases with a server that delivers to a webhook.
func runOnEach(t *testing.T, test func(t *testing.T, s *servertest.Server, h *hook), opts ...servertest.Option) {
	t.Helper()
	t.Parallel()
	for name, start := range map[string]func(testing.TB, ...servertest.Option) *servertest.Server{"sqlite": servertest.New, "postgres": servertest.NewPostgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHook(t, secret)
			test(t, start(t, append(opts, deliverTo(t, h, secret))...), h)
		})
	}
}

// Approvers hear of a request and of its end, as events that a receiver can verify.
func TestWebhook_TellsOfARequestAndItsDecision(t *testing.T) {
	runOnEach(t, func(t *testing.T, s *servertest.Server, h *hook) {
		id := *s.RequestOlgasCertificate(t, "terraform").ApprovalID
		requested := h.wait(t, "approval.requested", "approval_id", id)
		if got := requested.Data["url"]; got != externalURL+"/approvals/"+id {
			t.Errorf("the event links to %v", got)
		}
		if got := requested.Data["accountable"]; got != "alice" {
			t.Errorf("the event says that %v is accountable", got)
		}
		if _, err := s.Client(t, "bob").ApproveApproval(context.Background(), id, api.Decision{}); err != nil {
			t.Fatal(err)
		}
		approved := h.wait(t, "approval.approved", "approval_id", id)
		if got := approved.Data["decided_by"]; got != "bob" {
			t.Errorf("the event says that %v decided", got)
		}
		if approved.ID == requested.ID {
			t.Error("two messages have one id")
		}
	})
}

// While a secret is replaced, receivers with either secret can verify. An answer that is no success is tried again, with the
// same id and body.
func TestWebhook_TriesAgainWithTheSameIDAndBothSecrets(t *testing.T) {
	t.Parallel()
	for _, verifyWith := range []string{secret, otherSecret} {
		h := newHook(t, verifyWith)
		h.setAnswer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
		s := servertest.New(t, deliverTo(t, h, otherSecret, secret))
		id := *s.RequestOlgasCertificate(t, "alice").ApprovalID
		first := h.wait(t, "approval.requested", "approval_id", id)
		h.setAnswer(nil)
		servertest.WaitUntil(t, func() error {
			s.Clock.Advance(time.Minute)
			all := h.all()
			last := all[len(all)-1]
			switch {
			case len(all) < 2:
				return errors.New("the message was not tried again")
			case last.ID != first.ID || string(last.Body) != string(first.Body):
				t.Fatalf("the second attempt is another message:\n%s %s\n%s %s", first.ID, first.Body, last.ID, last.Body)
			}
			return nil
		})
	}
}

// newPlainServer is a receiver that verifies nothing.
func newPlainServer(t *testing.T, answer http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	return server
}

// ntfyAddress is the address of a topic of a server that speaks as ntfy does.
func ntfyAddress(server *httptest.Server) string {
	return "ntfy://" + strings.TrimPrefix(server.URL, "http://") + "/topic?scheme=http"
}

// A message that no server can write delays none of those behind it. A receiver that fails gets a pause; this one did not fail.
func TestWebhook_IsNotDelayedByMessagesThatCannotBeWritten(t *testing.T) {
	runOnEach(t, func(t *testing.T, s *servertest.Server, h *hook) {
		s.Write(t, func(tx *store.Tx) error {
			for range 20 {
				if err := outbox.Append(tx, outbox.Message{Type: outbox.ApprovalRequested, About: "ar-none"}); err != nil {
					return err
				}
			}
			return nil
		})
		id := *s.RequestOlgasCertificate(t, "alice").ApprovalID
		h.wait(t, "approval.requested", "approval_id", id)
	})
}
