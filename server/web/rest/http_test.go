package rest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// answer is an answer whose body was read to its end.
type answer struct {
	status int
	header http.Header
	body   string
}

// send sends a request as it is written, with the key of who. Headers are name, value, ... A body is JSON unless a header
// says otherwise.
func send(t *testing.T, s *servertest.Server, who, method, path, body string, headers ...string) answer {
	t.Helper()
	return sendReader(t, s, who, method, path, strings.NewReader(body), headers...)
}

// hideLength hides the length of a body, so that it is sent in chunks.
func hideLength(body string) io.Reader { return io.MultiReader(strings.NewReader(body)) }

func sendReader(t *testing.T, s *servertest.Server, who, method, path string, body io.Reader, headers ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, body)
	if err != nil {
		t.Fatal(err)
	}
	if who != "" {
		req.Header.Set("Authorization", "Bearer "+s.Key(t, who))
	}
	if req.Body != nil && req.Body != http.NoBody {
		req.Header.Set("Content-Type", "application/json")
	}
	for pair := range slices.Chunk(headers, 2) {
		if pair[1] == "" {
			req.Header.Del(pair[0])
			continue
		}
		if pair[0] == "Content-Type" {
			req.Header.Del(pair[0])
		}
		req.Header.Add(pair[0], pair[1])
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(text)}
}

// internals matches text that no answer may have.
var internals = regexp.MustCompile(`(?i)\b(SELECT|INSERT|UPDATE|SQLSTATE|sqlite|postgres|pgx|gorm|relation|no such table|goroutine|panic|constraint)\b|\.go:|/srv/|/tmp/`)

// requireRefusal fails the test unless the answer is a complete problem with the code: RFC 9457, with the request id and the
// headers of its status, and without internals.
func requireRefusal(t *testing.T, a answer, code api.Code) api.Problem {
	t.Helper()
	var p api.Problem
	if err := json.Unmarshal([]byte(a.body), &p); err != nil || p.Code() != code {
		t.Fatalf("want %s, got %d %s", code, a.status, a.body)
	}
	if a.header.Get("Content-Type") != "application/problem+json" || p.Status != a.status || p.Title == "" || p.Detail == "" ||
		p.RequestID == "" || p.RequestID != a.header.Get("X-Request-ID") {
		t.Errorf("the problem is not complete: %d %v %s", a.status, a.header, a.body)
	}
	for name, want := range map[string]bool{
		"Www-Authenticate": a.status == 401, "Retry-After": a.status == 429 || a.status == 503, "Allow": a.status == 405,
	} {
		if (a.header.Get(name) != "") != want {
			t.Errorf("%d with %s %q", a.status, name, a.header.Get(name))
		}
	}
	if found := internals.FindString(a.body); found != "" {
		t.Errorf("the answer has internals (%q): %s", found, a.body)
	}
	return p
}

func pointersOf(p api.Problem) []string {
	var all []string
	for _, f := range p.Errors {
		all = append(all, f.Pointer)
	}
	return all
}

// decodeSuccess fails the test unless the answer has the status. It decodes the body.
func decodeSuccess[T any](t *testing.T, a answer, status int) T {
	t.Helper()
	var v T
	if a.status != status {
		t.Fatalf("want %d, got %d %s", status, a.status, a.body)
	}
	if len(a.body) > 0 {
		if err := json.Unmarshal([]byte(a.body), &v); err != nil {
			t.Fatal(err)
		}
	}
	return v
}

// membersOf returns the members of a JSON object.
func membersOf(t *testing.T, body string) map[string]any {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader([]byte(body)))
	decoder.UseNumber()
	m := map[string]any{}
	if err := decoder.Decode(&m); err != nil {
		t.Fatal(err)
	}
	return m
}

func toJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// newCertificateBody returns a valid body for a profile that allows names below example.com.
func newCertificateBody(t *testing.T, profileID, more string) string {
	return fmt.Sprintf(`{"sans":["a.example.com"],"profile_id":%q,"csr_pem":%s%s}`, profileID, toJSON(servertest.CSR(t)), more)
}
