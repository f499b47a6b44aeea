package rest_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// sendWithKey posts with an Idempotency-Key, and returns status and body.
func sendWithKey(t *testing.T, s *servertest.Server, who, key, path, body string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+s.Key(t, who))
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Idempotency-Key", key)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, response.Header.Get("Location") + string(bytes.TrimSpace(text))
}

// A POST that is repeated with its key has one effect and gets the first answer. Later changes do not matter.
func TestIdempotencyKey_RepeatsTheFirstAnswer(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		p := s.CreateProfileAsOlga(t, true)
		c := s.CreateCertificateAsOlga(t, p.ID)
		renew := "/api/v1/certificates/" + c.ID + "/renew"
		status, first := sendWithKey(t, s, "alice", "k1", renew, `{"reason":"<&>"}`)
		if status != http.StatusAccepted {
			t.Fatal(first)
		}
		if status, again := sendWithKey(t, s, "alice", "k1", renew, `{"reason":"<&>"}`); status != http.StatusAccepted || again != first {
			t.Errorf("the retry: %d %s\nnot %s", status, again, first)
		}
		for name, other := range map[string]struct{ path, body string }{
			"another body":  {renew, `{"reason":"x"}`},
			"another query": {renew + "?", `{"reason":"<&>"}`},
			"another path":  {"/api/v1/profiles", `{"name":"x"}`},
		} {
			if status, body := sendWithKey(t, s, "alice", "k1", other.path, other.body); status != 422 || !strings.Contains(body, string(api.CodeIdempotencyKeyReused)) {
				t.Errorf("%s: %d %s", name, status, body)
			}
		}
		if status, body := sendWithKey(t, s, "bob", "k1", renew, `{"reason":"<&>"}`); status != 409 || !strings.Contains(body, string(api.CodeJobAlreadyOpen)) {
			t.Errorf("a key of another principal is another key: %d %s", status, body)
		}
		j, err := s.Client(t, "vera").GetCertificate(context.Background(), c.ID)
		if err != nil {
			t.Fatal(err)
		}
		approve := "/api/v1/approvals/" + *j.ApprovalID + "/approve"
		// A refusal is not replayed: the same key may succeed later. The audit row of the refusal stays.
		for range 2 {
			if status, body := sendWithKey(t, s, "alice", "k2", approve, ``); status != 403 {
				t.Errorf("%d %s", status, body)
			}
		}
		if status, body := sendWithKey(t, s, "bob", "k3", approve, `{"note":"ok"}`); status != 200 {
			t.Fatal(body)
		}
		s.WaitUntilFinalAsVera(t, *j.OpenJobID)
		if status, body := sendWithKey(t, s, "bob", "k3", approve, `{"note":"ok"}`); status != 200 || !strings.Contains(body, `"approved"`) {
			t.Errorf("the retry: %d %s", status, body)
		}
		if status, body := sendWithKey(t, s, "bob", strings.Repeat("k", 256), approve, ``); status != 422 {
			t.Errorf("a long key: %d %s", status, body)
		}
		s.Clock.Advance(25 * time.Hour)
		if status, body := sendWithKey(t, s, "bob", "k3", approve, `{"note":"ok"}`); status != 409 {
			t.Errorf("a day later it is another request: %d %s", status, body)
		}
	})
}

// Twenty concurrent requests with one key have one effect and one answer.
func TestIdempotencyKey_HasOneEffectForConcurrentRequests(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		s.Key(t, "olga")
		answers := make(chan string, 20)
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				status, body := sendWithKey(t, s, "olga", "same", "/api/v1/profiles", `{"name":"one"}`)
				answers <- fmt.Sprint(status, body)
			})
		}
		all.Wait()
		close(answers)
		first := <-answers
		if !strings.HasPrefix(first, "201") {
			t.Error(first)
		}
		for answer := range answers {
			if answer != first {
				t.Errorf("another answer: %s", answer)
			}
		}
	})
}
