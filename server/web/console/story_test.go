package console_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/principal"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Two people in two browsers: one requests and cannot decide, the other approves what the page shows.
func TestStory_ASecondPersonApproves(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		job := s.RequestOlgasCertificate(t, "alice")
		request := "/approvals/" + *job.ApprovalID

		alice := newPerson(t, s, "alice")
		alice.require("Because of you 1")
		alice.requireStatus(alice.click(".requests a"), http.StatusOK)
		alice.require("You cannot decide it", "two-person integrity: alice is excluded")

		bob := newBrowser(t, s)
		bob.requireStatus(bob.open(request), http.StatusOK) // the form of sign-in leads back
		bob.fill("#key", s.Key(t, "bob"))
		bob.requireStatus(bob.click("main button"), http.StatusOK)
		bob.require("I approve 1 name for")
		bob.fill("#note", "as discussed")
		bob.do(tick)
		bob.requireStatus(bob.click("button.approve"), http.StatusOK)
		bob.require("Approved by bob", "bob wrote", "as discussed")

		if j := s.WaitUntilFinalAsVera(t, job.ID); j.Status != api.JobCompleted {
			t.Fatalf("the job is %s: %s", j.Status, j.ErrorMessage)
		}
		alice.open(request)
		alice.require("Approved by bob", "The certificate was signed")
		bob.requireStatus(bob.click(".person button"), http.StatusOK)
		bob.open(request)
		bob.require("Sign in")
	})
}

// A request that ends between the page and the click is not approved. The page says what happened, and shows the note.
func TestStory_TheRequestChanges(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		ctx, olga := t.Context(), s.Client(t, "olga")
		job := s.RequestOlgasCertificate(t, "alice")
		bob := newPerson(t, s, "bob")
		bob.open("/approvals/" + *job.ApprovalID)

		changed, err := olga.GetCertificate(ctx, job.CertificateID)
		if err != nil {
			t.Fatal(err)
		}
		changed.SANs = append(changed.SANs, "evil.example.com")
		if _, err := olga.ReplaceCertificate(ctx, changed.ID, changed.CertificateSpec); err != nil {
			t.Fatal(err)
		}
		bob.fill("#note", "looks fine")
		bob.do(tick)
		bob.expect("409")
		bob.requireStatus(bob.click("button.approve"), http.StatusConflict)
		bob.require("Already decided", "was already cancelled by olga: subject changed", "Your note, which was not sent", "looks fine")
		requireState(t, s, *job.ApprovalID, api.ApprovalCancelled)
	})
}

// A session that ends while somebody writes costs nothing: nothing is decided, and the note is there after the next sign-in.
func TestStory_TheSessionEnds(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		id := *s.RequestOlgasCertificate(t, "alice").ApprovalID
		bob := newPerson(t, s, "bob")
		bob.open("/approvals/" + id)
		bob.fill("#note", "two\nlines & <b>more</b>")
		bob.do(tick)
		s.Write(t, func(tx *store.Tx) error { return principal.RevokeKey(tx, s.Key(t, "bob")) })
		bob.expect("401")
		bob.requireStatus(bob.click("button.approve"), http.StatusUnauthorized)
		bob.require("Your session ended. Nothing was decided.", "Your note is kept")
		requireState(t, s, id, api.ApprovalPending)

		bob.fill("#key", s.NewKey(t, "bob"))
		bob.requireStatus(bob.click("main button"), http.StatusOK)
		if got := bob.location(); got != "/approvals/"+id {
			t.Fatalf("sign-in leads to %s", got)
		}
		if note := evaluate[string](bob, "document.querySelector('#note').value"); note != "two\nlines & <b>more</b>" {
			t.Fatalf("the note is %q", note)
		}
		if evaluate[bool](bob, "document.querySelector('#agreed').checked") {
			t.Error("the box is ticked before the person has read the request again")
		}
		requireState(t, s, id, api.ApprovalPending)
	})
}

// A double click decides once. "Back" and another tab show the decision, and cannot decide again.
func TestStory_OneDecision(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		id := *s.RequestOlgasCertificate(t, "alice").ApprovalID
		bob := newPerson(t, s, "bob")
		bob.open("/approvals/" + id)
		tab := bob.newTab()
		tab.open("/approvals/" + id)
		bob.do(tick)
		bob.requireStatus(bob.navigate(chromedp.DoubleClick(chromedp.CSS("button.approve"))), http.StatusOK)
		bob.require("Approved by bob")
		bob.navigate(chromedp.NavigateBack())
		bob.require("Approved by bob")

		tab.fill("#note", "too late")
		tab.expect("409")
		tab.requireStatus(tab.click("button.reject"), http.StatusConflict)
		tab.require("Already decided", "was already approved by bob", "too late")
		requireState(t, s, id, api.ApprovalApproved)
	})
}

// The same form that arrives twice at once decides once, and both answers lead to the request.
func TestDecide_OnceForEachForm(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		request := "/approvals/" + *s.RequestOlgasCertificate(t, "alice").ApprovalID
		bob := newVisitor(t, s, "bob")
		form := bob.get(request).form()
		form.Set("note", "no")
		var both sync.WaitGroup
		for range 2 {
			both.Go(func() {
				if p := bob.post(request+"/reject", form); p.status != http.StatusSeeOther || p.header.Get("Location") != request {
					t.Errorf("the answer is %d: %s", p.status, p.body)
				}
			})
		}
		both.Wait()
		form.Set("once", "another")
		bob.post(request+"/reject", form).require(t, http.StatusConflict, "was already rejected by bob")
	})
}

// A form must have the digest of the request, the tick to approve and the note to reject.
func TestDecide_RefusesAnIncompleteForm(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	id := *s.RequestOlgasCertificate(t, "alice").ApprovalID
	request := "/approvals/" + id
	bob := newVisitor(t, s, "bob")
	whole := bob.get(request).form()
	for name, c := range map[string]struct {
		verb, field, value string
		status             int
		text               string
	}{
		"no tick":            {"approve", "agreed", "", http.StatusUnprocessableEntity, "tick the box"},
		"another digest":     {"approve", "digest", "sha256:" + strings.Repeat("0", 64), http.StatusConflict, "Digest mismatch"},
		"no digest":          {"approve", "digest", "", http.StatusBadRequest, "lacks the digest"},
		"no form number":     {"approve", "once", "", http.StatusBadRequest, "lacks the digest"},
		"no reason":          {"reject", "note", "", http.StatusUnprocessableEntity, "say why in the note"},
		"a long note":        {"reject", "note", strings.Repeat("ü", 2001), http.StatusUnprocessableEntity, "has 2001 characters"},
		"a NUL in the note":  {"approve", "note", "a\x00b", http.StatusUnprocessableEntity, "has a control character"},
		"bidi in the note":   {"reject", "note", "a\u202eb", http.StatusUnprocessableEntity, "changes the direction"},
		"withdrawn by carol": {"withdraw", "digest", "", http.StatusBadRequest, "lacks the digest"},
	} {
		form := url.Values{"agreed": {"yes"}, "note": {"kept for you"}}
		for field := range whole {
			form.Set(field, whole.Get(field))
		}
		form.Set(c.field, c.value)
		p := bob.post(request+"/"+c.verb, form)
		if p.status != c.status || !strings.Contains(p.body, c.text) || (c.field != "note" && !strings.Contains(p.body, "kept for you")) {
			t.Errorf("%s: %d %s", name, p.status, p.body)
		}
	}
	requireState(t, s, id, api.ApprovalPending)
	vera := newVisitor(t, s, "vera")
	form := url.Values{"digest": whole["digest"], "once": {"x"}, "agreed": {"yes"}}
	vera.post(request+"/approve", form).require(t, http.StatusForbidden, "has no role approver")
	vera.post(request+"/withdraw", form).require(t, http.StatusForbidden, "only an operator")
}

// A page of another site cannot decide for somebody who is signed in.
func TestStory_AHostileSite(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	job := s.RequestOlgasCertificate(t, "alice")
	a, err := s.Client(t, "vera").GetApproval(t.Context(), *job.ApprovalID)
	if err != nil {
		t.Fatal(err)
	}
	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte(`<form method="post" action="` + s.URL + "/approvals/" + a.ID + `/approve">
			<input name="digest" value="` + a.Digest + `"><input name="once" value="x"><input name="agreed" value="yes"><button>Win a prize</button></form>`))
	}))
	defer evil.Close()
	bob := newPerson(t, s, "bob")
	bob.expect("403")
	bob.expect("favicon.ico")
	bob.navigate(chromedp.Navigate(strings.Replace(evil.URL, "127.0.0.1", "evil.test", 1)))
	bob.requireStatus(bob.click("button"), http.StatusForbidden)
	bob.require("the page of another site sent this request: nothing was changed.")
	requireState(t, s, a.ID, api.ApprovalPending)
}

// Somebody without a mouse signs in, finds the request and approves it.
func TestStory_KeyboardAlone(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	id := *s.RequestOlgasCertificate(t, "alice").ApprovalID
	bob := newBrowser(t, s)
	bob.open("/")
	bob.navigate(chromedp.KeyEvent(s.Key(t, "bob") + kb.Enter)) // the field of the key has the focus
	bob.tabTo("Skip to the content")
	bob.tabTo("mc-")
	bob.navigate(chromedp.KeyEvent(kb.Enter))
	bob.tabTo("agreed")
	bob.do(chromedp.KeyEvent(" "))
	bob.tabTo("Approve")
	bob.navigate(chromedp.KeyEvent(kb.Enter))
	bob.require("Approved by bob")
	requireState(t, s, id, api.ApprovalApproved)
}

// tabTo presses the tab key until an element has the focus whose text begins, or whose id is so.
func (b *browser) tabTo(name string) {
	b.t.Helper()
	for range 60 {
		b.do(chromedp.KeyEvent(kb.Tab))
		focused := evaluate[string](b, "document.activeElement.id + '\\n' + document.activeElement.innerText")
		if id, text, _ := strings.Cut(focused, "\n"); id == name || strings.HasPrefix(text, name) {
			if outline := evaluate[string](b, "getComputedStyle(document.activeElement).outlineStyle"); outline == "none" {
				b.t.Fatalf("nobody sees that %s has the focus", name)
			}
			return
		}
	}
	b.t.Fatalf("the tab key does not reach %q:\n%s", name, b.pageText())
}

// The pages work in a browser without JavaScript.
func TestStory_WithoutJavaScript(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	id := *s.RequestOlgasCertificate(t, "alice").ApprovalID
	bob := newBrowser(t, s)
	bob.do(chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		return err
	}))
	bob.open("/approvals/" + id)
	bob.do(chromedp.SendKeys(chromedp.ID("key"), s.Key(t, "bob")))
	bob.requireStatus(bob.click("main button"), http.StatusOK)
	bob.do(chromedp.SendKeys(chromedp.ID("note"), "no script"), tick)
	bob.requireStatus(bob.click("button.approve"), http.StatusOK)
	bob.require("Approved by bob", "no script")
	requireState(t, s, id, api.ApprovalApproved)
}

func requireState(t *testing.T, s *servertest.Server, id string, want api.ApprovalState) {
	t.Helper()
	a, err := s.Client(t, "vera").GetApproval(context.Background(), id)
	if err != nil {
		t.Fatal(err)
	}
	if a.State != want {
		t.Fatalf("the request is %s, not %s", a.State, want)
	}
}
