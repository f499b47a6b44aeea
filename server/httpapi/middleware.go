package httpapi

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
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
func (s *server) identify(c *gin.Context) {
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
func (s *server) observe(c *gin.Context) {
	start := time.Now()
	c.Next()
	route, took := c.FullPath(), time.Since(start)
	if route == "" {
		route = "none"
	}
	s.Metrics.request(c.Request.Method, route, c.Writer.Status(), took)
	s.Log.InfoContext(c.Request.Context(), "request",
		"method", c.Request.Method, "route", route, "status", c.Writer.Status(), "duration", took,
		requestIDAttr(c.Request.Context()))
}

// recover turns a panic into a 500 that says nothing of it.
func (s *server) recover(c *gin.Context) {
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
			send(c, api.Refuse(api.CodeInternal, "the server failed; its log has more under the request id"))
		}
	}()
	c.Next()
}

// bound refuses what no operation takes: a body that is no JSON, a query that does not say one thing.
func (s *server) bound(c *gin.Context) {
	if refusal := checkQuery(c.Request.URL.RawQuery); refusal != nil {
		send(c, refusal)
		return
	}
	has, err := hasBody(c.Request)
	if err != nil {
		send(c, api.Refuse(api.CodeMalformedRequest, "the body could not be read"))
		return
	}
	if has && !isJSON(c.GetHeader("Content-Type")) {
		send(c, api.Refuse(api.CodeUnsupportedMediaType, "send Content-Type: application/json"))
		return
	}
	c.Next()
}

func checkQuery(raw string) *api.Problem {
	query, err := url.ParseQuery(raw)
	if err != nil {
		return api.Refuse(api.CodeMalformedRequest, "the query cannot be read")
	}
	var faults []api.Fault
	for name, values := range query {
		switch {
		case len(values) > 1:
			faults = append(faults, api.Fault{Pointer: "?" + name, Detail: "given more than once"})
		case values[0] == "":
			faults = append(faults, api.Fault{Pointer: "?" + name, Detail: "has no value"})
		case textFault(values[0], false) != "":
			faults = append(faults, api.Fault{Pointer: "?" + name, Detail: textFault(values[0], false)})
		}
	}
	if len(faults) > 0 {
		return api.Invalid(faults...)
	}
	return nil
}

// hasBody looks at the first byte of a body whose length is not known, and puts it back.
func hasBody(r *http.Request) (bool, error) {
	if r.Body == nil || r.ContentLength == 0 {
		return false, nil
	}
	if r.ContentLength > 0 {
		return true, nil
	}
	first := make([]byte, 1)
	n, err := io.ReadFull(r.Body, first)
	if errors.Is(err, io.EOF) {
		return false, nil
	}
	rest := r.Body
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(first[:n]), rest), rest}
	return true, err
}

func isJSON(contentType string) bool {
	mediaType, params, err := mime.ParseMediaType(contentType)
	charset := params["charset"]
	return err == nil && mediaType == "application/json" && (charset == "" || charset == "utf-8" || charset == "UTF-8")
}
