package console_test

import (
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// visitor sends requests as a browser does, without a browser. It follows no redirect.
type visitor struct {
	t      testing.TB
	s      *servertest.Server
	cookie string // name=value; empty if nobody is signed in
}

// page is an answer.
type page struct {
	status int
	header http.Header
	body   string
}

// sameSite are the headers of a form that a page of the console sends.
var sameSite = http.Header{"Sec-Fetch-Site": {"same-origin"}}

func (v *visitor) get(path string) page {
	v.t.Helper()
	return v.send(http.MethodGet, path, nil, http.Header{"Accept": {"text/html"}})
}

func (v *visitor) post(path string, form url.Values) page {
	v.t.Helper()
	return v.send(http.MethodPost, path, form, sameSite)
}

func (v *visitor) send(method, path string, form url.Values, header http.Header) page {
	v.t.Helper()
	r, err := http.NewRequestWithContext(v.t.Context(), method, v.s.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		v.t.Fatal(err)
	}
	r.Header = header.Clone()
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if v.cookie != "" {
		r.Header.Set("Cookie", v.cookie)
	}
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return page{answer.StatusCode, answer.Header, string(body)}
}

// signInWith signs in with a key, and keeps the cookie.
func (v *visitor) signInWith(key string) page {
	v.t.Helper()
	p := v.post("/sign-in", url.Values{"key": {key}})
	if p.status == http.StatusSeeOther {
		v.cookie, _, _ = strings.Cut(p.header.Get("Set-Cookie"), ";")
	}
	return p
}

// newVisitor signs a person in.
func newVisitor(t testing.TB, s *servertest.Server, person string) *visitor {
	t.Helper()
	v := &visitor{t: t, s: s}
	v.signInWith(s.Key(t, person)).require(t, http.StatusSeeOther)
	return v
}

// require fails the test unless the answer has the status and the texts.
func (p page) require(t testing.TB, status int, texts ...string) {
	t.Helper()
	if p.status != status {
		t.Fatalf("the status is %d, not %d: %s", p.status, status, p.body)
	}
	for _, text := range texts {
		if !strings.Contains(p.body, text) {
			t.Fatalf("the page lacks %q:\n%s", text, p.body)
		}
	}
}

var hiddenField = regexp.MustCompile(`<input type="hidden" name="([a-z_]+)" value="([^"]*)">`)

// form returns the hidden fields of the first form of a page.
func (p page) form() url.Values {
	values := url.Values{}
	for _, field := range hiddenField.FindAllStringSubmatch(p.body, -1) {
		if values.Get(field[1]) == "" {
			values.Set(field[1], field[2])
		}
	}
	return values
}
