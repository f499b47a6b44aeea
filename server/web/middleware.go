package web

import (
	"errors"
	"log/slog"
	"net/http"
	"regexp"
	"runtime/debug"
	"strings"
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
	x := &exchange{address: clientAddress(c.Request, s.TrustedProxies)}
	c.Request = c.Request.WithContext(withExchange(c.Request.Context(), x))
	c.Next()
	route, took := formatRoute(c.FullPath()), time.Since(start)
	s.Metrics.observeRequest(c.Request.Method, route, c.Writer.Status(), took)
	s.Log.Log(c.Request.Context(), levelOf(route), "request",
		"method", c.Request.Method, "route", route, "status", c.Writer.Status(), "duration_ms", float64(took.Microseconds())/1000,
		"address", x.address, "principal", x.actor.ID, "key_id", x.actor.KeyID, "user_agent", shorten(c.Request.UserAgent()),
		requestIDAttr(c.Request.Context()))
}

// levelOf returns the level of a request's log line. Orchestrators probe all the time.
func levelOf(route string) slog.Level {
	if route == "/healthz" || route == "/readyz" {
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

// shorten bounds a text that a client chose.
func shorten(text string) string {
	const maxBytes = 256
	return strings.ToValidUTF8(text[:min(len(text), maxBytes)], "")
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
