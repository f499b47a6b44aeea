package web

import (
	"log/slog"
	"net/http"
	"net/netip"

	"github.com/gin-gonic/gin"

	"github.com/certctl/terraform-provider-certctl/server/principal"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Server has what all routes share.
type Server struct {
	Store         *store.Store
	Authenticator *principal.Authenticator
	Metrics       *Metrics
	Log           *slog.Logger
	// TrustedProxies are the proxies whose X-Forwarded-For is believed.
	TrustedProxies []netip.Prefix
}

// NewEngine makes a router. It gives each request an id, logs and counts the request, and answers unknown routes.
func (s *Server) NewEngine() *gin.Engine {
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	engine.HandleMethodNotAllowed = true
	engine.RedirectTrailingSlash = false
	if err := engine.SetTrustedProxies(nil); err != nil {
		panic(err) // cannot fail: nil is a valid list
	}
	engine.Use(s.assignRequestID, s.logRequest, s.recoverPanic)
	engine.NoRoute(SendNoSuchRoute)
	engine.NoMethod(sendMethodNotAllowed)
	return engine
}

// AnswerHead answers HEAD on every path that answers GET. net/http sends the headers and drops the body. It is for an engine
// that has all its routes. Gin tells only the last handler of a route, so a group with handlers of its own registers both
// methods itself.
func AnswerHead(engine *gin.Engine) {
	routes := engine.Routes()
	answersHead := map[string]bool{}
	for _, route := range routes {
		if route.Method == http.MethodHead {
			answersHead[route.Path] = true
		}
	}
	for _, route := range routes {
		if route.Method == http.MethodGet && !answersHead[route.Path] {
			engine.HEAD(route.Path, route.HandlerFunc)
		}
	}
}
