package faults_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// A server that is killed after it wrote a message, and one that is killed while it sends, lose nothing: the next server
// delivers the message with the same id.
func TestMessages_AreDeliveredAfterKills(t *testing.T) {
	runOnEach(t, func(t *testing.T, start startFunc) {
		type attempt struct {
			id   string
			done chan struct{}
		}
		attempts := make(chan attempt, 100)
		receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // only then the server notices that the sender is gone
			a := attempt{r.Header.Get("webhook-id"), make(chan struct{})}
			attempts <- a
			select {
			case <-a.done:
			case <-r.Context().Done():
			}
		}))
		t.Cleanup(receiver.Close)
		v := newKilledServer(t, start)
		secret := filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(secret, []byte("whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="), 0o600); err != nil {
			t.Fatal(err)
		}
		v.env = append(v.env, "CERTCTL_EXTERNAL_URL=https://certctl.example.com", "CERTCTL_WEBHOOK_URL="+receiver.URL, "CERTCTL_WEBHOOK_SECRET_FILE="+secret)

		p := v.startProcess(t)
		profile := v.CreateProfileAsOlga(t, true).ID
		requestNew(t, v.Server, p, profile)
		first := <-attempts // is sent and not answered
		requestNew(t, v.Server, p, profile)
		v.kill(t) // the second message is written and not sent
		v.withDatabase(t, func(s *servertest.Server) {
			if n := countRows(t, s, "SELECT count(*) FROM outbox WHERE state = 'pending'"); n != 2 {
				t.Errorf("%d messages are pending after the kill, want 2", n)
			}
			s.Exec(t, "UPDATE outbox SET due_at = ?", s.Store.Now().Add(-time.Second)) // the lease of the killed server has ended
		})

		v.startProcess(t)
		delivered := map[string]bool{}
		for range 2 {
			a := <-attempts
			delivered[a.id] = true
			close(a.done)
		}
		if len(delivered) != 2 || !delivered[first.id] {
			t.Errorf("the next server delivered %v; the first attempt was of %s", delivered, first.id)
		}
		v.withDatabase(t, func(s *servertest.Server) {
			servertest.WaitUntil(t, func() error {
				if n := countRows(t, s, "SELECT count(*) FROM outbox WHERE state = 'delivered'"); n != 2 {
					return fmt.Errorf("%d messages are delivered", n)
				}
				return nil
			})
		})
	})
}
