package notify_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/app"
	"github.com/certctl/terraform-provider-certctl/server/outbox"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// syncBuffer is a log that several goroutines write.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// A receiver that fails for a day ends the message. It is listed, counted and logged, and no line has the address.
func TestDelivery_EndsAfterADay(t *testing.T) {
	var log syncBuffer
	runOnEach(t, func(t *testing.T, s *servertest.Server, h *hook) {
		h.setAnswer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
		id := *s.RequestOlgasCertificate(t, "alice").ApprovalID
		h.wait(t, "approval.requested", "approval_id", id)
		for attempt, later := range []time.Duration{12 * time.Hour, 12*time.Hour + 2*time.Minute, 0} {
			servertest.WaitUntil(t, func() error {
				var row outbox.Row
				if s.Query(t, &row, "SELECT * FROM outbox WHERE about = ?", id); row.Attempt != attempt+1 {
					return fmt.Errorf("there were %d attempts", row.Attempt)
				}
				return nil
			})
			s.Clock.Advance(later)
		}
		var failed []outbox.Row
		if err := s.Store.Read(context.Background(), func(tx *store.Tx) (err error) {
			failed, err = outbox.ListFailed(tx, 10)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if len(failed) != 1 || failed[0].LastError != "it answered 502 Bad Gateway" || failed[0].Attempt != len(h.all()) || failed[0].Attempt != 3 {
			t.Errorf("the list of failed messages is %+v after %d attempts", failed, len(h.all()))
		}
		if got := s.Gauge(t, "certctl_messages_failed")[""]; got != 1 {
			t.Errorf("the metric counts %v failed messages", got)
		}
		if text := log.String(); !strings.Contains(text, "was not delivered within a day") || strings.Contains(text, h.URL) {
			t.Error("the log does not say that the message ended, or has the address of the receiver")
		}
	}, servertest.Log(&log))
}

// A receiver that hangs, or redirects, delays no other one. The redirect is not followed.
func TestDelivery_OneReceiverDelaysNoOther(t *testing.T) {
	runOnEach(t, func(t *testing.T, s *servertest.Server, h *hook) {
		id := *s.RequestOlgasCertificate(t, "alice").ApprovalID
		h.wait(t, "approval.requested", "approval_id", id)
		var states []string
		servertest.WaitUntil(t, func() error {
			states = nil
			s.Query(t, &states, "SELECT receiver || ' ' || state FROM outbox WHERE about = ? ORDER BY receiver", id)
			if strings.Join(states, ", ") != "ntfy-1 pending, ntfy-2 pending, webhook-1 delivered" {
				return fmt.Errorf("the deliveries are %v", states)
			}
			return nil
		})
	}, servertest.Messages(func(c *app.MessagesConfig) {
		hang := make(chan struct{})
		slow := newPlainServer(t, func(http.ResponseWriter, *http.Request) { <-hang })
		t.Cleanup(func() { close(hang) }) // before the server waits for its answers
		redirecting := newPlainServer(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/internal" {
				t.Error("a redirect was followed")
			}
			http.Redirect(w, r, "/internal", http.StatusFound)
		})
		c.NotifyURLsFile = writeFile(t, ntfyAddress(slow)+"\n"+ntfyAddress(redirecting))
	}))
}

// No message of a request that ended reminds anybody. A reminder is written once, whichever replica comes first.
func TestReminder_IsWrittenOnceAndDroppedAfterTheEnd(t *testing.T) {
	runOnEach(t, func(t *testing.T, s *servertest.Server, h *hook) {
		ctx := context.Background()
		first, second := *s.RequestOlgasCertificate(t, "alice").ApprovalID, *s.RequestOlgasCertificate(t, "alice").ApprovalID
		h.wait(t, "approval.requested", "approval_id", second)
		s.Clock.Advance(85 * time.Hour)
		var replicas sync.WaitGroup
		for range 4 {
			replicas.Go(func() {
				if err := s.App.TellDue(ctx); err != nil {
					t.Error(err)
				}
			})
		}
		replicas.Wait()
		if got := h.wait(t, "approval.reminder", "approval_id", first).Data["reminder"]; got != "50%" {
			t.Errorf("the reminder is the one of %v", got)
		}
		h.wait(t, "approval.reminder", "approval_id", second)

		h.setAnswer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
		s.Clock.Advance(70 * time.Hour)
		if err := s.App.TellDue(ctx); err != nil {
			t.Fatal(err)
		}
		const last = "SELECT * FROM outbox WHERE type = 'approval.reminder' AND about = ? ORDER BY id DESC LIMIT 1"
		waitForLast := func(isWanted func(outbox.Row) bool) {
			t.Helper()
			servertest.WaitUntil(t, func() error {
				var row outbox.Row
				if s.Query(t, &row, last, first); !isWanted(row) {
					return fmt.Errorf("the last reminder is %+v", row)
				}
				return nil
			})
		}
		waitForLast(func(r outbox.Row) bool { return r.Attempt == 1 })
		if _, err := s.Client(t, "bob").RejectApproval(ctx, first, api.Decision{Note: "no"}); err != nil {
			t.Fatal(err)
		}
		h.setAnswer(nil)
		s.Clock.Advance(time.Hour)
		waitForLast(func(r outbox.Row) bool { return r.State == outbox.Dropped })
		h.wait(t, "approval.rejected", "approval_id", first)
		for _, id := range []string{first, second} {
			reminders := 0
			s.Query(t, &reminders, "SELECT count(*) FROM outbox WHERE type = 'approval.reminder' AND about = ?", id)
			if reminders != 2 {
				t.Errorf("there are %d reminders of a request, want 2", reminders)
			}
		}
	})
}

// Above twenty an hour, the requests of one person come as one message. A name that no human approved comes alone.
func TestGathering_KeepsNewNamesApart(t *testing.T) {
	runOnEach(t, func(t *testing.T, s *servertest.Server, h *hook) {
		ctx := context.Background()
		p := s.CreateProfileAsOlga(t, true)
		const known = outbox.GatherAbove + 5
		var certificates []string
		for range known {
			c := s.CreateCertificateAs(t, "olga", p.ID)
			certificates = append(certificates, c.ID)
			j, err := s.Client(t, "olga").RenewCertificate(ctx, c.ID, api.Renew{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Client(t, "bob").ApproveApproval(ctx, *j.ApprovalID, api.Decision{}); err != nil {
				t.Fatal(err)
			}
			s.WaitUntilFinalAsVera(t, j.ID)
		}
		s.Clock.Advance(2 * time.Hour)
		servertest.WaitUntil(t, func() error { return requireNonePending(t, s) })
		before := len(h.all())
		for _, id := range certificates {
			if _, err := s.Client(t, "olga").RenewCertificate(ctx, id, api.Renew{}); err != nil {
				t.Fatal(err)
			}
		}
		fresh, err := s.Client(t, "olga").RenewCertificate(ctx, s.CreateCertificateAs(t, "olga", p.ID).ID, api.Renew{})
		if err != nil {
			t.Fatal(err)
		}
		h.wait(t, "approval.requested", "approval_id", *fresh.ApprovalID)
		servertest.WaitUntil(t, func() error {
			s.Clock.Advance(10 * time.Second)
			return requireNonePending(t, s)
		})
		alone, gathered := 0, 0
		for _, r := range h.all()[before:] {
			if n, ok := r.Data["count"].(float64); ok {
				gathered += int(n)
				if items, _ := r.Data["gathered"].([]any); len(items) != int(n) {
					t.Errorf("a message about %v requests describes %d", n, len(items))
				}
				continue
			}
			alone++
		}
		if alone != outbox.GatherAbove+1 || gathered != known-outbox.GatherAbove {
			t.Errorf("%d requests came alone and %d gathered", alone, gathered)
		}
	})
}

// An object that cannot be described is counted, and keeps no other of its message from being told.
func TestGathering_TellsOfTheOthersIfOneCannotBeDescribed(t *testing.T) {
	runOnEach(t, func(t *testing.T, s *servertest.Server, h *hook) {
		id := *s.RequestOlgasCertificate(t, "alice").ApprovalID
		s.Write(t, func(tx *store.Tx) error {
			for n := range outbox.GatherAbove + 3 {
				about := id
				if n == outbox.GatherAbove+1 {
					about = "ar-none"
				}
				if err := outbox.Append(tx, outbox.Message{Type: outbox.ApprovalRequested, About: about, Topic: "somebody", MayGather: true}); err != nil {
					return err
				}
			}
			return nil
		})
		servertest.WaitUntil(t, func() error {
			s.Clock.Advance(10 * time.Second)
			for _, r := range h.all() {
				if items, _ := r.Data["gathered"].([]any); r.Data["count"] == 3.0 && len(items) == 2 {
					return nil
				}
			}
			return errors.New("no message tells of two of three requests")
		})
	})
}

func requireNonePending(t *testing.T, s *servertest.Server) error {
	t.Helper()
	pending := 0
	s.Query(t, &pending, "SELECT count(*) FROM outbox WHERE state = 'pending'")
	if pending > 0 {
		return fmt.Errorf("%d messages are pending", pending)
	}
	return nil
}

// Two replicas deliver each message once, and also what a process writes that delivers nothing itself.
func TestDelivery_TwoReplicasShareTheMessages(t *testing.T) {
	t.Parallel()
	h := newHook(t, secret)
	s := servertest.NewPostgres(t, deliverTo(t, h, secret))
	second := s.StartSecond(t)
	silent := s.StartSecond(t, servertest.Bypass(), servertest.Messages(func(c *app.MessagesConfig) { *c = app.MessagesConfig{} }))
	h.wait(t, "bypass.enabled", "url", externalURL)
	for i := range 10 {
		by := []*servertest.Server{s, second}[i%2]
		id := *by.RequestOlgasCertificate(t, []string{"alice", "bob", "olga"}[i%3]).ApprovalID
		h.wait(t, "approval.requested", "approval_id", id)
	}
	c := silent.CreateCertificateAsOlga(t, silent.CreateProfileAsOlga(t, true).ID)
	if _, err := silent.Client(t, "alice").RenewCertificate(context.Background(), c.ID, api.Renew{}); err != nil {
		t.Fatal(err)
	}
	h.wait(t, "approval.approved", "certificate_id", c.ID)
	s.Disable(t, "olga")
	servertest.WaitUntil(t, func() error { return requireNonePending(t, s) })
	ids := map[string]bool{}
	for _, r := range h.all() {
		if ids[r.ID] {
			t.Errorf("message %s came twice", r.ID)
		}
		ids[r.ID] = true
	}
	cancelled := 0
	for _, r := range h.all() {
		if r.Type == "approval.cancelled" && r.Data["cause"] == "person_disabled" {
			cancelled++
		}
	}
	if cancelled != 3 {
		t.Errorf("%d cancelled requests were told, want olga's 3", cancelled)
	}
}

// The end of a leaf is told once for each horizon, and a renewal that becomes impossible once.
func TestTick_TellsOfEndsAndBlocks(t *testing.T) {
	runOnEach(t, func(t *testing.T, s *servertest.Server, h *hook) {
		ctx := context.Background()
		p := s.CreateProfileAsOlga(t, true)
		c := s.CreateCertificateAsOlga(t, p.ID)
		j, err := s.Client(t, "olga").RenewCertificate(ctx, c.ID, api.Renew{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Client(t, "bob").ApproveApproval(ctx, *j.ApprovalID, api.Decision{}); err != nil {
			t.Fatal(err)
		}
		s.WaitUntilFinalAsVera(t, j.ID)
		s.Disable(t, "olga")
		if err := s.App.CheckRenewals(ctx); err != nil {
			t.Fatal(err)
		}
		if got := h.wait(t, "renewal.blocked", "certificate_id", c.ID).Data["reason"]; got != "person_disabled" {
			t.Errorf("the renewal is blocked by %v", got)
		}
		now, err := s.Client(t, "vera").GetCertificate(ctx, c.ID)
		if err != nil {
			t.Fatal(err)
		}
		for i, horizon := range []string{"30d", "7d", "1d"} {
			left := []time.Duration{29, 6, 1}[i] * 24 * time.Hour
			s.Clock.Advance(now.Current.NotAfter.Add(-left).Add(time.Minute).Sub(s.Clock.Now()))
			for range 2 {
				if err := errors.Join(s.App.TellDue(ctx), s.App.CheckRenewals(ctx)); err != nil {
					t.Fatal(err)
				}
			}
			e := h.wait(t, "certificate.expiring", "horizon", horizon)
			if e.Data["serial_number"] != now.Current.SerialNumber {
				t.Errorf("the event is %s", e.Body)
			}
		}
		servertest.WaitUntil(t, func() error { return requireNonePending(t, s) })
		counts := map[string]int{}
		for _, r := range h.all() {
			counts[r.Type]++
		}
		if counts["certificate.expiring"] != 3 || counts["renewal.blocked"] != 1 {
			t.Errorf("the messages are %v", counts)
		}
	})
}
