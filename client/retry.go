package client

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"time"

	"github.com/hashicorp/go-retryablehttp"
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

// backoff spreads clients that failed together.
func backoff(shortest, longest time.Duration, attempt int, resp *http.Response) time.Duration {
	return min(retryablehttp.DefaultBackoff(shortest, longest, attempt, resp), longest) + rand.N(shortest) //nolint:gosec // spreads load, hides nothing
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
	default:
		return false, nil
	}
}

// retryUnsent is for requests that must not arrive twice: only when there was no connection to send on.
func retryUnsent(ctx context.Context, _ *http.Response, err error) (bool, error) {
	var op *net.OpError
	return ctx.Err() == nil && errors.As(err, &op) && op.Op == "dial", nil
}

// timeLeft spares a wait at whose end the deadline has passed: the answer at hand says more than that.
func timeLeft(ctx context.Context, resp *http.Response) bool {
	deadline, ok := ctx.Deadline()
	return !ok || time.Until(deadline) > backoff(minWait, maxWait, 0, resp)
}
