package console

import (
	"errors"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/principal"
	"github.com/certctl/terraform-provider-certctl/server/profile"
	"github.com/certctl/terraform-provider-certctl/server/store"
	"github.com/certctl/terraform-provider-certctl/server/web"
)

// visit is one request of a person who is signed in.
type visit struct {
	c       *gin.Context
	session principal.Session
}

func (v *visit) who() identity.Actor { return v.session.Actor }

// view is what a page shows.
type view struct {
	Page  string // names the template
	Title string
	Data  any
}

// frame is what the layout shows around a view.
type frame struct {
	view
	Me        *identity.Actor // nil if nobody is signed in
	Links     []link
	Banners   []banner
	RequestID string
	Clock     clock
}

// link leads to a page, from every page.
type link struct {
	Path, Title string
	Current     bool

	access web.Access
}

// navigation lists the pages that every page links to.
var navigation = []link{
	{Path: "/approvals", Title: "Waiting", access: readers},
	{Path: "/certificates", Title: "Certificates", access: readers},
	{Path: "/profiles", Title: "Profiles", access: readers},
	{Path: "/activity", Title: "Activity", access: auditors},
	{Path: "/overview", Title: "Overview", access: readers},
}

// listLinks lists the pages that the person may open.
func listLinks(v *visit) []link {
	var links []link
	for _, l := range navigation {
		if web.CheckAccess(v.who(), l.access) == nil {
			l.Current = strings.HasPrefix(v.c.Request.URL.Path, l.Path)
			links = append(links, l)
		}
	}
	return links
}

// banner warns on every page of something that weakens the rule of two people.
type banner struct{ Title, Text string }

// reader reads what a page shows, on one snapshot of the database.
type reader func(tx *store.Tx, v *visit) (view, error)

// show adds a page.
func (s *site) show(routes gin.IRoutes, path string, access web.Access, read reader) {
	routes.Match(readMethods, path, func(c *gin.Context) {
		v, err := s.begin(c, access)
		if errors.Is(err, principal.ErrUnauthenticated) {
			s.redirectToSignIn(c)
			return
		}
		if err == nil {
			err = s.answer(v, http.StatusOK, read)
		}
		if err != nil {
			s.sendError(c, err)
		}
	})
}

// begin returns the visit of a request. If nobody is signed in, it returns ErrUnauthenticated.
func (s *site) begin(c *gin.Context, access web.Access) (*visit, error) {
	token, err := c.Cookie(cookieName)
	if err != nil {
		return nil, principal.ErrUnauthenticated
	}
	session, err := s.FindSession(c.Request.Context(), token)
	if err != nil {
		return nil, err
	}
	if err := web.CheckAccess(session.Actor, access); err != nil {
		return nil, err
	}
	if err := session.Touch(c.Request.Context(), s.Store); err != nil {
		s.Log.WarnContext(c.Request.Context(), "the use of a session was not stored", "error", err)
	}
	c.Request = c.Request.WithContext(web.WithCaller(c.Request.Context(), web.Caller{Actor: session.Actor, Access: access}))
	return &visit{c: c, session: session}, nil
}

// answer writes a page.
func (s *site) answer(v *visit, status int, read reader) error {
	ctx := v.c.Request.Context()
	clockFault := s.Store.MayWrite(ctx)
	f, err := web.Read(ctx, s.Store, func(tx *store.Tx) (frame, error) {
		shown, err := read(tx, v)
		if err != nil {
			return frame{}, err
		}
		banners, err := s.listBanners(tx, clockFault)
		who := v.who()
		return frame{view: shown, Me: &who, Links: listLinks(v), Banners: banners, Clock: clock{tx.Now}}, err
	})
	if err != nil {
		return err
	}
	return s.render(v.c, status, f)
}

// listBanners lists the warnings of every page. clockFault is why the server must not write; nil if it may.
func (s *site) listBanners(tx *store.Tx, clockFault error) ([]banner, error) {
	var banners []banner
	if s.Approvals.HasBypass() {
		banners = append(banners, banner{"The bypass is on.", "The server approves every request at once, without a person."})
	}
	if clockFault != nil {
		problem, _ := s.ProblemOf(tx.Context(), clockFault)
		banners = append(banners, banner{"Nothing can be decided at the moment.", problem.Detail})
	}
	names, err := profile.GetUngatedNames(tx)
	if err != nil {
		return nil, err
	}
	if names.AllowAll {
		banners = append(banners, banner{"Names without approval are not limited.", "Under a profile that is not gated, any name may be signed without approval."})
	}
	tooFew, err := principal.HasTooFewForTwo(tx)
	if err != nil {
		return nil, err
	}
	if tooFew {
		banners = append(banners, banner{"Nobody could decide a request.", "That takes two people, one of them with the role " + string(api.RoleApprover) + "."})
	}
	return banners, nil
}

// problemPage is what the page of a problem shows.
type problemPage struct {
	Problem *api.Problem
	Note    string // what the person wrote and the server did not take; empty if nothing
}

// showProblem writes a problem as a page.
func (s *site) showProblem(c *gin.Context, p *api.Problem) {
	page := problemPage{Problem: p, Note: readNote(c.PostForm("note"))}
	if err := s.render(c, p.Status, frame{view: view{Page: "problem", Title: p.Title, Data: page}, Clock: clock{s.Store.Now()}}); err != nil {
		s.Log.ErrorContext(c.Request.Context(), "a page cannot be shown", "error", err)
		c.AbortWithStatus(http.StatusInternalServerError)
	}
}

// render writes a page. If it returns an error, it has written nothing.
func (s *site) render(c *gin.Context, status int, f frame) error {
	f.RequestID = identity.RequestID(c.Request.Context())
	page, err := s.pages.execute(f)
	if err != nil {
		return err
	}
	c.Data(status, "text/html; charset=utf-8", page)
	return nil
}
