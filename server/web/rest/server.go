package rest

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"

	"github.com/certctl/terraform-provider-certctl/server/approval"
	"github.com/certctl/terraform-provider-certctl/server/certificate"
	"github.com/certctl/terraform-provider-certctl/server/issuance"
	"github.com/certctl/terraform-provider-certctl/server/profile"
	"github.com/certctl/terraform-provider-certctl/server/ratelimit"
	"github.com/certctl/terraform-provider-certctl/server/web"
)

// Services has what the operations use.
type Services struct {
	*web.Server
	Profiles     *profile.Service
	Certificates *certificate.Service
	Approvals    *approval.Service
	Issuance     *issuance.Service
	// Version is the version of the server.
	Version string
	// Ready returns an error if the server cannot do its work.
	Ready func(context.Context) error
}

type server struct {
	Services
	previews *ratelimit.Limiter
}

const (
	maxBodyBytes   = 1 << 20
	requestTimeout = 30 * time.Second
)

// New makes the handler of the whole API.
func New(services Services) http.Handler {
	handler, _ := buildAPI(services)
	return handler
}

func buildAPI(services Services) (http.Handler, huma.API) {
	handler, api := buildRoutes(services)
	completeDocument(api)
	return handler, api
}

// buildRoutes makes the handler with every operation, but without the texts of the document.
func buildRoutes(services Services) (http.Handler, huma.API) {
	s := &server{Services: services, previews: newPreviewLimiter()}
	engine := s.NewEngine()
	api := humagin.New(engine, newConfig(services.Version))
	api.UseMiddleware(s.authenticate, checkRequest)
	s.addRoutes(api)
	web.AnswerHead(engine)
	return engine, api
}
