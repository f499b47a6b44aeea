package console_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/principal"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// hostileTexts are what a user may write to deceive a reader, or to run something. The API refuses some of them today. A
// database may have them from elsewhere.
//
// cspell:ignore ylno daer mred
var hostileTexts = []string{
	`<script>window.attacked = 1</script>`,
	`"><img src=x onerror="window.attacked = 1">`,
	`'--></style></title></textarea><svg onload=window.attacked=1>`,
	`{{.Digest}} ${7*7} <!--`,
	"approved \u202eylno daer\u202c by carol\u2066",
	"pay\u200b.exam\u00adple\u2060.com\ufeff\u3164\u2800",
	"\x1b[2J\x1b[31mred\x07",
	"line one\nApproved by carol just now\r\n\tline three\u2028four",
	"<https://evil.test|Click here> *bold* _it_ ~no~ `code` [link](javascript:alert(1)) @everyone <!channel>",
	"👩\u200d👩\u200d👧\u200d👦 z\u0334\u0335\u0336\u0337\u0338\u0321\u0322a\u0327\u0328l\u0340\u0341g\u0334o \u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627",
	strings.Repeat("W", 10_000),
}

// shownAs are the parts of the texts that a reader sees as numbers.
var shownAs = []string{"<U+202E>", "<U+202C>", "<U+2066>", "<U+200B>", "<U+00AD>", "<U+2060>", "<U+FEFF>", "<U+3164>", "<U+2800>", "<U+001B>", "<U+0007>", "<U+000D>", "<U+2028>", "<U+200D>"}

// Whatever a user wrote is text on every page, in every field: nothing of it runs, hides or moves.
func TestPages_ShowHostileTextsAsText(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, servertest.WithoutInvariants())
	d := prepareHostileDesk(t, s)
	s.Write(t, func(tx *store.Tx) error {
		return principal.SetRoles(tx, "bob", []api.Role{api.RoleApprover, api.RoleAuditor})
	})
	bob := newPerson(t, s, "bob")
	bob.expect("404")
	bob.expect("422")
	paths := []string{
		"/approvals", "/approvals/" + d.pending, "/approvals/" + d.decided, "/approvals/" + d.edit,
		"/certificates", "/certificates/mc-shop", "/certificates/mc-mail", "/profiles", "/profiles/p-payments", "/activity", "/overview",
	}
	pages := len(paths)
	for _, text := range hostileTexts[:6] {
		paths = append(paths, "/approvals?profile_id="+url.QueryEscape(text), "/approvals/"+url.PathEscape(text), "/"+url.PathEscape(text), "/sign-in?return="+url.QueryEscape(text))
	}
	for i, path := range paths {
		if status := bob.open(path); i < pages && status != http.StatusOK {
			t.Errorf("%s answers %d: %s", path, status, bob.pageText())
		}
		if evaluate[bool](bob, `"attacked" in window || document.querySelectorAll("script").length !== 1 || document.querySelector("main img, main style, main script, main [onload], main [onerror]") !== null`) {
			t.Errorf("%s runs or shows what a user wrote: %s", path, bob.pageText())
		}
		if hidden := evaluate[bool](bob, `/[\u202e\u2066\u200b\u00ad\ufeff\u3164\u2800\x1b\x07\u2028]/.test(document.title + document.body.textContent)`); hidden {
			t.Errorf("%s has a character that nobody sees", path)
		}
		if wide := evaluate[bool](bob, "document.documentElement.scrollWidth > innerWidth"); wide {
			t.Errorf("%s is wider than the window", path)
		}
	}
	bob.open("/approvals/" + d.edit)
	if title := evaluate[string](bob, "document.title"); !strings.Contains(title, "<U+202E>") {
		t.Errorf("the title is %q", title)
	}
	bob.open("/approvals/" + d.pending)
	shown := evaluate[string](bob, "document.title + document.body.textContent")
	for _, text := range hostileTexts {
		if isPlain := !strings.ContainsFunc(text, func(r rune) bool { return r != '\n' && (r < ' ' || r >= 0x7f) }); isPlain && strings.Count(shown, text) < 2 {
			t.Errorf("the page lacks %.80q as it was written", text)
		}
	}
	for _, number := range shownAs {
		if !strings.Contains(shown, number) {
			t.Errorf("the page lacks %s", number)
		}
	}
}

// hostileDesk has the ids of requests that are full of hostile texts.
type hostileDesk struct{ pending, decided, edit string }

// prepareHostileDesk writes the texts past the API into each field of a request that a user writes, or a CSR brings.
func prepareHostileDesk(t *testing.T, s *servertest.Server) hostileDesk {
	t.Helper()
	desk := prepareDesk(t, s)
	all := strings.Join(hostileTexts, "\n")
	var triggers []string
	s.Query(t, &triggers, "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name IN ('approvals', 'certificates', 'profiles', 'jobs', 'audit_events')")
	for _, name := range triggers {
		s.Exec(t, "DROP TRIGGER "+name)
	}
	encode := func(value any) string {
		text, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	var ignored []api.Ignored
	var rejections []api.Rejection
	for i, text := range hostileTexts {
		ignored = append(ignored, api.Ignored{What: text, Value: text})
		rejections = append(rejections, api.Rejection{ApprovalID: fmt.Sprintf("ar-%d", i), CertificateID: "mc-x", DecidedBy: "carol", Note: text})
	}
	carol := "carol"
	previous := api.PreviousRequest{State: api.ApprovalRejected, DecidedBy: &carol, Note: all}
	s.Exec(t, "UPDATE approvals SET reason = ?, note = ?, profile_name = ?, csr_ignored = ?, rejections = ?, previous = ?",
		all, all, all, encode(ignored), encode(rejections), encode(previous))

	var subject api.IssuanceSubject
	var stored string
	s.Query(t, &stored, "SELECT subject FROM approvals WHERE id = ?", desk.lookAlike)
	if err := json.Unmarshal([]byte(stored), &subject); err != nil {
		t.Fatal(err)
	}
	subject.CommonName, subject.SANs, subject.SubjectAttributes.Organization = all, hostileTexts, hostileTexts
	context := api.IssuanceContext{
		Request: api.RequestReissue, NamesAdded: hostileTexts, NamesRemoved: []string{all}, KeyChanged: true,
		ChangedBy: []api.AuthoredChange{{By: "olga", Accountable: "olga", Fields: []string{all}}},
	}
	s.Exec(t, "UPDATE approvals SET subject = ?, context = ? WHERE id = ?", encode(subject), encode(context), desk.lookAlike)

	var edit api.EditSubject
	s.Query(t, &stored, "SELECT subject FROM approvals WHERE id = ?", desk.edit)
	if err := json.Unmarshal([]byte(stored), &edit); err != nil {
		t.Fatal(err)
	}
	edit.After.Name, edit.After.AllowedURIs, edit.After.AllowedDNSNames = all, hostileTexts, hostileTexts
	s.Exec(t, "UPDATE approvals SET subject = ? WHERE id = ?", encode(edit), desk.edit)
	labels := map[string]string{}
	for i, text := range hostileTexts {
		labels[fmt.Sprint(i, text)] = text
	}
	s.Exec(t, "UPDATE profiles SET spec = json_set(spec, '$.name', ?, '$.description', ?, '$.labels', json(?), '$.allowed_uris', json(?))", all, all, encode(labels), encode(hostileTexts))
	s.Exec(t, "UPDATE certificates SET spec = json_set(spec, '$.labels', json(?), '$.common_name', ?) WHERE id = 'mc-mail'", encode(labels), all)
	s.Exec(t, "UPDATE jobs SET error_message = ?", all)
	s.Exec(t, "UPDATE audit_events SET details = ?", encode(map[string]any{"reason": all, all: hostileTexts}))
	return hostileDesk{pending: desk.lookAlike, decided: desk.done, edit: desk.edit}
}
