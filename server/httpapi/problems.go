package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"slices"
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
	api.CodeRequestInProgress:    {http.StatusConflict, "Request in progress"},
	api.CodeIdempotencyKeyReused: {http.StatusUnprocessableEntity, "Idempotency-Key used for another request"},
	api.CodeAlreadyDecided:       {http.StatusConflict, "Already decided"},
	api.CodeApprovalExpired:      {http.StatusConflict, "Approval expired"},
	api.CodeProfileDisabled:      {http.StatusConflict, "Profile disabled"},
	api.CodeApprovalRequired:     {http.StatusConflict, "Approval required"},
	api.CodeSubjectChanged:       {http.StatusConflict, "Subject changed"},
	api.CodeDigestMismatch:       {http.StatusConflict, "Digest mismatch"},
	api.CodeJobAlreadyOpen:       {http.StatusConflict, "Job already open"},
	api.CodeAlreadyExists:        {http.StatusConflict, "Already exists"},
	api.CodeEditAlreadyPending:   {http.StatusConflict, "Another edit awaits approval"},
	api.CodeEditRejected:         {http.StatusConflict, "This edit was rejected"},
	api.CodeInUse:                {http.StatusConflict, "In use"},
	api.CodePreconditionFailed:   {http.StatusPreconditionFailed, "Precondition failed"},
	api.CodeInvalidRequest:       {http.StatusUnprocessableEntity, "Invalid request"},
	api.CodeBodyTooLarge:         {http.StatusRequestEntityTooLarge, "Body too large"},
	api.CodeUnsupportedMediaType: {http.StatusUnsupportedMediaType, "Unsupported media type"},
	api.CodeRateLimited:          {http.StatusTooManyRequests, "Too many requests"},
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
	case errors.As(err, &refusal) && (refusal.Code() == api.CodeRequestInProgress || refusal.Code() == api.CodeRateLimited):
		return refusal, retryAfter(1)
	case errors.As(err, &refusal):
		return refusal, nil
	case errors.Is(err, principal.ErrUnauthenticated):
		return unauthenticated(), http.Header{"Www-Authenticate": {"Bearer"}}
	case errors.As(err, &unavailable), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		s.Log.WarnContext(ctx, "unavailable", "error", err, requestIDAttr(ctx))
		var notReady *store.NotReadyError
		if errors.As(err, &notReady) {
			return api.Refuse(api.CodeUnavailable, "%s", notReady.Detail), retryAfter(1)
		}
		return api.Refuse(api.CodeUnavailable, "the server cannot do this at the moment: try again"), retryAfter(1)
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
	case status == http.StatusBadRequest, status == http.StatusRequestTimeout, message == unreadable:
		return document(*api.Refuse(api.CodeMalformedRequest, "%s", message), "")
	case status >= http.StatusInternalServerError:
		return document(*api.Refuse(api.CodeInternal, "the server failed; its log has more under the request id"), "")
	}
	return document(*invalid(errs), "")
}

// unreadable is how huma names a body that broke off, which is nothing that the server did.
const unreadable = "cannot read request body"

// newErrorWithContext adds what only the request knows: its id, and the faults of its query. A parameter that has such a
// fault is not looked at further.
func newErrorWithContext(ctx huma.Context, status int, message string, errs ...error) huma.StatusError {
	faults := queryFaults(ctx.Context())
	errs = slices.DeleteFunc(errs, func(err error) bool {
		var detail *huma.ErrorDetail
		return errors.As(err, &detail) && slices.ContainsFunc(faults, func(f api.Fault) bool { return f.Pointer == pointer(detail.Location) })
	})
	errs = append(asErrors(faults), errs...)
	err := newError(status, message, errs...)
	if p, ok := err.(*api.Problem); ok {
		p.RequestID = identity.RequestID(ctx.Context())
	}
	return err
}

// invalid lists every fault of form. One of them may be a refusal of the whole body instead.
func invalid(errs []error) *api.Problem {
	var faults []api.Fault
	for _, err := range errs {
		var refusal *api.Problem
		if errors.As(err, &refusal) {
			return refusal
		}
		var detail *huma.ErrorDetail
		if !errors.As(err, &detail) {
			detail = &huma.ErrorDetail{Message: "is not valid"}
		}
		if strings.HasPrefix(detail.Location, "path.") {
			return api.Refuse(api.CodeNoSuchRoute, "there is no such route: a part of the path is empty")
		}
		if strings.HasPrefix(detail.Message, "invalid date/time") { // it goes on with Go's way to write a format
			detail.Message = "is no time: write it like 2026-01-05T09:00:00Z"
		}
		faults = append(faults, api.Fault{Pointer: pointer(detail.Location), Detail: detail.Message})
	}
	return api.Invalid(faults...)
}

// pointerLocation marks a location that is a pointer already.
const pointerLocation = "pointer."

// pointer turns huma's location of a parameter, such as query.limit, into ?limit.
func pointer(location string) string {
	if at, ok := strings.CutPrefix(location, pointerLocation); ok {
		return at
	}
	if name, ok := strings.CutPrefix(location, "query."); ok {
		name, _, _ = strings.Cut(name, "[") // an element of a parameter that may be repeated
		return "?" + name
	}
	return location
}

func retryAfter(seconds int) http.Header { return http.Header{"Retry-After": {strconv.Itoa(seconds)}} }
