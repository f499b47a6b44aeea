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

// The shortest and the longest wait before a request is sent again; the longest also caps Retry-After.
const (
	minWait = 250 * time.Millisecond
	maxWait = 20 * time.Second
)

func newRetrying(h *http.Client, most int, again retryablehttp.CheckRetry) *retryablehttp.Client {
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

// unlessAway gives up at once where an operation before has tried for long and found no server. A run of many operations
// would otherwise take as many times that long to say so.
func (c *Client) unlessAway(again retryablehttp.CheckRetry) retryablehttp.CheckRetry {
	return func(ctx context.Context, resp *http.Response, err error) (bool, error) {
		if err != nil && c.away.Load() {
			return false, nil
		}
		return again(ctx, resp, err)
	}
}

// backoff spreads clients that failed together. The library heeds Retry-After with two statuses only; here it counts
// with every answer that is retried.
func backoff(shortest, longest time.Duration, attempt int, resp *http.Response) time.Duration {
	if resp != nil {
		resp = &http.Response{StatusCode: http.StatusServiceUnavailable, Header: resp.Header}
	}
	wait := retryablehttp.DefaultBackoff(shortest, longest, attempt, resp)
	return max(shortest, min(wait, longest)) + rand.N(shortest) //nolint:gosec // spreads load, hides nothing
}

// retryAnything is for requests that may arrive twice.
func retryAnything(ctx context.Context, resp *http.Response, err error) (bool, error) {
	if ctx.Err() != nil || !timeLeft(ctx, resp) {
		return false, nil
	}
	if err != nil {
		return retryablehttp.DefaultRetryPolicy(ctx, nil, err)
	}
	switch resp.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true, nil
	case http.StatusConflict:
		return inProgress(resp), nil
	default:
		// Not 500 either: certctl says that of a fault of its own, which the next attempt would meet again.
		return false, nil
	}
}

// inProgress says that the server is still busy with this very request, sent before. Any other conflict is final.
func inProgress(resp *http.Response) bool {
	body, err := io.ReadAll(resp.Body)
	resp.Body = io.NopCloser(bytes.NewReader(body)) // to be read again by whoever gets the answer
	p := problem(resp, body)
	return err == nil && p != nil && p.Code() == api.CodeRequestInProgress
}

// retryUnsent is for requests that must not arrive twice: only when there was no connection to send on.
func retryUnsent(ctx context.Context, _ *http.Response, err error) (bool, error) {
	var op *net.OpError
	return ctx.Err() == nil && errors.As(err, &op) && op.Op == "dial", nil
}

// attemptsKey is where the context of an operation counts its attempts: the library tells CheckRetry no number.
type attemptsKey struct{}

func countingAttempts(ctx context.Context) context.Context {
	return context.WithValue(ctx, attemptsKey{}, new(int))
}

// timeLeft spares a wait at whose end the deadline has passed: the failure at hand says more than that.
func timeLeft(ctx context.Context, resp *http.Response) bool {
	attempts, counted := ctx.Value(attemptsKey{}).(*int)
	deadline, bounded := ctx.Deadline()
	if !counted || !bounded {
		return true
	}
	wait := backoff(minWait, maxWait, *attempts, resp) + minWait // the wait itself has a random part of its own
	*attempts++
	return time.Until(deadline) > wait
}

// wholeAnswers reads each answer to its end. So one that breaks off is an error of the connection like any other,
// retried by the same rules.
type wholeAnswers struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (w wholeAnswers) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := w.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("the answer broke off: %w", err)
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}
