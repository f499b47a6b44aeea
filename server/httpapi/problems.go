package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/principal"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

const problemContentType = "application/problem+json"

// known gives each code its status and title.
var known = map[api.Code]struct {
	status int
	title  string
}{
	api.CodeMalformedRequest:     {http.StatusBadRequest, "Malformed request"},
	api.CodeUnauthenticated:      {http.StatusUnauthorized, "Not authenticated"},
	api.CodeForbidden:            {http.StatusForbidden, "Forbidden"},
	api.CodeTwoPersonIntegrity:   {http.StatusForbidden, "Another person must decide"},
	api.CodeHumanRequired:        {http.StatusForbidden, "Only a person may decide"},
	api.CodeNotFound:             {http.StatusNotFound, "Not found"},
	api.CodeNoSuchRoute:          {http.StatusNotFound, "No such route"},
	api.CodeMethodNotAllowed:     {http.StatusMethodNotAllowed, "Method not allowed"},
	api.CodeNotIssued:            {http.StatusConflict, "Not issued yet"},
	api.CodeAlreadyDecided:       {http.StatusConflict, "Already decided"},
	api.CodeApprovalExpired:      {http.StatusConflict, "Approval expired"},
	api.CodeProfileDisabled:      {http.StatusConflict, "Profile disabled"},
	api.CodeProfileGated:         {http.StatusConflict, "Profile requires approval"},
	api.CodeSubjectChanged:       {http.StatusConflict, "Subject changed"},
	api.CodeDigestMismatch:       {http.StatusConflict, "Digest mismatch"},
	api.CodeJobAlreadyOpen:       {http.StatusConflict, "Job already open"},
	api.CodeAlreadyExists:        {http.StatusConflict, "Already exists"},
	api.CodeInUse:                {http.StatusConflict, "In use"},
	api.CodePreconditionFailed:   {http.StatusPreconditionFailed, "Precondition failed"},
	api.CodeInvalidRequest:       {http.StatusUnprocessableEntity, "Invalid request"},
	api.CodeBodyTooLarge:         {http.StatusRequestEntityTooLarge, "Body too large"},
	api.CodeUnsupportedMediaType: {http.StatusUnsupportedMediaType, "Unsupported media type"},
	api.CodeRateLimited:          {http.StatusTooManyRequests, "Too many failed credentials"},
	api.CodeUnavailable:          {http.StatusServiceUnavailable, "Unavailable"},
	api.CodeInternal:             {http.StatusInternalServerError, "Internal error"},
}

// document completes a refusal as the problem that is sent.
func document(p api.Problem, requestID string) *api.Problem {
	k, ok := known[p.Code()]
	if !ok {
		p = *api.Refuse(api.CodeInternal, "the server failed; its log has more under the request id")
		k = known[api.CodeInternal]
	}
	p.Status, p.Title, p.RequestID = k.status, k.title, requestID
	return &p
}

// problem makes of a room's error what the caller is told. Only refusals are passed on; any other error is
// logged and hidden.
func (s *server) problem(ctx context.Context, err error) error {
	refusal, headers := s.refusal(ctx, err)
	p := document(*refusal, identity.RequestID(ctx))
	if len(headers) == 0 {
		return p
	}
	return huma.ErrorWithHeaders(p, headers)
}

func (s *server) refusal(ctx context.Context, err error) (*api.Problem, http.Header) {
	var refusal *api.Problem
	var unavailable *store.UnavailableError
	switch {
	case errors.As(err, &refusal):
		return refusal, nil
	case errors.Is(err, principal.ErrUnauthenticated):
		return unauthenticated(), http.Header{"Www-Authenticate": {"Bearer"}}
	case errors.As(err, &unavailable), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		s.Log.WarnContext(ctx, "unavailable", "error", err, requestIDAttr(ctx))
		return api.Refuse(api.CodeUnavailable, "the server cannot do this at the moment: try again"), http.Header{"Retry-After": {"1"}}
	default:
		s.Log.ErrorContext(ctx, "internal error", "error", err, requestIDAttr(ctx))
		return api.Refuse(api.CodeInternal, "the server failed; its log has more under the request id"), nil
	}
}

func requestIDAttr(ctx context.Context) slog.Attr {
	return slog.String("request_id", identity.RequestID(ctx))
}

func unauthenticated() *api.Problem {
	return api.Refuse(api.CodeUnauthenticated, "send a valid key as Authorization: Bearer ctl_...")
}

// send writes a problem past huma.
func send(c *gin.Context, p *api.Problem) {
	p = document(*p, identity.RequestID(c.Request.Context()))
	body, err := json.Marshal(p)
	if err != nil {
		panic(err) // a problem has only strings, numbers and times
	}
	c.Abort()
	c.Data(p.Status, problemContentType, body)
}

func noSuchRoute(c *gin.Context) {
	send(c, api.Refuse(api.CodeNoSuchRoute, "there is no %s: see /openapi.json", c.Request.URL.Path))
}

func methodNotAllowed(c *gin.Context) {
	send(c, api.Refuse(api.CodeMethodNotAllowed, "%s is not possible here: see the Allow header", c.Request.Method))
}

// newError makes huma's own refusals certctl's.
func newError(status int, message string, errs ...error) huma.StatusError {
	switch {
	case status == http.StatusRequestEntityTooLarge:
		return document(*api.Refuse(api.CodeBodyTooLarge, "the body is larger than %d bytes", maxBodyBytes), "")
	case status == http.StatusUnsupportedMediaType:
		return document(*api.Refuse(api.CodeUnsupportedMediaType, "send Content-Type: application/json"), "")
	case status == http.StatusBadRequest, status == http.StatusRequestTimeout:
		return document(*api.Refuse(api.CodeMalformedRequest, "%s", syntaxFault(message, errs)), "")
	case status >= http.StatusInternalServerError:
		return document(*api.Refuse(api.CodeInternal, "the server failed; its log has more under the request id"), "")
	}
	return document(*invalid(errs), "")
}

func withRequestID(ctx huma.Context, err huma.StatusError) huma.StatusError {
	if p, ok := err.(*api.Problem); ok { //nolint:errorlint // it was made above, unwrapped
		p.RequestID = identity.RequestID(ctx.Context())
	}
	return err
}

// syntaxFault says what is wrong with the syntax, without the body itself.
func syntaxFault(message string, errs []error) string {
	for _, err := range errs {
		var detail *huma.ErrorDetail
		if errors.As(err, &detail) {
			return "the body is no valid JSON: " + strings.TrimPrefix(detail.Message, "jsontext: ")
		}
	}
	return message
}

// invalid lists every fault that huma found. A fault that is said to be in the whole body follows from another one
// and is left out when there is one.
func invalid(errs []error) *api.Problem {
	var faults, whole []api.Fault
	for _, err := range errs {
		var detail *huma.ErrorDetail
		if !errors.As(err, &detail) {
			detail = &huma.ErrorDetail{Message: "invalid"}
		}
		if strings.HasPrefix(detail.Location, "path.") {
			return api.NotFound("object", "")
		}
		fault := api.Fault{Pointer: pointer(detail.Location), Detail: detail.Message}
		if detail.Location == "body" && strings.HasPrefix(detail.Message, "json: ") {
			whole = append(whole, fault)
			continue
		}
		faults = append(faults, fault)
	}
	if len(faults) == 0 {
		faults = whole
	}
	return api.Invalid(faults...)
}

var index = regexp.MustCompile(`\[(\d+)\]`)

// pointer turns huma's location, such as body.sans[3] or query.limit, into a JSON pointer or a ?name.
func pointer(location string) string {
	if at, ok := strings.CutPrefix(location, pointerLocation); ok {
		return at
	}
	place, rest, _ := strings.Cut(location, ".")
	if place != "body" {
		if place == "query" {
			return "?" + rest
		}
		return rest
	}
	if rest == "" {
		return ""
	}
	return "/" + strings.ReplaceAll(index.ReplaceAllString(rest, ".$1"), ".", "/")
}

func problemResponse(h huma.API) *huma.Response {
	schema := h.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[api.Problem](), true, "Problem")
	return &huma.Response{
		Description: "A problem: RFC 9457",
		Content:     map[string]*huma.MediaType{problemContentType: {Schema: schema}},
	}
}

func retryAfter(seconds int) http.Header { return http.Header{"Retry-After": {strconv.Itoa(seconds)}} }
