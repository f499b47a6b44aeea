package console

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/rules"
	"github.com/certctl/terraform-provider-certctl/server/approval"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/principal"
	"github.com/certctl/terraform-provider-certctl/server/store"
	"github.com/certctl/terraform-provider-certctl/server/web"
)

// maxNoteLength is that of api.Decision, in characters.
const maxNoteLength = 2000

// decisionForm is what the forms of a request send.
type decisionForm struct {
	ID     string
	Digest string // of what the page showed
	Note   string
	Agreed bool   // whether the box is ticked
	Once   string // the same in each repetition of one form: a double click decides once
}

func readDecisionForm(c *gin.Context) decisionForm {
	return decisionForm{
		ID: c.Param("id"), Digest: c.PostForm("digest"), Note: readNote(c.PostForm("note")), Agreed: c.PostForm("agreed") == "yes", Once: c.PostForm("once"),
	}
}

// check returns a problem if the form lacks what every page sends, or if the API would refuse the note.
func (f decisionForm) check() error {
	if f.Digest == "" || f.Once == "" || len(f.Once) > 100 || rules.LineFault(f.Once) != "" {
		return api.Refuse(api.CodeMalformedRequest, "the form lacks the digest of what it showed: open the request again")
	}
	if fault := noteFault(f.Note); fault != "" {
		return api.Invalid(api.Fault{Pointer: "/note", Detail: "the note " + fault})
	}
	return nil
}

// noteFault returns why the API would refuse a note; empty if it would not.
func noteFault(note string) string {
	if n := utf8.RuneCountInString(note); n > maxNoteLength {
		return fmt.Sprintf("has %d characters; at most %d are allowed", n, maxNoteLength)
	}
	return rules.TextFault(note)
}

// retry identifies a form, so that it has its effect once.
func (f decisionForm) retry(path string) web.Retry {
	body := url.Values{"digest": {f.Digest}, "note": {f.Note}}
	return web.Retry{Key: "console-" + f.Once, Target: "POST " + path, Body: []byte(body.Encode())}
}

type verb func(tx *store.Tx, who identity.Actor, f decisionForm) (approval.Approval, error)

// decide adds a form that ends a request.
func (s *site) decide(routes gin.IRoutes, path string, access web.Access, end verb) {
	routes.POST(path, func(c *gin.Context) {
		f := readDecisionForm(c)
		v, err := s.begin(c, access)
		if err == nil {
			err = s.runDecision(v, f, end)
		}
		switch {
		case err == nil:
			c.Redirect(http.StatusSeeOther, requestPath(f.ID))
		case errors.Is(err, principal.ErrUnauthenticated):
			s.sendSignInAgain(c, requestPath(f.ID))
		default:
			s.sendRefusal(v, c, f, err)
		}
	})
}

func (s *site) runDecision(v *visit, f decisionForm, end verb) error {
	if err := f.check(); err != nil {
		return err
	}
	_, err := web.WriteOnce(v.c.Request.Context(), s.Store, f.retry(v.c.Request.URL.Path), func(tx *store.Tx, who identity.Actor) (api.Approval, error) {
		a, err := end(tx, who, f)
		return a.API(), err
	})
	return err
}

// sendRefusal shows the request as it is now, with the reason and the note. If it cannot be shown, the reason is the page.
func (s *site) sendRefusal(v *visit, c *gin.Context, f decisionForm, err error) {
	problem, _ := s.ProblemOf(c.Request.Context(), err)
	complete := web.CompleteProblem(*problem, identity.RequestID(c.Request.Context()))
	if v != nil {
		shown := s.answer(v, complete.Status, func(tx *store.Tx, v *visit) (view, error) {
			return s.readRequest(tx, v, f.ID, f.Note, complete)
		})
		if shown == nil {
			return
		}
	}
	s.sendError(c, err)
}

func (s *site) approve(tx *store.Tx, who identity.Actor, f decisionForm) (approval.Approval, error) {
	if !f.Agreed {
		return approval.Approval{}, api.Refuse(api.CodeInvalidRequest, "nothing was approved: tick the box that says what you approve")
	}
	return s.Approvals.Approve(tx, who, f.ID, api.Decision{Note: f.Note, Digest: f.Digest})
}

func (s *site) reject(tx *store.Tx, who identity.Actor, f decisionForm) (approval.Approval, error) {
	if f.Note == "" {
		return approval.Approval{}, api.Refuse(api.CodeInvalidRequest, "nothing was rejected: say why in the note, for the requester and for the next approver")
	}
	return s.Approvals.Reject(tx, who, f.ID, api.Decision{Note: f.Note, Digest: f.Digest})
}

func (s *site) withdraw(tx *store.Tx, who identity.Actor, f decisionForm) (approval.Approval, error) {
	return s.Approvals.Withdraw(tx, who, f.ID, f.Note)
}

func requestPath(id string) string { return "/approvals/" + url.PathEscape(id) }
