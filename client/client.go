package client

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

// basePath is the path of the API below the endpoint.
const basePath = "/api/v1"

// idempotencyKey is the header by which the server recognises a repeated POST.
const idempotencyKey = "Idempotency-Key"

// maxAnswer is far above any page of 500 elements. It bounds the memory that a wrong server can use.
const maxAnswer = 64 << 20

// Client calls one certctl server with one key. It is safe for concurrent use.
type Client struct {
	endpoint  string
	apiKey    string
	userAgent string
	timeout   time.Duration
	retries   int          // of one operation, while the server answers
	onAnswer  func([]byte) // may be nil

	// Both clients share one pool of connections. They differ in the requests that they send again.
	repeatableSender *retryablehttp.Client
	onceSender       *retryablehttp.Client

	// isAway is set if an operation found no server in all its time. Until a server answers, each operation tries once.
	isAway atomic.Bool

	// hasAnswered is set once the server has answered.
	hasAnswered atomic.Bool

	// isRefused is set while the server refuses the key. It then also limits the caller's requests, and waiting does not help.
	isRefused atomic.Bool
}

// New makes a client. The endpoint is the server's address without /api/v1. Without an API key only GetHealth and GetReady
// succeed.
func New(endpoint, apiKey string, opts ...Option) (*Client, error) {
	clean, err := parseEndpoint(endpoint)
	if err != nil {
		return nil, err
	}
	if strings.ContainsFunc(apiKey, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, newSettingError(SettingAPIKey, "the API key contains a space, a line break or another character that no key has")
	}
	s := settings{timeout: 30 * time.Second, retries: 3, userAgent: "certctl-go-client"}
	for _, opt := range opts {
		if err := opt(&s); err != nil {
			return nil, err
		}
	}
	httpClient := s.newHTTPClient()
	c := &Client{endpoint: clean, apiKey: apiKey, userAgent: s.userAgent, timeout: s.timeout, retries: s.retries, onAnswer: s.onAnswer}
	c.repeatableSender = c.newRetryClient(httpClient, retryRepeatable)
	c.onceSender = c.newRetryClient(httpClient, retryUnsent)
	return c, nil
}

// Endpoint returns the server's address, without a slash at the end. It holds no credentials.
func (c *Client) Endpoint() string { return c.endpoint }

// request is one operation.
type request struct {
	method string
	path   string // below the endpoint, escaped
	query  url.Values
	header http.Header
	body   any
	want   int    // the status of a success
	also   int    // another status of a success; 0 if there is none
	media  string // the media type of a success; empty if it has no body
}

// RequestOption changes a single request.
type RequestOption func(*request)

// IfMatch makes a write conditional. If the object has another version, the server answers precondition_failed. A
// conditional write is also safe to retry.
func IfMatch(version int64) RequestOption {
	return func(r *request) { r.header.Set("If-Match", fmt.Sprintf(`"%d"`, version)) }
}

// IdempotencyKey sets the key of a POST, at most 255 characters. For 24 hours the server answers a repeated POST with the
// first answer, also to another process. Without this option each call has a random key, which its retries share. A client
// without retries sends no key, so the server stores no answer.
func IdempotencyKey(key string) RequestOption {
	return func(r *request) { r.header.Set(idempotencyKey, key) }
}

// EditOption changes one edit of a profile: a [RequestOption] or [EditOptions].
type EditOption interface{ applyToEdit(r *request) }

// EditOptions are the options of an edit of a profile, which may wait for a second person.
type EditOptions struct {
	Reason   string // for the approvers
	Resubmit bool   // ask again for an edit that was rejected
}

// IssueOption changes one write of a certificate: a [RequestOption] or [IssueOptions].
type IssueOption interface{ applyToIssue(r *request) }

// IssueOptions make a write of a certificate also ask for issuance, in the same transaction.
type IssueOptions struct {
	Reason       string   // for the approvers
	AlsoExcluded []string // handles of more people who may not decide
}

func (o RequestOption) applyToEdit(r *request)  { o(r) }
func (o RequestOption) applyToIssue(r *request) { o(r) }

func (o EditOptions) applyToEdit(r *request) {
	query(r.query).addText("reason", o.Reason)
	if o.Resubmit {
		r.query.Set("resubmit", "true")
	}
}

func (o IssueOptions) applyToIssue(r *request) {
	r.query.Set("issue", "true")
	query(r.query).addText("reason", o.Reason)
	if len(o.AlsoExcluded) > 0 {
		r.query["also_excluded"] = o.AlsoExcluded
	}
}

// isRepeatable reports whether sending r twice has the same effect as sending it once. A POST has an Idempotency-Key for
// that. A second PUT without a version would undo a change that somebody else made after the first.
func (r request) isRepeatable() bool {
	switch r.method {
	case http.MethodGet, http.MethodDelete, http.MethodPost:
		return true
	case http.MethodPut:
		return r.header.Get("If-Match") != ""
	default:
		return false
	}
}

// copyForOptions returns a copy with an empty header and query, for options to set.
func (r request) copyForOptions() *request {
	r.header, r.query = http.Header{}, url.Values{}
	return &r
}

func (r request) withOptions(opts []RequestOption) request {
	changed := r.copyForOptions()
	for _, o := range opts {
		o(changed)
	}
	return *changed
}

func (r request) withEditOptions(opts []EditOption) request {
	changed := r.copyForOptions()
	for _, o := range opts {
		o.applyToEdit(changed)
	}
	return *changed
}

func (r request) withIssueOptions(opts []IssueOption) request {
	changed := r.copyForOptions()
	for _, o := range opts {
		o.applyToIssue(changed)
	}
	return *changed
}

// response is a successful answer with its whole body.
type response struct {
	status int
	header http.Header
	body   []byte
}

// call sends r and decodes the response.
func call[T any](ctx context.Context, c *Client, r request) (T, error) {
	v, _, err := callWithHeader[T](ctx, c, r)
	return v, err
}

func callWithHeader[T any](ctx context.Context, c *Client, r request) (T, http.Header, error) {
	var v T
	r.media = "application/json"
	a, err := c.send(ctx, r)
	if err != nil {
		return v, nil, err
	}
	v, err = decode[T](c, r, a)
	return v, a.header, err
}

func decode[T any](c *Client, r request, a response) (T, error) {
	var v T
	if err := json.Unmarshal(a.body, &v); err != nil {
		return v, c.newForeignAnswerError(r, a.status, "it is not the JSON of this operation")
	}
	return v, nil
}

// send returns a response with an expected status, or an error.
func (c *Client) send(ctx context.Context, r request) (response, error) {
	_, isHurried := ctx.Deadline() // the caller may not wait as long as other operations
	ctx, cancel := context.WithTimeout(withAttemptNumber(withAttemptCount(ctx)), c.timeout)
	defer cancel()
	var sent atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }})
	req, err := c.newRequest(ctx, r)
	if err != nil {
		return response{}, err
	}
	sender := c.onceSender
	if r.isRepeatable() {
		sender = c.repeatableSender
	}
	resp, err := sender.Do(req)
	if err != nil {
		return response{}, c.newUnreachableError(r, err, sent.Load(), isHurried)
	}
	c.recordAnswer(resp, r.isRepeatable() && !isHurried)
	c.isRefused.Store(resp.StatusCode == http.StatusUnauthorized || isRateLimited(resp) && c.isRefused.Load())
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return response{}, c.newUnreachableError(r, err, sent.Load(), isHurried)
	}
	if resp.StatusCode != r.want && (r.also == 0 || resp.StatusCode != r.also) || r.media != "" && mediaType(resp) != r.media {
		return response{}, c.newAnswerError(r, resp, body)
	}
	if c.onAnswer != nil {
		c.onAnswer(body)
	}
	return response{status: resp.StatusCode, header: resp.Header, body: body}, nil
}

// recordAnswer records whether the server answers. A proxy's answer that the server is away counts only if the operation was
// retried for as long as a restart may take.
func (c *Client) recordAnswer(resp *http.Response, hadTime bool) {
	switch {
	case !isProxyOfNone(resp):
		c.isAway.Store(false)
		c.hasAnswered.Store(true)
	case c.hasAnswered.Load() && hadTime:
		c.isAway.Store(true)
	}
}

func (c *Client) newRequest(ctx context.Context, r request) (*retryablehttp.Request, error) {
	var body []byte
	if r.body != nil {
		var err error
		if body, err = marshalBody(r.body); err != nil {
			return nil, err
		}
	}
	target := c.endpoint + r.path
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	req, err := retryablehttp.NewRequestWithContext(ctx, r.method, target, body)
	if err != nil {
		return nil, err
	}
	c.setHeader(req.Header, r)
	return req, nil
}

func (c *Client) setHeader(h http.Header, r request) {
	for name, values := range r.header {
		h[name] = values
	}
	h.Set("User-Agent", c.userAgent)
	if r.body != nil {
		h.Set("Content-Type", "application/json")
	}
	if r.method == http.MethodPost && h.Get(idempotencyKey) == "" && c.retries > 0 {
		h.Set(idempotencyKey, rand.Text()) // 130 random bits
	}
	if c.apiKey != "" {
		h.Set("Authorization", "Bearer "+c.apiKey)
	}
}

// marshalBody does not escape <, > and &.
func marshalBody(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// String returns the method and the path, for errors.
func (r request) String() string { return r.method + " " + r.path }
