package app

import (
	"context"
	"sync"
	"time"

	"github.com/certctl/terraform-provider-certctl/server/store"
)

const (
	readyFor    = time.Second            // how long an answer is repeated
	readyWithin = 800 * time.Millisecond // how long a caller waits for one
)

// readiness tells anonymous callers whether the server can work. However many ask, the database is asked by one of them
// at a time, and at most once a second.
type readiness struct {
	check func(context.Context) error

	mu      sync.Mutex
	at      time.Time
	err     error
	running chan struct{} // closed when the check that runs has ended; nil if none runs
}

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

// start begins a check unless the last answer is new enough. It returns the check to wait for, if there is one.
func (r *readiness) start(ctx context.Context) <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.running == nil && time.Since(r.at) >= readyFor {
		r.running = make(chan struct{})
		go r.run(context.WithoutCancel(ctx)) // the answer is for others, too
	}
	return r.running
}

func (r *readiness) run(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	err := r.check(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err, r.at = err, time.Now()
	close(r.running)
	r.running = nil
}
