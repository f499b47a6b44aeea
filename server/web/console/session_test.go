// cspell:ignore Fapprovals Fkind Dissuance

package console_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/certctl/terraform-provider-certctl/server/principal"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// A session ends with its key, with its person, with time, and when the person signs out.
func TestSession_EndsWithItsKey(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		keyID := func(key string) string { return strings.Split(key, "_")[1] }
		for _, end := range []struct {
			name string
			run  func(t *testing.T, v *visitor, key string)
		}{
			{"revoked", func(t *testing.T, _ *visitor, key string) {
				s.Write(t, func(tx *store.Tx) error { return principal.RevokeKey(tx, keyID(key)) })
			}},
			{"signed out", func(t *testing.T, v *visitor, _ string) {
				out := *v
				out.post("/sign-out", nil).require(t, http.StatusSeeOther)
			}},
			{"signed in again in the same browser", func(t *testing.T, v *visitor, _ string) {
				again := *v
				again.signInWith(s.Key(t, "bob")).require(t, http.StatusSeeOther)
			}},
			{"expired", func(*testing.T, *visitor, string) { s.Clock.Advance(31 * time.Minute) }}, // its key lives half an hour
			{"idle", func(*testing.T, *visitor, string) { s.Clock.Advance(61 * time.Minute) }},
			{"old", func(t *testing.T, v *visitor, _ string) {
				for range 14 {
					v.get("/approvals").require(t, http.StatusOK)
					s.Clock.Advance(55 * time.Minute)
				}
			}},
			{"disabled", func(t *testing.T, _ *visitor, _ string) { s.Disable(t, "carol") }},
		} {
			var key string
			s.Write(t, func(tx *store.Tx) (err error) {
				lifetime := time.Duration(0)
				if end.name == "expired" {
					lifetime = 30 * time.Minute
				}
				key, err = principal.CreateKey(tx, "carol", "console", lifetime)
				return err
			})
			v := &visitor{t: t, s: s}
			v.signInWith(key).require(t, http.StatusSeeOther)
			v.get("/approvals").require(t, http.StatusOK, "Signed in as <strong>carol</strong>")
			end.run(t, v, key)
			if p := v.get("/approvals?kind=issuance"); p.status != http.StatusSeeOther || p.header.Get("Location") != "/sign-in?return=%2Fapprovals%3Fkind%3Dissuance" {
				t.Errorf("%s: the session goes on: %d %s", end.name, p.status, p.header.Get("Location"))
			}
		}
		s.Clock.Advance(2 * time.Hour)
		servertest.WaitUntil(t, func() error {
			var left int
			s.Query(t, &left, "SELECT count(*) FROM sessions")
			if left > 0 {
				return fmt.Errorf("%d sessions are left", left)
			}
			return nil
		})
	})
}

// Only people sign in. Failed tries count as those of the API do.
func TestSignIn_RefusesWhomTheAPIRefuses(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	v := &visitor{t: t, s: s}
	v.signInWith(s.Key(t, "terraform")).require(t, http.StatusForbidden, "terraform is a service: only a person may sign in.")
	v.signInWith("ctl_wrong").require(t, http.StatusUnauthorized, "The key is not valid.", `name="key"`)
	if v.cookie != "" {
		t.Error("a failed try sets a cookie")
	}
	status := 0
	for range 60 {
		if status = v.signInWith("ctl_wrong").status; status == http.StatusTooManyRequests {
			break
		}
	}
	if status != http.StatusTooManyRequests {
		t.Errorf("after 60 failed tries the status is %d", status)
	}
	api := v.send(http.MethodGet, "/api/v1/me", nil, http.Header{"Authorization": {"Bearer ctl_wrong"}})
	api.require(t, http.StatusTooManyRequests)
	v.signInWith(s.Key(t, "bob")).require(t, http.StatusSeeOther)
}

// After sign-in a browser goes to a page of ours, never to another host.
func TestSignIn_ReturnsToOurPagesOnly(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	for address, want := range map[string]string{
		"/approvals/ar-x":                "/approvals/ar-x",
		"/approvals?kind=issuance&order": "/approvals?kind=issuance&order",
		"":                               "/approvals",
		"https://evil.test/approvals":    "/approvals",
		"//evil.test":                    "/approvals",
		"/\\evil.test":                   "/approvals",
		"/approvals//evil.test":          "/approvals",
		"/approvals\r\nX: y":             "/approvals",
		"/approvals/..//evil.test":       "/approvals",
		"javascript:alert(1)":            "/approvals",
		"/api/v1/me":                     "/approvals",
		"/sign-out":                      "/approvals",
	} {
		v := &visitor{t: t, s: s}
		if shown := v.get("/sign-in?return=" + url.QueryEscape(address)).form().Get("return"); shown != strings.ReplaceAll(want, "&", "&amp;") {
			t.Errorf("the form for %q returns to %q", address, shown)
		}
		p := v.post("/sign-in", url.Values{"key": {s.Key(t, "bob")}, "return": {address}})
		if got := p.header.Get("Location"); p.status != http.StatusSeeOther || got != want {
			t.Errorf("%q returns to %d %q", address, p.status, got)
		}
	}
}

// The cookie is for the pages of this origin alone, and never authenticates the API.
func TestCookie_IsForThePagesAlone(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	v := newVisitor(t, s, "bob")
	cookie := v.signInWith(s.Key(t, "bob")).header.Get("Set-Cookie")
	if _, attributes, _ := strings.Cut(cookie, ";"); !strings.HasPrefix(cookie, "__Host-certctl=") || attributes != " Path=/; HttpOnly; Secure; SameSite=Lax" {
		t.Errorf("the cookie is %s", cookie)
	}
	v.send(http.MethodGet, "/api/v1/me", nil, http.Header{}).require(t, http.StatusUnauthorized)
	var rows []string
	s.Query(t, &rows, "SELECT token_sha256 FROM sessions")
	if _, token, _ := strings.Cut(v.cookie, "="); strings.Contains(strings.Join(rows, " "), token) {
		t.Error("the database has the token")
	}
}

// The server refuses a form of another site, and one that does not say where it comes from.
func TestPost_RefusesOtherSites(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	request := "/approvals/" + *s.RequestOlgasCertificate(t, "alice").ApprovalID
	bob := newVisitor(t, s, "bob")
	form := bob.get(request).form()
	form.Set("agreed", "yes")
	form.Set("note", "call evil.test")
	for name, c := range map[string]struct {
		header http.Header
		text   string
	}{
		"neither header":        {http.Header{}, "does not say which site sent it"},
		"another site":          {http.Header{"Sec-Fetch-Site": {"cross-site"}}, "another site sent this request"},
		"another host, related": {http.Header{"Sec-Fetch-Site": {"same-site"}}, "another site sent this request"},
		"another origin":        {http.Header{"Origin": {"https://evil.test"}}, "another site sent this request"},
		"no origin":             {http.Header{"Origin": {"null"}}, "another site sent this request"},
	} {
		for _, path := range []string{request + "/approve", request + "/reject", request + "/withdraw", "/sign-in", "/sign-out"} {
			p := bob.send(http.MethodPost, path, form, c.header)
			if p.status != http.StatusForbidden || !strings.Contains(p.body, c.text) || p.header.Get("Set-Cookie") != "" {
				t.Errorf("%s: %s answers %d: %s", name, path, p.status, p.body)
			}
			if strings.Contains(p.body, "call evil.test") {
				t.Errorf("%s: %s shows the words of another site", name, path)
			}
		}
	}
	bob.get(request).require(t, http.StatusOK, "I approve 1 name") // still signed in, and nothing was decided
	bob.send(http.MethodPost, request+"/approve", form, http.Header{"Origin": {s.URL}}).require(t, http.StatusSeeOther)
}

// Each page has the headers that a browser must enforce. Static files may be stored; pages may not.
func TestPages_HaveTheirHeaders(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, servertest.ExternalURL("https://certctl.example.com"))
	bob := newVisitor(t, s, "bob")
	for _, path := range []string{"/", "/sign-in", "/approvals", "/approvals/ar-none", "/approvals?kind=none", "/nowhere"} {
		p := bob.get(path)
		head := bob.send(http.MethodHead, path, nil, http.Header{"Accept": {"text/html"}})
		if head.status != p.status || head.body != "" {
			t.Errorf("HEAD %s answers %d with %d bytes, GET answers %d", path, head.status, len(head.body), p.status)
		}
		for name, want := range map[string]string{
			"Content-Security-Policy":    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
			"Referrer-Policy":            "same-origin",
			"Cross-Origin-Opener-Policy": "same-origin",
			"Strict-Transport-Security":  "max-age=31536000",
			"X-Content-Type-Options":     "nosniff",
			"Cache-Control":              "no-store",
		} {
			if got := p.header.Get(name); got != want {
				t.Errorf("%s: %s is %q", path, name, got)
			}
			if got := head.header.Get(name); got != want {
				t.Errorf("HEAD %s: %s is %q", path, name, got)
			}
		}
		if p.header.Get("X-Request-ID") == "" {
			t.Errorf("%s has no request id", path)
		}
	}
	bob.get("/nowhere").require(t, http.StatusNotFound, "there is no page /nowhere.", "No such route")
	bob.get("/approvals/ar-none").require(t, http.StatusNotFound, "Not found", "there is no approval &#34;ar-none&#34;.")
}

// Without the console, its paths lead nowhere.
func TestConsole_CanBeTurnedOff(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, servertest.WithoutConsole())
	v := &visitor{t: t, s: s}
	for _, path := range []string{"/", "/sign-in", "/approvals"} {
		v.get(path).require(t, http.StatusNotFound, "no_such_route")
	}
}
