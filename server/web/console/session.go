package console

import (
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/principal"
	"github.com/certctl/terraform-provider-certctl/server/store"
	"github.com/certctl/terraform-provider-certctl/server/web"
)

// cookieName makes a browser accept the cookie only with Secure, with the path / and without a domain. So no other host can
// set it. A cookie never authenticates the API.
const cookieName = "__Host-certctl"

// signInForm is what the form of sign-in sends, besides the key.
type signInForm struct {
	Return string          // a path of ours
	Draft  principal.Draft // what was written when the session ended
	Fault  string          // why the last try failed; empty before the first
}

// showSignIn shows the form of sign-in.
func (s *site) showSignIn(c *gin.Context) {
	s.sendSignIn(c, http.StatusOK, signInForm{Return: localPath(c.Query("return"))})
}

func (s *site) sendSignIn(c *gin.Context, status int, form signInForm) {
	err := s.render(c, status, frame{view: view{Page: "sign-in", Title: "Sign in", Data: form}, Clock: clock{s.Store.Now()}})
	if err != nil {
		s.sendError(c, err)
	}
}

// signIn starts a session for the person who holds a key.
func (s *site) signIn(c *gin.Context) {
	form := signInForm{
		Return: localPath(c.PostForm("return")),
		Draft:  principal.Draft{Path: localPath(c.PostForm("draft_path")), Note: readNote(c.PostForm("note"))},
	}
	who, err := s.FindKeyHolder(c.Request.Context(), strings.TrimSpace(c.PostForm("key")))
	if err == nil {
		err = s.startSession(c, who, form.Draft)
	}
	if err == nil {
		c.Redirect(http.StatusSeeOther, form.Return)
		return
	}
	problem, _ := s.ProblemOf(c.Request.Context(), err)
	form.Fault = problem.Detail
	if errors.Is(err, principal.ErrUnauthenticated) {
		form.Fault = "The key is not valid. It may be mistyped, expired or revoked."
	}
	s.sendSignIn(c, web.CompleteProblem(*problem, "").Status, form)
}

// startSession signs a person in, and ends the session that the browser had: its token is overwritten, so nobody could sign
// it out. Each way to sign in ends here, once it knows who the person is.
func (s *site) startSession(c *gin.Context, who identity.Actor, draft principal.Draft) error {
	if draft.Note == "" || noteFault(draft.Note) != "" {
		draft = principal.Draft{}
	}
	before, _ := c.Cookie(cookieName) // without one, it is empty and ends nothing
	var token string
	err := s.Store.Write(c.Request.Context(), func(tx *store.Tx) (err error) {
		if err = principal.EndSession(tx, before); err != nil {
			return err
		}
		token, err = principal.StartSession(tx, who, draft)
		return err
	})
	if err == nil {
		setCookie(c, token, 0)
	}
	return err
}

// signOut ends the session of the browser.
func (s *site) signOut(c *gin.Context) {
	if token, err := c.Cookie(cookieName); err == nil {
		err := s.Store.Write(c.Request.Context(), func(tx *store.Tx) error { return principal.EndSession(tx, token) })
		if err != nil {
			s.sendError(c, err) // the session goes on
			return
		}
	}
	setCookie(c, "", -1)
	c.Redirect(http.StatusSeeOther, "/sign-in")
}

// setCookie sets the cookie until the browser ends, or deletes it with a negative age. The server ends the session earlier.
func setCookie(c *gin.Context, token string, maxAge int) {
	http.SetCookie(c.Writer, &http.Cookie{
		Name: cookieName, Value: token, Path: "/", MaxAge: maxAge, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

// redirectToSignIn sends a browser to the form of sign-in, and back to the same page after it.
func (s *site) redirectToSignIn(c *gin.Context) {
	c.Redirect(http.StatusSeeOther, "/sign-in?return="+url.QueryEscape(c.Request.URL.RequestURI()))
}

// sendSignInAgain answers a form whose session has ended. Nothing of the form happened; the note is sent again with the key.
func (s *site) sendSignInAgain(c *gin.Context, path string) {
	s.sendSignIn(c, http.StatusUnauthorized, signInForm{
		Return: localPath(path), Draft: principal.Draft{Path: localPath(path), Note: readNote(c.PostForm("note"))},
		Fault: "Your session ended. Nothing was decided. Sign in to go back to the request.",
	})
}

// A path of ours names a page, perhaps an object and a query. It cannot name another host, as //host and /\host can.
var pagePath = regexp.MustCompile(`^/(approvals|certificates|profiles|activity|overview)(/[A-Za-z0-9._-]{1,100})?(\?[A-Za-z0-9&=%+._:-]{0,1000})?$`)

// localPath returns a path of ours as it is, and the start page for everything else.
func localPath(path string) string {
	if pagePath.MatchString(path) {
		return path
	}
	return startPage
}

const startPage = "/approvals"

// readNote returns the note of a form. Browsers send a new line as CR LF.
func readNote(text string) string { return strings.TrimSpace(strings.ReplaceAll(text, "\r\n", "\n")) }
