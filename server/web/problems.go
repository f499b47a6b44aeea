package web

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/principal"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// ProblemContentType is that of RFC 9457.
const ProblemContentType = "application/problem+json"

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

// Document completes a refusal as the problem that is sent.
func Document(p api.Problem, requestID string) *api.Problem {
	k, ok := known[p.Code()]
	if !ok {
		p = *api.Refuse(api.CodeInternal, "the server failed; its log has more under the request id")
		k = known[api.CodeInternal]
	}
	p.Status, p.Title, p.RequestID = k.status, k.title, requestID
	return &p
}

// Problem returns what the caller is told of an error, and headers for it. Only refusals are passed on; any other
// error is logged and hidden.
func (s *Server) Problem(ctx context.Context, err error) (*api.Problem, http.Header) {
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

// Send writes a problem as the whole answer.
func Send(c *gin.Context, p *api.Problem) {
	p = Document(*p, identity.RequestID(c.Request.Context()))
	body, err := json.Marshal(p)
	if err != nil {
		panic(err) // a problem has only strings, numbers and times
	}
	c.Abort()
	c.Data(p.Status, ProblemContentType, body)
}

func noSuchRoute(c *gin.Context) {
	Send(c, api.Refuse(api.CodeNoSuchRoute, "there is no %s: see /openapi.json", c.Request.URL.Path))
}

func methodNotAllowed(c *gin.Context) {
	Send(c, api.Refuse(api.CodeMethodNotAllowed, "%s is not possible here: see the Allow header", c.Request.Method))
}

func retryAfter(seconds int) http.Header { return http.Header{"Retry-After": {strconv.Itoa(seconds)}} }
