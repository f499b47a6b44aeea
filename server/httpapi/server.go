package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"
	"github.com/gin-gonic/gin"

	"github.com/certctl/terraform-provider-certctl/server/approval"
	"github.com/certctl/terraform-provider-certctl/server/certificate"
	"github.com/certctl/terraform-provider-certctl/server/issuance"
	"github.com/certctl/terraform-provider-certctl/server/principal"
	"github.com/certctl/terraform-provider-certctl/server/profile"
	"github.com/certctl/terraform-provider-certctl/server/ratelimit"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Rooms are what the door leads to.
type Rooms struct {
	Store         *store.Store
	Authenticator *principal.Authenticator
	Profiles      *profile.Service
	Certificates  *certificate.Service
	Approvals     *approval.Service
	Issuance      *issuance.Service
	Metrics       *Metrics
	Log           *slog.Logger
	// Version is that of the server.
	Version string
	// Ready says whether the server can do its work.
	Ready func(context.Context) error
}

type server struct {
	Rooms
	previews *ratelimit.Limiter
}

const (
	maxBodyBytes   = 1 << 20
	requestTimeout = 30 * time.Second
)

// New makes the handler of the whole API.
func New(rooms Rooms) http.Handler {
	handler, _ := build(rooms)
	return handler
}

func build(rooms Rooms) (http.Handler, huma.API) {
	s := &server{Rooms: rooms, previews: newPreviewLimiter()}
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

	api := humagin.New(engine, config(rooms.Version))
	api.UseMiddleware(s.authenticate, bound)
	s.routes(api)
	describeEdit(api)
	complete(api.OpenAPI())
	return engine, api
}

// The switches of huma that are the whole process's: arrays are never null, and errors are certctl's problems.
func init() { //nolint:gochecknoinits // huma has these as package variables
	huma.DefaultArrayNullable = false
	huma.NewError = newError
	huma.NewErrorWithContext = newErrorWithContext
}

func config(version string) huma.Config {
	c := huma.DefaultConfig("certctl", version)
	c.Info.Description = "Issues certificates; under a gated profile only after a second person approved."
	c.Info.License = &huma.License{Name: "MPL-2.0", Identifier: "MPL-2.0"}
	c.CreateHooks = nil
	c.DocsPath = ""
	c.SchemasPath = ""
	c.Formats = map[string]huma.Format{ // json: for types that end in +json
		"application/json": huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat,
	}
	c.DefaultFormat = "application/json"
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"key": {Type: "http", Scheme: "bearer", Description: "An API key, ctl_..."},
	}
	return c
}
