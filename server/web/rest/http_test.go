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

// answer is what came back, read to its end.
type answer struct {
	status int
	header http.Header
	body   string
}

// ask sends a request as it is written here, with the key of who. Headers are given as name, value, ...; a body has
// the type of JSON unless they say otherwise.
func ask(t *testing.T, s *servertest.Server, who, method, path, body string, headers ...string) answer {
	t.Helper()
	return askReader(t, s, who, method, path, strings.NewReader(body), headers...)
}

// chunked hides the length of a body.
func chunked(body string) io.Reader { return io.MultiReader(strings.NewReader(body)) }

func askReader(t *testing.T, s *servertest.Server, who, method, path string, body io.Reader, headers ...string) answer {
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

// What no caller is ever told.
var inside = regexp.MustCompile(`(?i)\b(SELECT|INSERT|UPDATE|SQLSTATE|sqlite|postgres|pgx|gorm|relation|no such table|goroutine|panic|constraint)\b|\.go:|/srv/|/tmp/`)

// refused fails the test unless the answer is a problem with this code, and whole: RFC 9457, complete, with the
// request's id and the headers that belong to its status, and without anything of the server's inside.
func refused(t *testing.T, a answer, code api.Code) api.Problem {
	t.Helper()
	var p api.Problem
	if err := json.Unmarshal([]byte(a.body), &p); err != nil || p.Code() != code {
		t.Fatalf("want %s, got %d %s", code, a.status, a.body)
	}
	if a.header.Get("Content-Type") != "application/problem+json" || p.Status != a.status || p.Title == "" || p.Detail == "" ||
		p.RequestID == "" || p.RequestID != a.header.Get("X-Request-ID") {
		t.Errorf("the problem is not whole: %d %v %s", a.status, a.header, a.body)
	}
	for name, wanted := range map[string]bool{
		"Www-Authenticate": a.status == 401, "Retry-After": a.status == 429 || a.status == 503, "Allow": a.status == 405,
	} {
		if (a.header.Get(name) != "") != wanted {
			t.Errorf("%d with %s %q", a.status, name, a.header.Get(name))
		}
	}
	if found := inside.FindString(a.body); found != "" {
		t.Errorf("the answer tells of the inside (%q): %s", found, a.body)
	}
	return p
}

func pointers(p api.Problem) []string {
	var all []string
	for _, f := range p.Errors {
		all = append(all, f.Pointer)
	}
	return all
}

// succeeded fails the test unless the answer has this status, and decodes its body.
func succeeded[T any](t *testing.T, a answer, status int) T {
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

// members are all that a JSON object has.
func members(t *testing.T, body string) map[string]any {
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

// certificateBody is a good one for a profile that allows names below example.com.
func certificateBody(t *testing.T, profileID, more string) string {
	return fmt.Sprintf(`{"sans":["a.example.com"],"profile_id":%q,"csr_pem":%s%s}`, profileID, toJSON(servertest.CSR(t)), more)
}
