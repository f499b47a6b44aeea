package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"

	"github.com/certctl/terraform-provider-certctl/api"
)

// UnreachableError is the error of a request without a complete answer. If the request was sent, it may have had its effect.
type UnreachableError struct {
	Request  string
	Endpoint string
	Err      error
	Sent     bool // at least one attempt had a connection and sent the request
	Again    bool // the operation before this one also found no server
}

// Error names the server and the cause.
func (e *UnreachableError) Error() string {
	return fmt.Sprintf("%s: no answer from %s: %v", e.Request, e.Endpoint, e.Err)
}

// Unwrap returns the error of the connection or the context.
func (e *UnreachableError) Unwrap() error { return e.Err }

// AwaitingApprovalError is the error of a write that waits for a second person. Nothing has changed yet.
type AwaitingApprovalError struct {
	Approval api.Approval
	Endpoint string
}

// Error names the approval.
func (e *AwaitingApprovalError) Error() string {
	return fmt.Sprintf("the edit awaits approval %s", e.Approval.ID)
}

// ForeignAnswerError is the error of an answer that certctl did not write, such as a proxy's page or a redirect. It never
// repeats the body.
type ForeignAnswerError struct {
	Request  string
	Endpoint string
	Status   int
	Why      string
}

// Error names the server and the status of the answer.
func (e *ForeignAnswerError) Error() string {
	return fmt.Sprintf("%s: %s answered %d %s, and this is not certctl's answer: %s",
		e.Request, e.Endpoint, e.Status, http.StatusText(e.Status), e.Why)
}

func (c *Client) newUnreachableError(r request, err error, sent, isHurried bool) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err // the method and the URL are in the new error
	}
	again := !sent && c.isAway.Load()
	if !sent && !isHurried && !errors.Is(err, context.Canceled) {
		again = c.isAway.Swap(true)
	}
	return &UnreachableError{Request: r.String(), Endpoint: c.endpoint, Err: err, Sent: sent, Again: again}
}

// newAnswerError returns the error of an answer with an unexpected status.
func (c *Client) newAnswerError(r request, resp *http.Response, body []byte) error {
	if p := readProblem(resp, body); p != nil {
		return p
	}
	return c.newForeignAnswerError(r, resp.StatusCode, foreignReason(r, resp))
}

func (c *Client) newForeignAnswerError(r request, status int, why string) error {
	return &ForeignAnswerError{Request: r.String(), Endpoint: c.endpoint, Status: status, Why: why}
}

// problemMediaType is the media type of every error that certctl answers with.
const problemMediaType = "application/problem+json"

// readProblem returns the problem in an answer, or nil if certctl did not write it.
func readProblem(resp *http.Response, body []byte) *api.Problem {
	if mediaType(resp) != problemMediaType {
		return nil
	}
	var p api.Problem
	if json.Unmarshal(body, &p) != nil || p.Code() == "" {
		return nil
	}
	p.Status = resp.StatusCode
	return &p
}

func foreignReason(r request, resp *http.Response) string {
	if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		if to, err := resp.Location(); err == nil {
			return fmt.Sprintf("it redirects to %s://%s, and the client follows no redirect with the API key", to.Scheme, to.Host)
		}
	}
	if resp.StatusCode < 300 && resp.StatusCode != r.want {
		return fmt.Sprintf("%d was expected", r.want)
	}
	if t := mediaType(resp); t != "" {
		return "its type is " + t
	}
	return "it has no type"
}

func mediaType(resp *http.Response) string {
	t, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	return t
}
