package api

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Code names a kind of refusal. It stands at the end of a problem's type, after ProblemTypePrefix.
type Code string

// ProblemTypePrefix begins the type of every problem document.
const ProblemTypePrefix = "urn:certctl:problem:"

// The codes a server answers with.
const (
	CodeMalformedRequest     Code = "malformed_request"
	CodeUnauthenticated      Code = "unauthenticated"
	CodeForbidden            Code = "forbidden"
	CodeTwoPersonIntegrity   Code = "two_person_integrity"
	CodeHumanRequired        Code = "human_required"
	CodeNotFound             Code = "not_found"
	CodeNoSuchRoute          Code = "no_such_route"
	CodeMethodNotAllowed     Code = "method_not_allowed"
	CodeNotIssued            Code = "not_issued"
	CodeRequestInProgress    Code = "request_in_progress"
	CodeIdempotencyKeyReused Code = "idempotency_key_reused"
	CodeAlreadyDecided       Code = "already_decided"
	CodeApprovalExpired      Code = "approval_expired"
	CodeProfileDisabled      Code = "profile_disabled"
	CodeApprovalRequired     Code = "approval_required"
	CodeSubjectChanged       Code = "subject_changed"
	CodeDigestMismatch       Code = "digest_mismatch"
	CodeJobAlreadyOpen       Code = "job_already_open"
	CodeEditAlreadyPending   Code = "edit_already_pending"
	CodeEditRejected         Code = "edit_rejected"
	CodeAlreadyExists        Code = "already_exists"
	CodeInUse                Code = "in_use"
	CodePreconditionFailed   Code = "precondition_failed"
	CodeInvalidRequest       Code = "invalid_request"
	CodeBodyTooLarge         Code = "body_too_large"
	CodeUnsupportedMediaType Code = "unsupported_media_type"
	CodeRateLimited          Code = "rate_limited"
	CodeUnavailable          Code = "unavailable"
	CodeInternal             Code = "internal"
)

// Problem is the body of every error, an RFC 9457 problem document. The members after Errors are sent
// only with the codes that need them.
type Problem struct {
	Type      string  `json:"type" doc:"urn:certctl:problem: and the code."`
	Title     string  `json:"title" doc:"Short text that is the same for every problem with the code."`
	Status    int     `json:"status" doc:"HTTP status of the answer."`
	Detail    string  `json:"detail" doc:"Explanation of the fault in this request, for people to read."`
	RequestID string  `json:"request_id"`
	Errors    []Fault `json:"errors,omitempty" doc:"Every fault of the request, or each name and usage that needs an approval."`

	Principal     string     `json:"principal,omitempty" doc:"The caller."`
	RequiredRoles []Role     `json:"required_roles,omitempty" doc:"Roles of which the caller needs one."`
	ResourceType  string     `json:"resource_type,omitempty"`
	ResourceID    string     `json:"resource_id,omitempty"`
	State         string     `json:"state,omitempty" doc:"State of the approval."`
	DecidedBy     string     `json:"decided_by,omitempty" doc:"Principal that decided."`
	DecidedAt     *time.Time `json:"decided_at,omitempty" doc:"When the request was decided."`
	ClosedBy      string     `json:"closed_by,omitempty" doc:"Principal whose call cancelled the request."`
	Cause         Cause      `json:"cause,omitempty"`
	JobID         string     `json:"job_id,omitempty" doc:"Id of the job that is open."`
	ApprovalID    string     `json:"approval_id,omitempty" doc:"Id of the approval that stands in the way."`
	Note          string     `json:"note,omitempty"`
	ID            string     `json:"id,omitempty" doc:"Id of the object that exists."`
	Version       int64      `json:"version,omitempty" doc:"Version that is stored."`
	UsedBy        []Ref      `json:"used_by,omitempty" doc:"Up to ten objects that need the object."`
	UsedByCount   int        `json:"used_by_count,omitempty" doc:"Number of objects that need the object."`
}

// Fault is one thing that is wrong with a request.
type Fault struct {
	Pointer string `json:"pointer" doc:"JSON pointer into the body, or ?name for a query parameter."`
	Detail  string `json:"detail" doc:"Explanation of the fault, for people to read."`
}

// Ref names an object.
type Ref struct {
	Type string `json:"type" doc:"Type of the object."`
	ID   string `json:"id" doc:"Id of the object."`
}

// Refuse makes a problem with a code and a detail. The sender adds title, status and request id.
func Refuse(code Code, format string, args ...any) *Problem {
	return &Problem{Type: ProblemTypePrefix + string(code), Detail: fmt.Sprintf(format, args...)}
}

// NotFound says that an object is absent.
func NotFound(resourceType, id string) *Problem {
	p := Refuse(CodeNotFound, "there is no %s %q", resourceType, id)
	p.ResourceType, p.ResourceID = resourceType, id
	return p
}

// Invalid says what is wrong with a request, all of it at once.
func Invalid(faults ...Fault) *Problem {
	p := Refuse(CodeInvalidRequest, "the request has %d faults", len(faults))
	if len(faults) == 1 {
		p.Detail = faults[0].Detail
	}
	p.Errors = faults
	return p
}

// Is says whether err is a problem with one of the codes.
func Is(err error, codes ...Code) bool {
	var p *Problem
	return errors.As(err, &p) && slices.Contains(codes, p.Code())
}

// Code is the last part of the problem's type; empty for a problem that certctl did not write.
func (p *Problem) Code() Code {
	code, ok := strings.CutPrefix(p.Type, ProblemTypePrefix)
	if !ok {
		return ""
	}
	return Code(code)
}

// Error gives the whole problem in one line, faults included.
func (p *Problem) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", p.Code(), p.Detail)
	for _, f := range p.Errors {
		fmt.Fprintf(&b, "; %s: %s", f.Pointer, f.Detail)
	}
	if p.RequestID != "" {
		fmt.Fprintf(&b, " (request %s)", p.RequestID)
	}
	return b.String()
}

// GetStatus is the HTTP status of the problem.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType is the media type that a problem is sent as.
func (p *Problem) ContentType(string) string { return "application/problem+json" }
