package httpapi

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"runtime/debug"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"
	"github.com/gin-gonic/gin"
	"github.com/go-json-experiment/json/jsontext"

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

// bound refuses a body that is no JSON, and looks for parameters of the query that the operation does not have or
// that do not say one thing. Their faults are told together with those of the values and of the body.
func bound(ctx huma.Context, next func(huma.Context)) {
	c := humagin.Unwrap(ctx)
	if ctx.Operation().RequestBody != nil {
		has, err := hasBody(c.Request)
		if err != nil {
			send(c, api.Refuse(api.CodeMalformedRequest, "the body could not be read"))
			return
		}
		if has && !isJSON(c.GetHeader("Content-Type")) {
			send(c, api.Refuse(api.CodeUnsupportedMediaType, "send Content-Type: application/json"))
			return
		}
	}
	faults, err := checkQuery(c.Request.URL.RawQuery, ctx.Operation())
	if err != nil {
		send(c, api.Refuse(api.CodeMalformedRequest, "the query cannot be read"))
		return
	}
	next(huma.WithValue(ctx, queryFaultsKey{}, faults))
}

type queryFaultsKey struct{}

func queryFaults(ctx context.Context) []api.Fault {
	faults, _ := ctx.Value(queryFaultsKey{}).([]api.Fault)
	return faults
}

func checkQuery(raw string, op *huma.Operation) ([]api.Fault, error) {
	query, err := url.ParseQuery(raw)
	if err != nil {
		return nil, err
	}
	var faults []api.Fault
	for _, name := range slices.Sorted(maps.Keys(query)) {
		detail := parameterFault(op.Parameters, name, query[name])
		if detail != "" {
			faults = append(faults, api.Fault{Pointer: "?" + name, Detail: detail})
		}
	}
	return faults, nil
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

func parameterFault(known []*huma.Param, name string, values []string) string {
	at := slices.IndexFunc(known, func(p *huma.Param) bool { return p.In == "query" && p.Name == name })
	if at < 0 {
		return "is no parameter here"
	}
	if list := known[at].Schema.Type == huma.TypeArray; len(values) > 1 && !list {
		return "is given more than once"
	}
	for i, value := range values {
		if value == "" {
			return "has no value"
		}
		if slices.Contains(values[:i], value) {
			return "is given twice with the same value"
		}
		if fault := textFault(jsontext.Pointer("/"+name), value); fault != "" {
			return fault
		}
	}
	return ""
}
