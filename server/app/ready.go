package app

import (
	"context"
	"sync"
	"time"

	"github.com/certctl/terraform-provider-certctl/server/store"
)

const (
	readyFor    = time.Second            // the cached answer expires after this time
	checkWithin = 700 * time.Millisecond // the check ends after this time
	readyWithin = 850 * time.Millisecond // a caller waits this long for an answer, if the check does not end in time
)

// readiness caches whether the server is ready. Anonymous callers may ask as often as they like: the check runs once at a
// time, and at most once a second.
type readiness struct {
	check func(context.Context) error

	mu      sync.Mutex
	at      time.Time
	err     error
	running chan struct{} // is closed when the running check ends; nil if no check runs
}

// Ready returns the last result of the check, or runs the check if that result has expired.
func (r *readiness) Ready(ctx context.Context) error {
	running := r.start(ctx)
	if running != nil {
		select {
		case <-running:
		case <-time.After(readyWithin):
			return store.NotReady("the database does not answer")
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// start starts a check, unless the last result is new enough. It returns a channel that is closed when the running check
// ends; nil if no check runs.
func (r *readiness) start(ctx context.Context) <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.running == nil && time.Since(r.at) >= readyFor {
		r.running = make(chan struct{})
		go r.run(context.WithoutCancel(ctx)) // other callers wait for the result, too
	}
	return r.running
}

// run runs the check and stores the result.
func (r *readiness) run(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, checkWithin)
	defer cancel()
	err := r.check(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err, r.at = err, time.Now()
	close(r.running)
	r.running = nil
}
