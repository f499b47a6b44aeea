package console

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/approval"
	"github.com/certctl/terraform-provider-certctl/server/web"
)

// Services has what the pages use.
type Services struct {
	*web.Server
	Approvals *approval.Service
	// HasTLS says whether people reach the server by https only.
	HasTLS bool
}

var (
	readers  = web.Access{Roles: []api.Role{api.RoleViewer}}
	auditors = web.Access{Roles: []api.Role{api.RoleAuditor}}
	// Package approval checks who may decide, so that a requester without the role learns of the two-person rule.
	deciders = web.Access{DeciderRoles: []api.Role{api.RoleApprover}}
	// Package approval checks who may withdraw: a requester who lost the role still may.
	withdrawers = web.Access{}
)

// readMethods are the methods of a page. HEAD has the headers of GET, also those that harden sets.
var readMethods = []string{http.MethodGet, http.MethodHead}

// site serves the pages.
type site struct {
	Services
	pages      pages
	protection *http.CrossOriginProtection
}

// Mount adds the pages to an engine. Paths that lead nowhere get a page if a browser asks.
func Mount(engine *gin.Engine, services Services) {
	s := &site{Services: services, pages: parsePages(), protection: http.NewCrossOriginProtection()}
	engine.NoRoute(s.hardenForBrowsers, sendNoSuchPage, web.SendNoSuchRoute)

	engine.GET(staticPath+":version/:file", s.sendFile)
	pages := engine.Group("/", s.harden)
	pages.Match(readMethods, "/sign-in", s.showSignIn)
	pages.POST("/sign-in", s.signIn)
	pages.POST("/sign-out", s.signOut)
	pages.Match(readMethods, "/", redirectTo("/approvals"))

	s.show(pages, "/approvals", readers, s.showWaiting)
	s.show(pages, "/approvals/:id", readers, s.showRequest)
	s.show(pages, "/certificates", readers, s.showCertificates)
	s.show(pages, "/certificates/:id", readers, s.showCertificate)
	s.show(pages, "/profiles", readers, s.showProfiles)
	s.show(pages, "/profiles/:id", readers, s.showProfile)
	s.show(pages, "/activity", auditors, s.showActivity)
	s.show(pages, "/overview", readers, s.showOverview)
	s.decide(pages, "/approvals/:id/approve", deciders, s.approve)
	s.decide(pages, "/approvals/:id/reject", deciders, s.reject)
	s.decide(pages, "/approvals/:id/withdraw", withdrawers, s.withdraw)
}

func redirectTo(path string) gin.HandlerFunc {
	return func(c *gin.Context) { c.Redirect(http.StatusSeeOther, path) }
}
