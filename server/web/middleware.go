package web

import (
	"errors"
	"net/http"
	"regexp"
	"runtime/debug"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

const requestIDHeader = "X-Request-ID"

var wellFormedRequestID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,128}$`)

// assignRequestID sets the id of the request: the caller's id if it is well formed, else a new id.
func (s *Server) assignRequestID(c *gin.Context) {
	id := c.GetHeader(requestIDHeader)
	if !wellFormedRequestID.MatchString(id) {
		id = store.NewID("req-")
	}
	c.Header(requestIDHeader, id)
	c.Header("X-Content-Type-Options", "nosniff")
	c.Header("Cache-Control", "no-store")
	c.Request = c.Request.WithContext(identity.WithRequestID(c.Request.Context(), id))
	c.Next()
}

// logRequest logs and counts the request under its route. Callers can invent paths, so it does not log the path.
func (s *Server) logRequest(c *gin.Context) {
	start := time.Now()
	c.Next()
	route, took := formatRoute(c.FullPath()), time.Since(start)
	s.Metrics.observeRequest(c.Request.Method, route, c.Writer.Status(), took)
	s.Log.InfoContext(c.Request.Context(), "request",
		"method", c.Request.Method, "route", route, "status", c.Writer.Status(), "duration_seconds", took.Seconds(),
		requestIDAttr(c.Request.Context()))
}

var routeParameter = regexp.MustCompile(`:([a-z_]+)`)

// formatRoute returns a route as the OpenAPI document writes it.
func formatRoute(route string) string {
	if route == "" {
		return "none"
	}
	return routeParameter.ReplaceAllString(route, "{$1}")
}

// recoverPanic turns a panic into a 500 whose body has no details.
func (s *Server) recoverPanic(c *gin.Context) {
	defer func() {
		failure := recover()
		if failure == nil {
			return
		}
		if err, ok := failure.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			panic(failure)
		}
		s.Log.ErrorContext(c.Request.Context(), "panic", "panic", failure, "stack", string(debug.Stack()), requestIDAttr(c.Request.Context()))
		if !c.Writer.Written() {
			SendProblem(c, api.Refuse(api.CodeInternal, "the server failed; its log has more under the request id"))
		}
	}()
	c.Next()
}
