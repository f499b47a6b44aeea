package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
)

const secret = "ctl_k1_very-secret"

// script answers one request after another, as a server or a connection would that cannot be had from a real one.
type script struct {
	steps []step
	calls []*http.Request
}

type step struct {
	status     int
	media      string
	body       string
	retryAfter string
	link       string
	err        error
}

func (s *script) RoundTrip(req *http.Request) (*http.Response, error) {
	st := s.steps[min(len(s.calls), len(s.steps)-1)]
	s.calls = append(s.calls, req)
	if st.err != nil {
		return nil, st.err
	}
	resp := &http.Response{StatusCode: st.status, Header: http.Header{}, Request: req, Body: io.NopCloser(strings.NewReader(st.body))}
	if st.media != "" {
		resp.Header.Set("Content-Type", st.media)
	}
	if st.retryAfter != "" {
		resp.Header.Set("Retry-After", st.retryAfter)
	}
	if st.link != "" {
		resp.Header.Set("Link", st.link)
	}
	return resp, nil
}

func (s *script) client(t *testing.T) *client.Client {
	t.Helper()
	c, err := client.New("https://certctl.test", secret, client.WithHTTPClient(&http.Client{Transport: s}))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func profileStep(status int) step {
	return step{status: status, media: "application/json", body: `{"id":"p-a","name":"a"}`}
}

func problemStep(status int, code api.Code) step {
	body := fmt.Sprintf(`{"type":"urn:certctl:problem:%s","status":%d,"detail":"words","request_id":"r-1"}`, code, status)
	return step{status: status, media: "application/problem+json", body: body}
}

var (
	refused = &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	reset   = &net.OpError{Op: "read", Err: errors.New("connection reset by peer")}
)

func TestRetry(t *testing.T) {
	get := func(ctx context.Context, c *client.Client) error { _, err := c.GetProfile(ctx, "p-a"); return err }
	post := func(ctx context.Context, c *client.Client) error {
		_, err := c.CreateProfile(ctx, api.CreateProfile{})
		return err
	}
	put := func(opts ...client.RequestOption) func(context.Context, *client.Client) error {
		return func(ctx context.Context, c *client.Client) error {
			_, err := c.ReplaceProfile(ctx, "p-a", api.ProfileSpec{Name: "<a>"}, opts...)
			return err
		}
	}
	del := func(ctx context.Context, c *client.Client) error {
		return c.DeleteProfile(ctx, "p-a", client.IfMatch(3))
	}
	busy, busyForLong := problemStep(503, api.CodeUnavailable), problemStep(429, api.CodeRateLimited)
	busyForLong.retryAfter = "7"
	hopeless := problemStep(503, api.CodeUnavailable)
	hopeless.retryAfter = "86400"

	for name, tc := range map[string]struct {
		do     func(context.Context, *client.Client) error
		steps  []step
		calls  int
		fails  bool
		waited time.Duration
	}{
		"read, busy twice":                 {do: get, steps: []step{busy, busy, profileStep(200)}, calls: 3},
		"read, Retry-After":                {do: get, steps: []step{busyForLong, profileStep(200)}, calls: 2, waited: 7 * time.Second},
		"read, Retry-After has a cap":      {do: get, steps: []step{hopeless, profileStep(200)}, calls: 2, waited: 20 * time.Second},
		"read, bad gateway":                {do: get, steps: []step{{status: 502}, {status: 504}, profileStep(200)}, calls: 3},
		"read, no connection":              {do: get, steps: []step{{err: refused}, {err: reset}, profileStep(200)}, calls: 3},
		"read, never up":                   {do: get, steps: []step{{err: refused}}, calls: 4, fails: true},
		"read, always busy":                {do: get, steps: []step{busy}, calls: 4, fails: true},
		"read, a refusal is final":         {do: get, steps: []step{problemStep(403, api.CodeForbidden)}, calls: 1, fails: true},
		"read, an internal error is final": {do: get, steps: []step{problemStep(500, api.CodeInternal)}, calls: 1, fails: true},
		"create, no connection":            {do: post, steps: []step{{err: refused}, profileStep(201)}, calls: 2},
		"create, may have arrived":         {do: post, steps: []step{{err: reset}}, calls: 1, fails: true},
		"create, busy":                     {do: post, steps: []step{busy}, calls: 1, fails: true},
		"replace, may have arrived":        {do: put(), steps: []step{{err: reset}}, calls: 1, fails: true},
		"conditional, may have arrived":    {do: put(client.IfMatch(3)), steps: []step{{err: reset}, busy, profileStep(200)}, calls: 3},
		"conditional, stale":               {do: put(client.IfMatch(3)), steps: []step{problemStep(412, api.CodePreconditionFailed)}, calls: 1, fails: true},
		"delete, may have arrived":         {do: del, steps: []step{{err: reset}, {status: 204}}, calls: 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, start := &script{steps: tc.steps}, time.Now()
				err := tc.do(t.Context(), s.client(t))
				if (err != nil) != tc.fails {
					t.Errorf("error is %v", err)
				}
				if len(s.calls) != tc.calls {
					t.Errorf("%d calls, want %d", len(s.calls), tc.calls)
				}
				if waited := time.Since(start); waited < tc.waited {
					t.Errorf("waited %s, want at least %s", waited, tc.waited)
				}
			})
		})
	}
}

func TestRetry_SendsTheSameAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{steps: []step{problemStep(503, api.CodeUnavailable), profileStep(200)}}
		if _, err := s.client(t).ReplaceProfile(t.Context(), "p-a", api.ProfileSpec{Name: "<a> & b"}, client.IfMatch(3)); err != nil {
			t.Fatal(err)
		}
		for i, r := range s.calls {
			body, _ := io.ReadAll(r.Body)
			if r.Header.Get("If-Match") != `"3"` || !bytes.Contains(body, []byte(`"<a> & b"`)) {
				t.Errorf("call %d: If-Match %s, body %s", i, r.Header.Get("If-Match"), body)
			}
		}
	})
}

// A cancelled wait ends at once and says so.
func TestRetry_StopsWhenCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		_, err := (&script{steps: []step{{err: refused}}}).client(t).GetProfile(ctx, "p-a")
		var down *client.UnreachableError
		if !errors.As(err, &down) || down.Endpoint != "https://certctl.test" {
			t.Errorf("got %v", err)
		}
	})
}

func TestForeignAnswer(t *testing.T) {
	for name, st := range map[string]step{
		"a page":             {status: 500, media: "text/html", body: "<h1>" + secret},
		"a login page":       {status: 200, media: "text/html", body: "<form>" + secret},
		"nothing":            {status: 200},
		"half of it":         {status: 200, media: "application/json", body: `{"id":"p-a"`},
		"another success":    {status: 202, media: "application/json", body: `{"id":"ar-a"}`},
		"another's problem":  {status: 404, media: "application/problem+json", body: `{"type":"about:blank","detail":"` + secret + `"}`},
		"a problem, cut off": {status: 404, media: "application/problem+json", body: `{"type":"urn:certctl:problem:not_fo`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := (&script{steps: []step{st}}).client(t).GetProfile(t.Context(), "p-a")
			var foreign *client.ForeignAnswerError
			if !errors.As(err, &foreign) || foreign.Status != st.status {
				t.Fatalf("got %v", err)
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("the error repeats what it read: %v", err)
			}
		})
	}
}

func TestRedirect_IsNotFollowed(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("followed") }))
	defer other.Close()
	first := httptest.NewServer(http.RedirectHandler(other.URL+"/x", http.StatusTemporaryRedirect))
	defer first.Close()
	c, err := client.New(first.URL, secret)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.CreateProfile(t.Context(), api.CreateProfile{})
	if err == nil || !strings.Contains(err.Error(), other.URL) || strings.Contains(err.Error(), secret) {
		t.Errorf("got %v", err)
	}
}

func TestList_FollowsTheQueryOfTheLink(t *testing.T) {
	page := func(ids, link string) step {
		return step{status: 200, media: "application/json", body: ids, link: link}
	}
	s := &script{steps: []step{
		page(`[{"id":"p-a"},{"id":"p-b"}]`, `</first>; rel="first", <//evil.test/x?name=n&after=b%2Fc>; rel="next"`),
		page(`[{"id":"p-c"}]`, `<?after=first>; rel="first"`),
	}}
	all, err := client.Collect(s.client(t).ListProfiles(t.Context(), client.ListProfilesOptions{Page: client.Page{Limit: 2}, Name: "n"}))
	if err != nil || len(all) != 3 || all[2].ID != "p-c" {
		t.Fatalf("got %v, %v", all, err)
	}
	if got := s.calls[0].URL.String(); got != "https://certctl.test/api/v1/profiles?limit=2&name=n" {
		t.Errorf("first page from %s", got)
	}
	if got := s.calls[1].URL.String(); got != "https://certctl.test/api/v1/profiles?after=b%2Fc&name=n" {
		t.Errorf("second page from %s", got)
	}
}

func TestNew_Endpoint(t *testing.T) {
	for endpoint, want := range map[string]string{
		"https://certctl.test":         "",
		"https://certctl.test/":        "",
		"https://certctl.test:8443/a/": "",
		"http://127.0.0.1:8080":        "",
		"http://[::1]:8080":            "",
		"http://localhost:8080":        "",
		"":                             "empty",
		"certctl.test":                 "not a URL",
		"https://u:very-secret@h:x":    "not a URL",
		"ftp://certctl.test":           "https://",
		"http://certctl.test":          "could read the API key",
		"https://u:very-secret@h":      "user or password",
		"https://certctl.test?a=b":     "query",
		"https://certctl.test#a":       "fragment",
		"https://certctl.test/api/v1":  "/api/v1",
		"https://certctl.test/api/v1/": "/api/v1",
	} {
		c, err := client.New(endpoint, secret)
		switch {
		case want == "" && err != nil:
			t.Errorf("%q: %v", endpoint, err)
		case want == "" && c.Endpoint() != strings.TrimSuffix(endpoint, "/"):
			t.Errorf("%q became %q", endpoint, c.Endpoint())
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%q: %v, want %q", endpoint, err, want)
		case err != nil && strings.Contains(err.Error(), "very-secret"):
			t.Errorf("%q: the error repeats it: %v", endpoint, err)
		}
	}
	if _, err := client.New("https://certctl.test", secret+"\n"); err == nil || strings.Contains(err.Error(), secret) {
		t.Errorf("a key with a line break: %v", err)
	}
}
