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

// ProblemContentType is the media type of RFC 9457.
const ProblemContentType = "application/problem+json"

// Kind describes the problems of one code.
type Kind struct {
	Status int
	Title  string
	When   string // sentences for the documentation
}

// kinds has the Kind of each code.
var kinds = map[api.Code]Kind{
	api.CodeMalformedRequest: {
		http.StatusBadRequest, "Malformed request",
		"The body or the query cannot be read.",
	},
	api.CodeUnauthenticated: {
		http.StatusUnauthorized, "Not authenticated",
		"The request has no valid key.",
	},
	api.CodeForbidden: {
		http.StatusForbidden, "Forbidden",
		"The caller may not do this. Roles are checked before the object is looked up.",
	},
	api.CodeTwoPersonIntegrity: {
		http.StatusForbidden, "Another person must decide",
		"The caller is excluded from this decision, or is a service of a person who is.",
	},
	api.CodeHumanRequired: {
		http.StatusForbidden, "Only a person may decide",
		"The caller is a service, and services cannot decide.",
	},
	api.CodeNotFound: {
		http.StatusNotFound, "Not found",
		"The object does not exist.",
	},
	api.CodeNoSuchRoute: {
		http.StatusNotFound, "No such route",
		"The path does not exist, or a part of the path is empty.",
	},
	api.CodeMethodNotAllowed: {
		http.StatusMethodNotAllowed, "Method not allowed",
		"The path does not take this method. The `Allow` header lists those that it takes.",
	},
	api.CodeNotIssued: {
		http.StatusConflict, "Not issued yet",
		"The certificate has no leaf yet.",
	},
	api.CodeRequestInProgress: {
		http.StatusConflict, "Request in progress",
		"The first request with this `Idempotency-Key` is still running. The `Retry-After` header says when to try again.",
	},
	api.CodeIdempotencyKeyReused: {
		http.StatusUnprocessableEntity, "Idempotency-Key used for another request",
		"The `Idempotency-Key` belongs to another request.",
	},
	api.CodeAlreadyDecided: {
		http.StatusConflict, "Already decided",
		"The approval is approved, rejected or cancelled.",
	},
	api.CodeApprovalExpired: {
		http.StatusConflict, "Approval expired",
		"The deadline of the approval has passed.",
	},
	api.CodeProfileDisabled: {
		http.StatusConflict, "Profile disabled",
		"The profile is disabled. A waiting request stays as it is.",
	},
	api.CodeApprovalRequired: {
		http.StatusConflict, "Approval required",
		"The request needs an approval, and the profile requires none.",
	},
	api.CodeSubjectChanged: {
		http.StatusConflict, "Subject changed",
		"The request is no longer what would be signed. The server closes the request.",
	},
	api.CodeDigestMismatch: {
		http.StatusConflict, "Digest mismatch",
		"The `digest` of the body is not the digest of the request.",
	},
	api.CodeJobAlreadyOpen: {
		http.StatusConflict, "Job already open",
		"The certificate has a job that is not final.",
	},
	api.CodeAlreadyExists: {
		http.StatusConflict, "Already exists",
		"Another object has the id or the name.",
	},
	api.CodeEditAlreadyPending: {
		http.StatusConflict, "Another edit awaits approval",
		"Another person's edit of the profile is pending.",
	},
	api.CodeEditRejected: {
		http.StatusConflict, "This edit was rejected",
		"An approver rejected this edit of this version. `?resubmit=true` asks again.",
	},
	api.CodeInUse: {
		http.StatusConflict, "In use",
		"Another object needs this object.",
	},
	api.CodePreconditionFailed: {
		http.StatusPreconditionFailed, "Precondition failed",
		"The object no longer has the version in `If-Match` or in the body.",
	},
	api.CodeInvalidRequest: {
		http.StatusUnprocessableEntity, "Invalid request",
		"The request breaks rules. `errors` lists all faults of form, or else all faults of the rules.",
	},
	api.CodeBodyTooLarge: {
		http.StatusRequestEntityTooLarge, "Body too large",
		"The body is larger than 1 MiB.",
	},
	api.CodeUnsupportedMediaType: {
		http.StatusUnsupportedMediaType, "Unsupported media type",
		"The request has no `Content-Type: application/json`.",
	},
	api.CodeRateLimited: {
		http.StatusTooManyRequests, "Too many requests",
		"The address sent too many bad keys, or the caller too many previews or refused decisions. The `Retry-After` header says when to try again.",
	},
	api.CodeUnavailable: {
		http.StatusServiceUnavailable, "Unavailable",
		"The server cannot do this at the moment. The `Retry-After` header says when to try again.",
	},
	api.CodeInternal: {
		http.StatusInternalServerError, "Internal error",
		"The server failed. The server's log has the cause under the request id.",
	},
}

// KindOf returns the Kind of a code; false if certctl has no such code.
func KindOf(code api.Code) (Kind, bool) {
	kind, ok := kinds[code]
	return kind, ok
}

// CompleteProblem adds status, title and request id to a problem. If the code is unknown, the problem becomes internal.
func CompleteProblem(p api.Problem, requestID string) *api.Problem {
	k, ok := kinds[p.Code()]
	if !ok {
		p = *api.Refuse(api.CodeInternal, "the server failed; its log has more under the request id")
		k = kinds[api.CodeInternal]
	}
	p.Status, p.Title, p.RequestID = k.Status, k.Title, requestID
	return &p
}

// ProblemOf returns the problem and the headers to send for an error. It passes refusals on. It logs any other error and
// hides it from the caller.
func (s *Server) ProblemOf(ctx context.Context, err error) (*api.Problem, http.Header) {
	var refusal *api.Problem
	var unavailable *store.UnavailableError
	switch {
	case errors.As(err, &refusal) && (refusal.Code() == api.CodeRequestInProgress || refusal.Code() == api.CodeRateLimited):
		return refusal, retryAfterHeader(1)
	case errors.As(err, &refusal):
		return refusal, nil
	case errors.Is(err, principal.ErrUnauthenticated):
		return unauthenticatedProblem(), http.Header{"Www-Authenticate": {"Bearer"}}
	case errors.As(err, &unavailable), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		s.Log.WarnContext(ctx, "unavailable", "error", err, requestIDAttr(ctx))
		var notReady *store.NotReadyError
		if errors.As(err, &notReady) {
			return api.Refuse(api.CodeUnavailable, "%s", notReady.Detail), retryAfterHeader(1)
		}
		return api.Refuse(api.CodeUnavailable, "the server cannot do this at the moment: try again"), retryAfterHeader(1)
	default:
		s.Log.ErrorContext(ctx, "internal error", "error", err, requestIDAttr(ctx))
		return api.Refuse(api.CodeInternal, "the server failed; its log has more under the request id"), nil
	}
}

func requestIDAttr(ctx context.Context) slog.Attr {
	return slog.String("request_id", identity.RequestID(ctx))
}

func unauthenticatedProblem() *api.Problem {
	return api.Refuse(api.CodeUnauthenticated, "send a valid key as Authorization: Bearer ctl_...")
}

const problemPageKey = "web.problem_page"

// ShowProblems makes the problems of a request pages: show writes a complete problem as the whole answer.
func ShowProblems(c *gin.Context, show func(*gin.Context, *api.Problem)) { c.Set(problemPageKey, show) }

// SendProblem writes a problem as the whole answer.
func SendProblem(c *gin.Context, p *api.Problem) {
	p = CompleteProblem(*p, identity.RequestID(c.Request.Context()))
	if show, ok := c.Get(problemPageKey); ok {
		c.Abort()
		show.(func(*gin.Context, *api.Problem))(c, p)
		return
	}
	body, err := json.Marshal(p)
	if err != nil {
		panic(err) // cannot fail: a problem has only strings, numbers and times
	}
	c.Abort()
	c.Data(p.Status, ProblemContentType, body)
}

// SendNoSuchRoute answers a request whose path leads nowhere.
func SendNoSuchRoute(c *gin.Context) {
	SendProblem(c, api.Refuse(api.CodeNoSuchRoute, "there is no %s: see /openapi.json", c.Request.URL.Path))
}

func sendMethodNotAllowed(c *gin.Context) {
	SendProblem(c, api.Refuse(api.CodeMethodNotAllowed, "%s is not possible here: see the Allow header", c.Request.Method))
}

func retryAfterHeader(seconds int) http.Header {
	return http.Header{"Retry-After": {strconv.Itoa(seconds)}}
}
