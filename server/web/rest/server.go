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

// Rooms are what the operations need.
type Rooms struct {
	*web.Server
	Profiles     *profile.Service
	Certificates *certificate.Service
	Approvals    *approval.Service
	Issuance     *issuance.Service
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
	handler, api := assemble(rooms)
	complete(api)
	return handler, api
}

// assemble registers every operation.
func assemble(rooms Rooms) (http.Handler, huma.API) {
	s := &server{Rooms: rooms, previews: newPreviewLimiter()}
	engine := s.NewEngine()
	api := humagin.New(engine, config(rooms.Version))
	api.UseMiddleware(s.authenticate, bound)
	s.routes(api)
	return engine, api
}
