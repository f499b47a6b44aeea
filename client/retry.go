package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"github.com/certctl/terraform-provider-certctl/api"
)

// The shortest and the longest wait before a retry. The longest also bounds Retry-After. The longest wait for a server that
// takes no connection is shorter, because a restart takes seconds.
const (
	minWait     = 250 * time.Millisecond
	maxWait     = 20 * time.Second
	maxDialWait = 2 * time.Second
)

// newRetryClient returns a client that retries as long as again says so. again bounds the number of retries.
func (c *Client) newRetryClient(h *http.Client, again retryablehttp.CheckRetry) *retryablehttp.Client {
	most := math.MaxInt
	if c.retries == 0 {
		most = 0
	}
	return &retryablehttp.Client{
		HTTPClient:   h,
		RetryMax:     most,
		RetryWaitMin: minWait,
		RetryWaitMax: maxWait,
		CheckRetry:   c.limitRetries(again),
		Backoff:      backoff,
		ErrorHandler: retryablehttp.PassthroughErrorHandler,
	}
}

// limitRetries bounds the retries of an operation by the setting. A server that has answered before and is away now may be
// restarting, so the operation waits for it until its timeout.
//
// If an earlier operation found no server after all its retries, the operation is not retried: otherwise each of many
// operations would take that long to fail. It is not retried either if the limit is on requests with a refused key.
func (c *Client) limitRetries(again retryablehttp.CheckRetry) retryablehttp.CheckRetry {
	return func(ctx context.Context, resp *http.Response, err error) (bool, error) {
		if (err != nil || isProxyOfNone(resp)) && c.isAway.Load() {
			return false, nil
		}
		if err == nil && isRateLimited(resp) && c.isRefused.Load() {
			return false, nil
		}
		if countAttempt(ctx) > c.retries && !c.mayBeRestarting(resp, err) {
			return false, nil
		}
		return again(ctx, resp, err)
	}
}

// mayBeRestarting reports whether a server that has answered before takes no connection, or a proxy says so.
func (c *Client) mayBeRestarting(resp *http.Response, err error) bool {
	if !c.hasAnswered.Load() {
		return false
	}
	if err != nil {
		return isDialError(err)
	}
	return isProxyOfNone(resp)
}

func isRateLimited(resp *http.Response) bool { return resp.StatusCode == http.StatusTooManyRequests }

// isAwayStatus reports whether a server or its proxy answers that the server cannot serve now.
func isAwayStatus(resp *http.Response) bool {
	switch resp.StatusCode {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	default:
		return false
	}
}

// isProxyOfNone reports whether a proxy answers because the server is away. An answer of the server itself is a problem.
func isProxyOfNone(resp *http.Response) bool {
	return isAwayStatus(resp) && mediaType(resp) != problemMediaType
}

func isDialError(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

// backoff returns a wait with a random part, so that clients which failed together do not retry together. The library reads
// Retry-After with two statuses only. This function reads it with every status.
func backoff(shortest, longest time.Duration, attempt int, resp *http.Response) time.Duration {
	if resp == nil {
		longest = min(longest, maxDialWait)
	} else {
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
	if isAwayStatus(resp) || isRateLimited(resp) {
		return true, nil
	}
	// A 500 is a fault of certctl, and a retry would meet the same fault.
	return resp.StatusCode == http.StatusConflict && isInProgress(resp), nil
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
	return ctx.Err() == nil && err != nil && isDialError(err) && hasTimeLeft(ctx, nil), nil
}

// attemptsKey is the context key of the number of attempts, which the library does not pass to CheckRetry.
type attemptsKey struct{}

func withAttemptCount(ctx context.Context) context.Context {
	return context.WithValue(ctx, attemptsKey{}, new(int))
}

// countAttempt counts one more failed attempt of an operation, and returns their number.
func countAttempt(ctx context.Context) int {
	attempts := ctx.Value(attemptsKey{}).(*int)
	*attempts++
	return *attempts
}

// hasTimeLeft reports whether the next wait ends before the deadline. If it does not, the error of this attempt is
// returned at once, because it says more than a timeout.
func hasTimeLeft(ctx context.Context, resp *http.Response) bool {
	deadline, isBounded := ctx.Deadline()
	if !isBounded {
		return true
	}
	attempts := *ctx.Value(attemptsKey{}).(*int)
	wait := backoff(minWait, maxWait, attempts-1, resp) + minWait // the real wait has another random part
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
