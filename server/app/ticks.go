package app

import (
	"context"
	"time"

	"github.com/certctl/terraform-provider-certctl/server/httpapi"
)

// As much is done in one tick; the rest comes with the next.
const (
	expireAtOnce = 1000
	forgetAtOnce = 10_000
)

// tick does what time makes due. Every replica does it: each step is a guarded statement, so it happens once.
func (s *Server) tick(ctx context.Context) {
	reap, renew := time.NewTicker(s.config.ReaperInterval), time.NewTicker(s.config.RenewalInterval)
	defer reap.Stop()
	defer renew.Stop()
	s.reap(ctx)
	s.renew(ctx)
	for {
		select {
		case <-ctx.Done():
			return
		case <-reap.C:
			s.reap(ctx)
		case <-renew.C:
			s.renew(ctx)
		}
	}
}

func (s *Server) reap(ctx context.Context) {
	s.logFailure(ctx, "expire approvals", s.Expire(ctx))
	reaped, err := s.queue.Reap(ctx)
	s.logFailure(ctx, "look for lost jobs", err)
	if reaped > 0 {
		s.log.WarnContext(ctx, "took jobs back from workers that were not heard of", "jobs", reaped)
	}
	s.logFailure(ctx, "forget answers kept for retries", httpapi.ForgetReplays(ctx, s.store, forgetAtOnce))
}

func (s *Server) renew(ctx context.Context) { s.logFailure(ctx, "renew what is due", s.RenewDue(ctx)) }

// RenewDue asks for every certificate that is due, as the scheduler does.
func (s *Server) RenewDue(ctx context.Context) error {
	return s.issuance.RenewDue(ctx, s.config.RenewalRetryAfter)
}

// logFailure says what did not work; the next tick tries again.
func (s *Server) logFailure(ctx context.Context, what string, err error) {
	if err != nil && ctx.Err() == nil {
		s.log.WarnContext(ctx, "a tick did not do all it should; trying again", "what", what, "error", err)
	}
}
