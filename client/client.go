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

// basePath is where the API lives below the endpoint.
const basePath = "/api/v1"

// idempotencyKey is the header by which the server knows a POST again.
const idempotencyKey = "Idempotency-Key"

// maxAnswer is far above any page of 500; it bounds the memory that a wrong server can take.
const maxAnswer = 64 << 20

// Client calls one certctl server with one key. It is safe for concurrent use.
type Client struct {
	endpoint  string
	apiKey    string
	userAgent string
	timeout   time.Duration

	// Two clients on one pool of connections; they differ in what they send again.
	repeatable *retryablehttp.Client
	once       *retryablehttp.Client

	// away says that the last operation found no server. Until one answers, each operation tries once.
	away atomic.Bool
}

// New makes a client. The endpoint is the server's address without /api/v1. Without an API key only
// GetHealth and GetReady are answered.
func New(endpoint, apiKey string, opts ...Option) (*Client, error) {
	clean, err := parseEndpoint(endpoint)
	if err != nil {
		return nil, err
	}
	if strings.ContainsFunc(apiKey, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, fmt.Errorf("the API key contains a space, a line break or another character that no key has")
	}
	s := settings{timeout: 30 * time.Second, retries: 3, userAgent: "certctl-go-client"}
	for _, opt := range opts {
		if err := opt(&s); err != nil {
			return nil, err
		}
	}
	httpClient := s.newHTTPClient()
	c := &Client{endpoint: clean, apiKey: apiKey, userAgent: s.userAgent, timeout: s.timeout}
	c.repeatable = newRetrying(httpClient, s.retries, c.unlessAway(retryAnything))
	c.once = newRetrying(httpClient, s.retries, c.unlessAway(retryUnsent))
	return c, nil
}

// Endpoint is the address in use, without a slash at the end. It holds no credentials.
func (c *Client) Endpoint() string { return c.endpoint }

// request is one operation as it goes over the wire.
type request struct {
	method string
	path   string // below the endpoint, escaped
	query  url.Values
	header http.Header
	body   any
	want   int    // the only status that is a success: a 202 is no profile
	also   int    // another status that is a success, if there is one
	media  string // the only type of a success; empty if it has no body
}

// RequestOption changes a single request.
type RequestOption func(*request)

// IfMatch makes a write conditional on the version that the object has now; otherwise the server answers
// precondition_failed. It also makes the write safe to retry.
func IfMatch(version int64) RequestOption {
	return func(r *request) { r.header.Set("If-Match", fmt.Sprintf(`"%d"`, version)) }
}

// IdempotencyKey gives a POST a name of the caller's own, at most 255 characters. Under one name the server does one
// thing, and for 24 hours it gives the same answer when the same comes again, from a new process say. Without it each
// call has a random name, which its retries share; a client without retries gives none, and spares the server the
// keeping of answers that nobody asks for.
func IdempotencyKey(key string) RequestOption {
	return func(r *request) { r.header.Set(idempotencyKey, key) }
}

// EditOption changes one edit of a profile: a [RequestOption] or [EditOptions].
type EditOption interface{ changeEdit(r *request) }

// EditOptions belongs to an edit of a profile that may have to wait for a second person.
type EditOptions struct {
	Reason   string // for the approvers
	Resubmit bool   // asks again for an edit that was rejected
}

// IssueOption changes one write of a certificate: a [RequestOption] or [IssueOptions].
type IssueOption interface{ changeIssue(r *request) }

// IssueOptions asks for issuance with the write of a certificate, in one transaction. Without it nothing is issued.
type IssueOptions struct {
	Reason       string   // for the approvers
	AlsoExcluded []string // handles of more people who may not decide
}

func (o RequestOption) changeEdit(r *request)  { o(r) }
func (o RequestOption) changeIssue(r *request) { o(r) }

func (o EditOptions) changeEdit(r *request) {
	query(r.query).text("reason", o.Reason)
	if o.Resubmit {
		r.query.Set("resubmit", "true")
	}
}

func (o IssueOptions) changeIssue(r *request) {
	r.query.Set("issue", "true")
	query(r.query).text("reason", o.Reason)
	if len(o.AlsoExcluded) > 0 {
		r.query["also_excluded"] = o.AlsoExcluded
	}
}

// repeatable says that sending r twice has the effect of sending it once. A POST has its Idempotency-Key for that.
// A PUT without a version has not: the second one would undo what somebody else wrote after the first.
func (r request) repeatable() bool {
	switch r.method {
	case http.MethodGet, http.MethodDelete, http.MethodPost:
		return true
	case http.MethodPut:
		return r.header.Get("If-Match") != ""
	default:
		return false
	}
}

// changeable returns the request with an empty header and query, which options add to.
func (r request) changeable() *request {
	r.header, r.query = http.Header{}, url.Values{}
	return &r
}

func (r request) with(opts []RequestOption) request {
	changed := r.changeable()
	for _, o := range opts {
		o(changed)
	}
	return *changed
}

func (r request) withEdit(opts []EditOption) request {
	changed := r.changeable()
	for _, o := range opts {
		o.changeEdit(changed)
	}
	return *changed
}

func (r request) withIssue(opts []IssueOption) request {
	changed := r.changeable()
	for _, o := range opts {
		o.changeIssue(changed)
	}
	return *changed
}

// answer is a success, read to its end.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// call sends r and decodes the answer.
func call[T any](ctx context.Context, c *Client, r request) (T, error) {
	v, _, err := callHeader[T](ctx, c, r)
	return v, err
}

func callHeader[T any](ctx context.Context, c *Client, r request) (T, http.Header, error) {
	var v T
	r.media = "application/json"
	a, err := c.send(ctx, r)
	if err != nil {
		return v, nil, err
	}
	v, err = decode[T](c, r, a)
	return v, a.header, err
}

func decode[T any](c *Client, r request, a answer) (T, error) {
	var v T
	if err := json.Unmarshal(a.body, &v); err != nil {
		return v, c.foreign(r, a.status, "it is not the JSON of this operation")
	}
	return v, nil
}

// send gets an answer with the wanted status, or an error.
func (c *Client) send(ctx context.Context, r request) (answer, error) {
	ctx, cancel := context.WithTimeout(countingAttempts(ctx), c.timeout)
	defer cancel()
	var sent atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }})
	req, err := c.newRequest(ctx, r)
	if err != nil {
		return answer{}, err
	}
	sender := c.once
	if r.repeatable() {
		sender = c.repeatable
	}
	resp, err := sender.Do(req)
	if err != nil {
		return answer{}, c.unreachable(r, err, sent.Load())
	}
	c.away.Store(false)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return answer{}, c.unreachable(r, err, sent.Load())
	}
	if resp.StatusCode != r.want && (r.also == 0 || resp.StatusCode != r.also) || r.media != "" && mediaType(resp) != r.media {
		return answer{}, c.refusal(r, resp, body)
	}
	return answer{status: resp.StatusCode, header: resp.Header, body: body}, nil
}

func (c *Client) newRequest(ctx context.Context, r request) (*retryablehttp.Request, error) {
	var body []byte
	if r.body != nil {
		var err error
		if body, err = marshal(r.body); err != nil {
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
	if r.method == http.MethodPost && h.Get(idempotencyKey) == "" && c.repeatable.RetryMax > 0 {
		h.Set(idempotencyKey, rand.Text()) // 130 random bits
	}
	if c.apiKey != "" {
		h.Set("Authorization", "Bearer "+c.apiKey)
	}
}

// marshal leaves <, > and & alone: they are sent as they were written.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// String names the operation for an error, without its query.
func (r request) String() string { return r.method + " " + r.path }
