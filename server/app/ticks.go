package app

import (
	"context"
	"runtime/debug"
	"time"

	"github.com/certctl/terraform-provider-certctl/server/web"
)

// The limits of one tick. The next tick does the rest.
const (
	expireAtOnce = 1000
	forgetAtOnce = 10_000
)

// runEvery runs a tick at once and then at each interval, until ctx ends. Every replica runs ticks: each step is a guarded
// statement, so it has its effect once. If the server must not write, it skips the tick.
func (s *Server) runEvery(ctx context.Context, interval time.Duration, tick func(context.Context)) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		if err := s.services.store.MayWrite(ctx); err == nil {
			tick(ctx)
		} else if ctx.Err() == nil {
			s.log.WarnContext(ctx, "tick skipped; trying again", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// reap expires approvals, returns lost jobs to the queue and deletes old answers. renew runs concurrently, because it may
// take minutes.
func (s *Server) reap(ctx context.Context) {
	s.runStep(ctx, "expire approvals", s.Expire)
	s.runStep(ctx, "return lost jobs to the queue", s.reapJobs)
	s.runStep(ctx, "delete answers stored for retries", func(ctx context.Context) error {
		return web.ForgetReplays(ctx, s.services.store, forgetAtOnce)
	})
}

func (s *Server) reapJobs(ctx context.Context) error {
	reaped, err := s.services.queue.Reap(ctx)
	if reaped > 0 {
		s.log.WarnContext(ctx, "returned jobs to the queue after their leases expired", "jobs", reaped)
	}
	return err
}

func (s *Server) renew(ctx context.Context) { s.runStep(ctx, "request due renewals", s.RenewDue) }

// RenewDue requests every certificate that is due for renewal, as the scheduler does.
func (s *Server) RenewDue(ctx context.Context) error {
	return s.services.issuance.RenewDue(ctx, s.config.RenewalRetryAfter)
}

// runStep runs one step of a tick, and logs an error or a panic. The next tick tries again.
func (s *Server) runStep(ctx context.Context, name string, run func(context.Context) error) {
	defer func() {
		if failure := recover(); failure != nil {
			s.log.ErrorContext(ctx, "panic in a tick; trying again", "what", name, "panic", failure, "stack", string(debug.Stack()))
		}
	}()
	if err := run(ctx); err != nil && ctx.Err() == nil {
		s.log.WarnContext(ctx, "a step of a tick failed; trying again", "what", name, "error", err)
	}
}
