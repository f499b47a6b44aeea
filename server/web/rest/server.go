package rest

import (
	"context"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"
	"github.com/gin-gonic/gin"

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

// Mount adds every operation of the API to an engine, and the document that describes them.
func Mount(engine *gin.Engine, services Services) { completeDocument(mountRoutes(engine, services)) }

// mountRoutes adds every operation, but without the texts of the document.
func mountRoutes(engine *gin.Engine, services Services) huma.API {
	s := &server{Services: services, previews: newPreviewLimiter()}
	api := humagin.New(engine, newConfig(services.Version))
	api.UseMiddleware(s.authenticate, checkRequest)
	s.addRoutes(api)
	return api
}
