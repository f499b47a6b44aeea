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

// identify gives the request an id: the caller's, if it is well formed.
func (s *Server) identify(c *gin.Context) {
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

// observe logs and counts the request, by the route's template: paths are the callers' to invent.
func (s *Server) observe(c *gin.Context) {
	start := time.Now()
	c.Next()
	route, took := template(c.FullPath()), time.Since(start)
	s.Metrics.request(c.Request.Method, route, c.Writer.Status(), took)
	s.Log.InfoContext(c.Request.Context(), "request",
		"method", c.Request.Method, "route", route, "status", c.Writer.Status(), "duration_seconds", took.Seconds(),
		requestIDAttr(c.Request.Context()))
}

var parameter = regexp.MustCompile(`:([a-z_]+)`)

// template writes a route as the OpenAPI document does.
func template(route string) string {
	if route == "" {
		return "none"
	}
	return parameter.ReplaceAllString(route, "{$1}")
}

// recover turns a panic into a 500 that says nothing of it.
func (s *Server) recover(c *gin.Context) {
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
			Send(c, api.Refuse(api.CodeInternal, "the server failed; its log has more under the request id"))
		}
	}()
	c.Next()
}
