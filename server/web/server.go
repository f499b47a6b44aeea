package web

import (
	"log/slog"

	"github.com/gin-gonic/gin"

	"github.com/certctl/terraform-provider-certctl/server/principal"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Server is what all routes share.
type Server struct {
	Store         *store.Store
	Authenticator *principal.Authenticator
	Metrics       *Metrics
	Log           *slog.Logger
}

// NewEngine makes a router that names, logs and counts each request, and answers what has no route.
func (s *Server) NewEngine() *gin.Engine {
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	engine.HandleMethodNotAllowed = true
	engine.RedirectTrailingSlash = false
	if err := engine.SetTrustedProxies(nil); err != nil {
		panic(err) // no proxies cannot be a wrong list of proxies
	}
	engine.Use(s.identify, s.observe, s.recover)
	engine.NoRoute(noSuchRoute)
	engine.NoMethod(methodNotAllowed)
	return engine
}
