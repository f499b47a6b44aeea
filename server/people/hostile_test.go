package people_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/rivo/uniseg"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/rules"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// hostile are texts that move, hide, recolour or imitate. The server refuses most of them; the command line trusts nobody.
var hostile = []string{
	"\x1b[2J\x1b[H\x1b]0;title\x07\x1b[31mFAKE red\x1b[0m",
	"\u009b31mFAKE c1\u009d0;title\u009c",
	"FAKE\rFAKE\bFAKE\x7fFAKE\tFAKE\v\f",
	"\n\nFAKE Approve ar-aaaaaaaaaaaaaaaa as bob? [y/N] y\nFAKE",
	"\u2028FAKE\u2029FAKE\u0085FAKE",
	"\u202eFAKE\u202c\u2066FAKE\u2069\u200f\u061c",
	"\u200b\u200d\ufeff\u2060\u00ad\u180e\u3164\u115f\u034f\ufe0f\U000e0041FAKE",
	"a" + strings.Repeat("\u0301", 50) + "FAKE",
	strings.Repeat(" ", 300) + "FAKE after a screen of spaces",
	strings.Repeat("x", 300) + "FAKE",
	strings.Repeat("漢字", 50) + "\U0001F469\u200d\U0001F4BB👩🏽‍🚀🇩🇪FAKE",
	"%s%d%!v(MISSING)",
}

// kept are the members whose value the command line needs as it is: ids, words of the protocol, numbers.
var kept = []string{"id", "kind", "state", "status", "type", "digest", "outcome", "request", "blocked_by", "cause", "csr_pem", "certificate_pem", "chain_pem"}

// pollute replaces each text of an answer, except those that are kept, and computes the digest of the subject again.
func pollute(key string, value any, text string) any {
	switch v := value.(type) {
	case map[string]any:
		for name, member := range v {
			v[name] = pollute(name, member, text)
		}
		if v["subject"] != nil && v["digest"] != nil {
			_, v["digest"], _ = rules.Canonicalize(v["subject"])
		}
	case []any:
		for i, element := range v {
			v[i] = pollute(key, element, text)
		}
	case string:
		_, err := time.Parse(time.RFC3339, v)
		if err != nil && v != "" && !slices.Contains(kept, key) && !strings.HasSuffix(key, "_id") {
			return v + text
		}
	}
	return value
}

// startProxy serves the answers of a server after a change.
func startProxy(t *testing.T, s *servertest.Server, change func(any)) string {
	t.Helper()
	server := httptest.NewServer(newProxy(t, s, change))
	t.Cleanup(server.Close)
	return server.URL
}

func newProxy(t *testing.T, s *servertest.Server, change func(any)) http.Handler {
	t.Helper()
	target, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Header.Del("Accept-Encoding")
		},
		ModifyResponse: func(r *http.Response) error {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return err
			}
			var value any
			if err := json.Unmarshal(body, &value); err != nil {
				return err
			}
			change(value)
			if body, err = json.Marshal(value); err != nil {
				return err
			}
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
			r.Header.Del("Content-Length")
			return nil
		},
	}
}

// ownStyle is all that the command line itself sends to a terminal.
var ownStyle = regexp.MustCompile(`\x1b\[(0|1|1;33)m`)

// Hostile texts in every field move nothing, in any table and any message: what reaches the terminal are plain characters,
// line ends and the program's own styles. No line is wider than the terminal, and no text of a user begins a line.
func TestScreen_ShowsHostileTextsAndRunsNone(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	story := tell(t, s)
	for i, text := range hostile {
		u := newUser(t).with("CERTCTL_ENDPOINT="+startProxy(t, s, func(value any) { pollute("", value, text) }), "CERTCTL_API_KEY="+s.Key(t, "bob"))
		columns := []int{20, 40, 80, 200}[i%4]
		for _, args := range [][]string{
			{"approvals", "list", "--state", "pending", "--state", "rejected"},
			{"approvals", "show", story.edit},
			{"certificates", "list"},
			{"certificates", "show", "mc-shop"},
			{"certificates", "show", "mc-none"},
			{"whoami"},
		} {
			checkScreen(t, u.runIn(t, columns, args...).stdout, columns)
		}
		piped := u.run(t, "approvals", "show", story.rejected)
		checkScreen(t, piped.stdout, 0)
		x := u.start(t, columns, "approvals", "approve", story.renewal)
		x.waitFor("[y/N] ")
		x.press("n\n")
		checkScreen(t, x.end().stdout, columns)
	}
	if a := stateOf(t, s, story.renewal); a.State != api.ApprovalPending {
		t.Errorf("the request is %s", a.State)
	}
}

// checkScreen checks what reaches a terminal of a number of columns; 0 for no terminal.
func checkScreen(t *testing.T, output string, columns int) {
	t.Helper()
	plain := ownStyle.ReplaceAllString(output, "")
	if columns == 0 && plain != output {
		t.Errorf("styles without a terminal: %q", output)
	}
	for _, r := range plain {
		if r != '\n' && !unicode.IsPrint(r) {
			t.Fatalf("the character %U in %q", r, output)
		}
	}
	for line := range strings.SplitSeq(plain, "\n") {
		if strings.HasPrefix(line, "FAKE") {
			t.Errorf("a text of a user begins a line: %q", plain)
		}
		if isQuestion := strings.HasSuffix(line, "[y/N] n"); columns > 0 && !isQuestion && uniseg.StringWidth(line) > columns {
			t.Errorf("a line of %d columns on a terminal of %d: %q", uniseg.StringWidth(line), columns, line)
		}
	}
}
