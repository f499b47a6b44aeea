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
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
)

const secret = "ctl_k1_very-secret"

// script answers requests in order, with answers that a real server does not give on demand.
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
	cut        bool // the connection ends before the body does
	err        error
}

func (s *script) RoundTrip(req *http.Request) (*http.Response, error) {
	st := s.steps[min(len(s.calls), len(s.steps)-1)]
	s.calls = append(s.calls, req)
	if st.err != nil {
		return nil, st.err
	}
	resp := &http.Response{StatusCode: st.status, Header: http.Header{}, Request: req, Body: io.NopCloser(strings.NewReader(st.body))}
	if st.cut {
		resp.Body = io.NopCloser(io.MultiReader(resp.Body, iotest.ErrReader(io.ErrUnexpectedEOF)))
	}
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

func (s *script) client(t *testing.T, opts ...client.Option) *client.Client {
	t.Helper()
	opts = append(opts, client.WithHTTPClient(&http.Client{Transport: s}))
	c, err := client.New("https://certctl.test", secret, opts...)
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
	put := func(opts ...client.EditOption) func(context.Context, *client.Client) error {
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
	running := problemStep(409, api.CodeRequestInProgress)
	running.retryAfter = "3"
	half := step{status: 201, media: "application/json", body: `{"id":"p-`, cut: true}

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
		"read, cut off":                    {do: get, steps: []step{half, profileStep(200)}, calls: 2},
		"create, may have arrived":         {do: post, steps: []step{{err: reset}, profileStep(201)}, calls: 2},
		"create, cut off":                  {do: post, steps: []step{half, profileStep(201)}, calls: 2},
		"create, always cut off":           {do: post, steps: []step{half}, calls: 4, fails: true},
		"create, busy":                     {do: post, steps: []step{busyForLong, busy, profileStep(201)}, calls: 3, waited: 7 * time.Second},
		"create, a proxy's faults":         {do: post, steps: []step{{status: 502}, {status: 504}, profileStep(201)}, calls: 3},
		"create, in progress":              {do: post, steps: []step{{err: reset}, running, profileStep(201)}, calls: 3, waited: 3 * time.Second},
		"create, another conflict":         {do: post, steps: []step{problemStep(409, api.CodeAlreadyExists)}, calls: 1, fails: true},
		"create, a stranger's conflict":    {do: post, steps: []step{{status: 409, media: "text/html"}}, calls: 1, fails: true},
		"create, the key was used":         {do: post, steps: []step{problemStep(422, api.CodeIdempotencyKeyReused)}, calls: 1, fails: true},
		"create, an internal error":        {do: post, steps: []step{problemStep(500, api.CodeInternal)}, calls: 1, fails: true},
		"create, stale":                    {do: post, steps: []step{problemStep(412, api.CodePreconditionFailed)}, calls: 1, fails: true},
		"replace, may have arrived":        {do: put(), steps: []step{{err: reset}}, calls: 1, fails: true},
		"replace, cut off":                 {do: put(), steps: []step{half}, calls: 1, fails: true},
		"replace, no connection":           {do: put(), steps: []step{{err: refused}, profileStep(200)}, calls: 2},
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

// The retries of a POST have the same key. No other call has that key.
func TestRetry_APostHasOneKey(t *testing.T) {
	posts := map[string]func(context.Context, *client.Client) error{
		"create profile": func(ctx context.Context, c *client.Client) error {
			_, err := c.CreateProfile(ctx, api.CreateProfile{})
			return err
		},
		"create certificate": func(ctx context.Context, c *client.Client) error {
			_, err := c.CreateCertificate(ctx, api.CreateCertificate{})
			return err
		},
		"renew": func(ctx context.Context, c *client.Client) error {
			_, err := c.RenewCertificate(ctx, "mc-a", api.Renew{})
			return err
		},
		"approve": func(ctx context.Context, c *client.Client) error {
			_, err := c.ApproveApproval(ctx, "ar-a", api.Decision{})
			return err
		},
		"reject": func(ctx context.Context, c *client.Client) error {
			_, err := c.RejectApproval(ctx, "ar-a", api.Decision{})
			return err
		},
		"withdraw": func(ctx context.Context, c *client.Client) error {
			_, err := c.WithdrawApproval(ctx, "ar-a", api.Withdrawal{})
			return err
		},
	}
	seen := map[string]string{}
	for name, post := range posts {
		synctest.Test(t, func(t *testing.T) {
			s := &script{steps: []step{{err: reset}, problemStep(503, api.CodeUnavailable), problemStep(422, api.CodeInvalidRequest)}}
			if err := post(t.Context(), s.client(t)); !api.Is(err, api.CodeInvalidRequest) {
				t.Fatalf("%s: %v", name, err)
			}
			for i, call := range s.calls {
				if keys := call.Header.Values("Idempotency-Key"); len(keys) != 1 || len(keys[0]) < 26 || keys[0] != s.calls[0].Header.Get("Idempotency-Key") {
					t.Errorf("%s: call %d has the keys %q", name, i, keys)
				}
			}
			key := s.calls[0].Header.Get("Idempotency-Key")
			if other := seen[key]; other != "" || len(s.calls) != 3 {
				t.Errorf("%s: %d calls, with the key of %q", name, len(s.calls), other)
			}
			seen[key] = name
		})
	}
}

func TestIdempotencyKey(t *testing.T) {
	s := &script{steps: []step{profileStep(201)}}
	if _, err := s.client(t).CreateProfile(t.Context(), api.CreateProfile{}, client.IdempotencyKey("mine")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.client(t, client.WithRetries(0)).CreateProfile(t.Context(), api.CreateProfile{}); err != nil {
		t.Fatal(err)
	}
	if own, none := s.calls[0].Header.Get("Idempotency-Key"), s.calls[1].Header.Get("Idempotency-Key"); own != "mine" || none != "" {
		t.Errorf("the caller's key became %q, and without retries there is %q", own, none)
	}
}

// The options of an edit and of an issuance become the query. Options that are not set do not.
func TestOptions_BecomeTheQuery(t *testing.T) {
	edit := func(opts ...client.EditOption) func(*client.Client) error {
		return func(c *client.Client) error {
			_, err := c.PreviewProfile(t.Context(), api.CreateProfile{}, opts...)
			return err
		}
	}
	issue := func(opts ...client.IssueOption) func(*client.Client) error {
		return func(c *client.Client) error {
			_, err := c.ReplaceCertificate(t.Context(), "mc-a", api.CertificateSpec{}, opts...)
			return err
		}
	}
	for want, do := range map[string]func(*client.Client) error{
		"/profiles/preview":                                                 edit(client.IfMatch(1), client.EditOptions{}),
		"/profiles/preview?reason=a+b&resubmit=true":                        edit(client.EditOptions{Reason: "a b", Resubmit: true}),
		"/certificates/mc-a":                                                issue(client.IfMatch(1)),
		"/certificates/mc-a?issue=true":                                     issue(client.IssueOptions{}, client.IfMatch(1)),
		"/certificates/mc-a?issue=true&reason=release":                      issue(client.IssueOptions{Reason: "release"}),
		"/certificates/mc-a?also_excluded=bob&also_excluded=eve&issue=true": issue(client.IssueOptions{AlsoExcluded: []string{"bob", "eve"}}),
	} {
		s := &script{steps: []step{{status: 200, media: "application/json", body: "{}"}}}
		if err := do(s.client(t)); err != nil {
			t.Fatal(err)
		}
		if got := s.calls[0].URL.RequestURI(); got != "/api/v1"+want {
			t.Errorf("the request is %s, want %s", got, want)
		}
	}
}

// The client ignores members that it does not know.
func TestAnswer_MayHaveUnknownMembers(t *testing.T) {
	s := &script{steps: []step{{status: 200, media: "application/json", body: `{"id":"p-a","mood":{"a":[1]}}`}}}
	if p, err := s.client(t).GetProfile(t.Context(), "p-a"); err != nil || p.ID != "p-a" {
		t.Errorf("got %+v, %v", p, err)
	}
}

// No wait exceeds the timeout of the operation. The error is the last failure, not the timeout.
func TestRetry_WaitsNoLongerThanTheTimeout(t *testing.T) {
	busy := problemStep(503, api.CodeUnavailable)
	later := busy
	later.retryAfter = "10"
	for name, tc := range map[string]struct {
		step step
		want string
	}{
		"told to wait":  {later, "words"},
		"always busy":   {busy, "words"},
		"no connection": {step{err: refused}, "connection refused"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				c := (&script{steps: []step{tc.step}}).client(t, client.WithTimeout(5*time.Second), client.WithRetries(50))
				_, err := c.CreateProfile(t.Context(), api.CreateProfile{})
				if err == nil || !strings.Contains(err.Error(), tc.want) || time.Since(start) >= 5*time.Second {
					t.Errorf("after %s: %v", time.Since(start), err)
				}
			})
		})
	}
}

// A cancelled wait ends at once with the error of the context.
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

// After an operation found no server, each later operation tries once, until a server answers. A server that has answered is
// given the whole timeout before that.
func TestRetry_LaterOperationsTryOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{steps: []step{{err: refused}, {err: refused}, {err: refused}, profileStep(200), {err: refused}}}
		c := s.client(t, client.WithRetries(1), client.WithTimeout(time.Second))
		for i, want := range []struct {
			calls     int
			away, too bool
		}{{2, true, false}, {3, true, true}, {4, false, false}, {6, true, false}, {7, true, true}} {
			_, err := c.GetProfile(t.Context(), "p-a")
			down, away := errors.AsType[*client.UnreachableError](err)
			if len(s.calls) != want.calls || away != want.away || away && down.Again != want.too {
				t.Errorf("operation %d: %d calls in all, %+v", i, len(s.calls), err)
			}
		}
	})
}

// A server that has answered and is away now is waited for until the timeout, as a restart takes longer than three retries.
func TestRetry_WaitsForARestart(t *testing.T) {
	away, proxied := step{err: refused}, step{status: 503, media: "text/html", body: "<h1>down"}
	get := func(ctx context.Context, c *client.Client) error { _, err := c.GetProfile(ctx, "p-a"); return err }
	create := func(ctx context.Context, c *client.Client) error {
		_, err := c.CreateProfile(ctx, api.CreateProfile{})
		return err
	}
	replace := func(ctx context.Context, c *client.Client) error {
		_, err := c.ReplaceProfile(ctx, "p-a", api.ProfileSpec{})
		return err
	}
	for name, tc := range map[string]struct {
		do     func(context.Context, *client.Client) error
		away   step
		status int
		opts   []client.Option
		fails  bool
		next   int // calls of an operation after a failure
	}{
		"read":                        {do: get, away: away, status: 200},
		"read, through a proxy":       {do: get, away: proxied, status: 200},
		"create":                      {do: create, away: away, status: 201},
		"create, through a proxy":     {do: create, away: proxied, status: 201},
		"replace without a condition": {do: replace, away: away, status: 200},
		"replace, may have arrived":   {do: replace, away: proxied, status: 200, fails: true, next: 6},
		"a server that cannot write":  {do: create, away: problemStep(503, api.CodeUnavailable), status: 201, fails: true, next: 3},
		"without retries":             {do: get, away: away, status: 200, opts: []client.Option{client.WithRetries(0)}, fails: true, next: 1},
		"away for longer":             {do: get, away: away, status: 200, opts: []client.Option{client.WithTimeout(3 * time.Second)}, fails: true, next: 1},
		"away for longer, by a proxy": {do: get, away: proxied, status: 200, opts: []client.Option{client.WithTimeout(3 * time.Second)}, fails: true, next: 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{steps: slices.Concat([]step{profileStep(200)}, slices.Repeat([]step{tc.away}, 6), []step{profileStep(tc.status)})}
				c := s.client(t, tc.opts...)
				if err := get(t.Context(), c); err != nil {
					t.Fatal(err)
				}
				if err := tc.do(t.Context(), c); (err != nil) != tc.fails {
					t.Errorf("after %d calls: %v", len(s.calls), err)
				}
				before := len(s.calls)
				_ = get(t.Context(), c)
				if tc.fails && len(s.calls) != before+tc.next {
					t.Errorf("the next operation made %d calls", len(s.calls)-before)
				}
			})
		})
	}
}

// The deadline of one caller says nothing about the time that other operations have.
func TestRetry_ADeadlineOfTheCallerStopsNoOtherOperation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{steps: slices.Concat([]step{profileStep(200)}, slices.Repeat([]step{{err: refused}}, 6), []step{profileStep(200)})}
		c := s.client(t)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		for i, ctx := range []context.Context{t.Context(), ctx, t.Context()} {
			if _, err := c.GetProfile(ctx, "p-a"); (err != nil) != (i == 1) {
				t.Errorf("operation %d: %v", i, err)
			}
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

// Each answer to a follower of the audit trail has a link. A list ends at the first page that is not full.
func TestList_EndsAtAPageThatIsNotFull(t *testing.T) {
	page := func(ids, after string) step {
		return step{status: 200, media: "application/json", body: ids, link: `</api/v1/audit-events?after=` + after + `&limit=2&order=oldest>; rel="next"`}
	}
	full := page(`[{"id":"ev-a"},{"id":"ev-b"}]`, "1")
	for name, tc := range map[string]struct {
		steps []step
		want  int
	}{
		"empty":           {[]step{page(`[]`, "0")}, 0},
		"one more":        {[]step{full, page(`[{"id":"ev-c"}]`, "2")}, 3},
		"ends with limit": {[]step{full, page(`[{"id":"ev-c"},{"id":"ev-d"}]`, "2"), page(`[]`, "3")}, 4},
	} {
		s := &script{steps: append(tc.steps, full)}
		all, err := client.Collect(s.client(t).ListAuditEvents(t.Context(), client.ListAuditEventsOptions{Order: api.AuditOldestFirst}))
		if err != nil || len(all) != tc.want || len(s.calls) != len(tc.steps) {
			t.Errorf("%s: %d events in %d calls, %v", name, len(all), len(s.calls), err)
		}
		if got := s.calls[0].URL.RawQuery; got != "order=oldest" {
			t.Errorf("%s: the query is %s", name, got)
		}
	}
}

// A follower asks at once after a full page, waits while there is nothing new, and goes on after a failure.
func TestFollowAuditEvents_WaitsAndContinues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		page := func(ids, after string) step {
			return step{status: 200, media: "application/json", body: ids, link: `</api/v1/audit-events?after=` + after + `&limit=2&order=oldest>; rel="next"`}
		}
		s := &script{steps: []step{
			page(`[{"id":"ev-a"},{"id":"ev-b"}]`, "1"),
			page(`[{"id":"ev-c"}]`, "2"),
			page(`[]`, "3"),
			problemStep(403, api.CodeForbidden),
			{status: 200, media: "application/json", body: `[]`}, // no link
			page(`[{"id":"ev-d"}]`, "4"),
		}}
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		start := time.Now()
		var got []string
		o := client.FollowAuditEventsOptions{Page: client.Page{Limit: 2}, Cursor: "0", Actor: "bob", Pause: time.Minute}
		for page, err := range s.client(t, client.WithRetries(0)).FollowAuditEvents(ctx, o) {
			at := fmt.Sprintf("%s at %s:", page.Cursor, time.Since(start).Round(time.Second))
			if err != nil {
				at += " error"
			}
			for _, e := range page.Events {
				at += " " + e.ID
			}
			got = append(got, at)
			if page.Cursor == "4" {
				stop()
			}
		}
		want := []string{"1 at 0s: ev-a ev-b", "2 at 0s: ev-c", " at 2m0s: error", " at 3m0s: error", "4 at 4m0s: ev-d"}
		if !slices.Equal(got, want) {
			t.Errorf("got %q", got)
		}
		var queries []string
		for _, call := range s.calls {
			queries = append(queries, call.URL.RawQuery)
		}
		next := "after=%s&limit=2&order=oldest"
		if want := []string{
			"actor=bob&after=0&limit=2&order=oldest", fmt.Sprintf(next, "1"), fmt.Sprintf(next, "2"),
			fmt.Sprintf(next, "3"), fmt.Sprintf(next, "3"), fmt.Sprintf(next, "3"),
		}; !slices.Equal(queries, want) {
			t.Errorf("the queries are %q", queries)
		}
	})
}

// A follower that waits ends with its context.
func TestFollowAuditEvents_EndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{steps: []step{{status: 200, media: "application/json", body: `[]`, link: `</x?after=1>; rel="next"`}}}
		ctx, stop := context.WithTimeout(t.Context(), 12*time.Second)
		defer stop()
		for page, err := range s.client(t).FollowAuditEvents(ctx, client.FollowAuditEventsOptions{}) {
			t.Errorf("got %v, %v", page, err)
		}
		if len(s.calls) != 3 {
			t.Errorf("%d calls", len(s.calls))
		}
	})
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
