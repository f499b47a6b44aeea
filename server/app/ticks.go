package app

import (
	"context"
	"runtime/debug"
	"time"

	"github.com/certctl/terraform-provider-certctl/server/web"
)

// As much is done in one tick; the rest comes with the next.
const (
	expireAtOnce = 1000
	forgetAtOnce = 10_000
)

// every runs a tick at once and then at each interval, until ctx ends. Every replica does so: each step of a tick is a
// guarded statement, so it happens once. A server that must not write does not tick.
func (s *Server) every(ctx context.Context, interval time.Duration, tick func(context.Context)) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		if err := s.rooms.store.MayWrite(ctx); err == nil {
			tick(ctx)
		} else if ctx.Err() == nil {
			s.log.WarnContext(ctx, "no tick; trying again", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// reap ends what is overdue. It runs beside renew, which may take minutes.
func (s *Server) reap(ctx context.Context) {
	s.step(ctx, "expire approvals", s.Expire)
	s.step(ctx, "look for lost jobs", s.reapJobs)
	s.step(ctx, "forget answers kept for retries", func(ctx context.Context) error {
		return web.ForgetReplays(ctx, s.rooms.store, forgetAtOnce)
	})
}

func (s *Server) reapJobs(ctx context.Context) error {
	reaped, err := s.rooms.queue.Reap(ctx)
	if reaped > 0 {
		s.log.WarnContext(ctx, "took jobs back from workers that were not heard of", "jobs", reaped)
	}
	return err
}

func (s *Server) renew(ctx context.Context) { s.step(ctx, "renew what is due", s.RenewDue) }

// RenewDue asks for every certificate that is due, as the scheduler does.
func (s *Server) RenewDue(ctx context.Context) error {
	return s.rooms.issuance.RenewDue(ctx, s.config.RenewalRetryAfter)
}

// step runs one step of a tick and logs its error or panic. The next tick tries again.
func (s *Server) step(ctx context.Context, what string, run func(context.Context) error) {
	defer func() {
		if failure := recover(); failure != nil {
			s.log.ErrorContext(ctx, "panic in a tick; trying again", "what", what, "panic", failure, "stack", string(debug.Stack()))
		}
	}()
	if err := run(ctx); err != nil && ctx.Err() == nil {
		s.log.WarnContext(ctx, "a tick did not do all it should; trying again", "what", what, "error", err)
	}
}
