package client

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"
)

// Attempt is one HTTP request and its answer, for a log. It has no body, no query and no header but the request id.
type Attempt struct {
	Method    string
	Path      string
	Number    int    // 1 for the first attempt of an operation
	Status    int    // 0 without an answer
	RequestID string // of the server; empty without an answer
	Duration  time.Duration
	Err       error // of the connection; nil with an answer
}

// WithObserver calls f after each attempt, from the goroutine of the operation and with its context.
func WithObserver(f func(context.Context, Attempt)) Option {
	return func(s *settings) error { s.observer = f; return nil }
}

// WithAnswers calls f with the body of each success, as the server sent it, from the goroutine of the operation. A list has
// a body for each page.
func WithAnswers(f func(body []byte)) Option {
	return func(s *settings) error { s.onAnswer = f; return nil }
}

// numberKey is the context key of the number of attempts that an operation has begun.
type numberKey struct{}

func withAttemptNumber(ctx context.Context) context.Context {
	return context.WithValue(ctx, numberKey{}, new(atomic.Int64))
}

// observed is a transport that reports each attempt.
type observed struct {
	next   http.RoundTripper
	report func(context.Context, Attempt)
}

// RoundTrip implements http.RoundTripper.
func (o observed) RoundTrip(req *http.Request) (*http.Response, error) {
	a := Attempt{Method: req.Method, Path: req.URL.EscapedPath(), Number: 1}
	if n, ok := req.Context().Value(numberKey{}).(*atomic.Int64); ok {
		a.Number = int(n.Add(1))
	}
	start := time.Now()
	resp, err := o.next.RoundTrip(req)
	a.Duration, a.Err = time.Since(start), err
	if resp != nil {
		a.Status, a.RequestID = resp.StatusCode, resp.Header.Get("X-Request-ID")
	}
	o.report(req.Context(), a)
	return resp, err
}
