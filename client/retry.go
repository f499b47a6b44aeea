package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"github.com/certctl/terraform-provider-certctl/api"
)

// The shortest and the longest wait before a retry. The longest also bounds Retry-After.
const (
	minWait = 250 * time.Millisecond
	maxWait = 20 * time.Second
)

func newRetryClient(h *http.Client, most int, again retryablehttp.CheckRetry) *retryablehttp.Client {
	return &retryablehttp.Client{
		HTTPClient:   h,
		RetryMax:     most,
		RetryWaitMin: minWait,
		RetryWaitMax: maxWait,
		CheckRetry:   again,
		Backoff:      backoff,
		ErrorHandler: retryablehttp.PassthroughErrorHandler,
	}
}

// retryUnlessAway does not retry if an earlier operation found no server after all its retries. Otherwise each of many
// operations would take that long to fail. It does not retry either if the limit is on requests with a refused key.
func (c *Client) retryUnlessAway(again retryablehttp.CheckRetry) retryablehttp.CheckRetry {
	return func(ctx context.Context, resp *http.Response, err error) (bool, error) {
		if err != nil && c.isAway.Load() {
			return false, nil
		}
		if err == nil && isRateLimited(resp) && c.isRefused.Load() {
			return false, nil
		}
		return again(ctx, resp, err)
	}
}

func isRateLimited(resp *http.Response) bool { return resp.StatusCode == http.StatusTooManyRequests }

// backoff returns a wait with a random part, so that clients which failed together do not retry together. The library reads
// Retry-After with two statuses only. This function reads it with every status.
func backoff(shortest, longest time.Duration, attempt int, resp *http.Response) time.Duration {
	if resp != nil {
		resp = &http.Response{StatusCode: http.StatusServiceUnavailable, Header: resp.Header}
	}
	wait := retryablehttp.DefaultBackoff(shortest, longest, attempt, resp)
	return max(shortest, min(wait, longest)) + rand.N(shortest) //nolint:gosec // spreads load, hides nothing
}

// retryRepeatable is the policy of requests that may arrive twice.
func retryRepeatable(ctx context.Context, resp *http.Response, err error) (bool, error) {
	if ctx.Err() != nil || !hasTimeLeft(ctx, resp) {
		return false, nil
	}
	if err != nil {
		return retryablehttp.DefaultRetryPolicy(ctx, nil, err)
	}
	switch resp.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true, nil
	case http.StatusConflict:
		return isInProgress(resp), nil
	default:
		// A 500 is a fault of certctl, and a retry would meet the same fault.
		return false, nil
	}
}

// isInProgress reports whether the server still handles an earlier attempt of the same request. Any other conflict is final.
func isInProgress(resp *http.Response) bool {
	body, err := io.ReadAll(resp.Body)
	resp.Body = io.NopCloser(bytes.NewReader(body)) // the caller reads the body again
	p := readProblem(resp, body)
	return err == nil && p != nil && p.Code() == api.CodeRequestInProgress
}

// retryUnsent is the policy of requests that must not arrive twice. It retries only if there was no connection.
func retryUnsent(ctx context.Context, _ *http.Response, err error) (bool, error) {
	var op *net.OpError
	return ctx.Err() == nil && errors.As(err, &op) && op.Op == "dial", nil
}

// attemptsKey is the context key of the number of attempts, which the library does not pass to CheckRetry.
type attemptsKey struct{}

func withAttemptCount(ctx context.Context) context.Context {
	return context.WithValue(ctx, attemptsKey{}, new(int))
}

// hasTimeLeft reports whether the next wait ends before the deadline. If it does not, the error of this attempt is
// returned at once, because it says more than a timeout.
func hasTimeLeft(ctx context.Context, resp *http.Response) bool {
	attempts, counted := ctx.Value(attemptsKey{}).(*int)
	deadline, bounded := ctx.Deadline()
	if !counted || !bounded {
		return true
	}
	wait := backoff(minWait, maxWait, *attempts, resp) + minWait // the real wait has another random part
	*attempts++
	return time.Until(deadline) > wait
}

// fullAnswers is a transport that reads each answer to its end. An incomplete answer becomes an error of the connection, and
// is retried by the same rules.
type fullAnswers struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (w fullAnswers) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := w.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("the answer is incomplete: %w", err)
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}
