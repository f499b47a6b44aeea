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
	ticker := time.NewTicker(s.config.ReaperInterval)
	defer ticker.Stop()
	for {
		if err := s.Expire(ctx); err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "could not expire approvals; trying again", "error", err)
		}
		if reaped, err := s.queue.Reap(ctx); err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "could not look for lost jobs; trying again", "error", err)
		} else if reaped > 0 {
			s.log.WarnContext(ctx, "took jobs back from workers that were not heard of", "jobs", reaped)
		}
		if err := httpapi.ForgetReplays(ctx, s.store, forgetAtOnce); err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "could not forget answers kept for retries; trying again", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
