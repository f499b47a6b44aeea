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

// UnreachableError is the error of a request that got no whole answer. If it was sent, what it asked for may have happened.
type UnreachableError struct {
	Request  string
	Endpoint string
	Err      error
	Sent     bool // at least once a connection was there and the request on its way
	Again    bool // the operation before this one found no server either
}

// Error says which server was tried and what went wrong.
func (e *UnreachableError) Error() string {
	return fmt.Sprintf("%s: no answer from %s: %v", e.Request, e.Endpoint, e.Err)
}

// Unwrap gives the error of the connection or the context.
func (e *UnreachableError) Unwrap() error { return e.Err }

// AwaitingApprovalError is the error of a write that did not happen yet: a second person must approve it.
type AwaitingApprovalError struct {
	Approval api.Approval
	Endpoint string
}

// Error says which approval it waits for.
func (e *AwaitingApprovalError) Error() string {
	return fmt.Sprintf("it awaits approval %s", e.Approval.ID)
}

// ForeignAnswerError is the error of an answer that is not certctl's: a proxy's page, a redirect, another
// server. It never repeats the body.
type ForeignAnswerError struct {
	Request  string
	Endpoint string
	Status   int
	Why      string
}

// Error says what was answered, and by whom.
func (e *ForeignAnswerError) Error() string {
	return fmt.Sprintf("%s: %s answered %d %s, and this is not certctl's answer: %s",
		e.Request, e.Endpoint, e.Status, http.StatusText(e.Status), e.Why)
}

func (c *Client) unreachable(r request, err error, sent bool) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err // the rest is said already
	}
	again := !sent && !errors.Is(err, context.Canceled) && c.away.Swap(true)
	return &UnreachableError{Request: r.String(), Endpoint: c.endpoint, Err: err, Sent: sent, Again: again}
}

// refusal turns an answer with another status than the wanted one into an error.
func (c *Client) refusal(r request, resp *http.Response, body []byte) error {
	if p := problem(resp, body); p != nil {
		return p
	}
	return c.foreign(r, resp.StatusCode, why(r, resp))
}

func (c *Client) foreign(r request, status int, why string) error {
	return &ForeignAnswerError{Request: r.String(), Endpoint: c.endpoint, Status: status, Why: why}
}

// problem is nil for an answer that certctl did not write.
func problem(resp *http.Response, body []byte) *api.Problem {
	if mediaType(resp) != "application/problem+json" {
		return nil
	}
	var p api.Problem
	if json.Unmarshal(body, &p) != nil || p.Code() == "" {
		return nil
	}
	p.Status = resp.StatusCode
	return &p
}

func why(r request, resp *http.Response) string {
	if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		if to, err := resp.Location(); err == nil {
			return fmt.Sprintf("it redirects to %s://%s, which is not followed with the API key", to.Scheme, to.Host)
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
