package app

import (
	"context"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/certctl/terraform-provider-certctl/server/certificate"
	"github.com/certctl/terraform-provider-certctl/server/principal"
	"github.com/certctl/terraform-provider-certctl/server/store"
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

// reap expires approvals, returns lost jobs to the queue and deletes old answers and sessions. renew runs concurrently, because it may
// take minutes.
func (s *Server) reap(ctx context.Context) {
	s.runStep(ctx, "expire approvals", s.Expire)
	s.runStep(ctx, "return lost jobs to the queue", s.reapJobs)
	s.runStep(ctx, "warn of ends that come near", func(ctx context.Context) error { return s.expiry.check(ctx, s.services.store) })
	s.runStep(ctx, "tell what is due", s.TellDue)
	s.runStep(ctx, "end and delete messages", s.messages.Reap)
	s.runStep(ctx, "delete answers stored for retries", func(ctx context.Context) error {
		return web.ForgetReplays(ctx, s.services.store, forgetAtOnce)
	})
	s.runStep(ctx, "delete sessions that ended", func(ctx context.Context) error {
		return principal.ForgetSessions(ctx, s.services.store, forgetAtOnce)
	})
}

func (s *Server) reapJobs(ctx context.Context) error {
	reaped, err := s.services.queue.Reap(ctx)
	if reaped > 0 {
		s.log.WarnContext(ctx, "returned jobs to the queue after their leases expired", "jobs", reaped)
	}
	return err
}

// lookEvery bounds the time between two looks at whether a search for renewals is due.
const lookEvery = time.Minute

// search searches for renewals at the interval of the configuration, and more often if a certificate ends soon.
type search struct {
	server *Server
	last   time.Time // of the last search
}

// tick searches if it is time.
func (s *search) tick(ctx context.Context) {
	due := true
	s.server.runStep(ctx, "look whether a search for renewals is due", func(ctx context.Context) (err error) {
		due, err = s.isDue(ctx)
		return err
	})
	if !due {
		return
	}
	started := s.server.services.store.Now()
	s.server.runStep(ctx, "check which certificates can be renewed", s.server.CheckRenewals)
	s.server.runStep(ctx, "request due renewals", func(ctx context.Context) error {
		err := s.server.RenewDue(ctx)
		if err == nil {
			s.last = started // after an error the next look searches again
		}
		return err
	})
}

func (s *search) isDue(ctx context.Context) (bool, error) {
	due := true
	err := s.server.services.store.Query(ctx, func(tx *store.Tx) error {
		end, found, err := certificate.FindSoonestEnd(tx)
		pause := s.server.config.RenewalInterval
		if found {
			pause = searchPause(pause, end.Sub(tx.Now))
		}
		due = tx.Now.Before(s.last) || tx.Now.Sub(s.last) >= pause
		return err
	})
	return due, err
}

// searchPause returns the time between two searches for renewals: the configured interval, or a twelfth of what is left of
// the leaf that ends next. A third of a leaf's lifetime is for its renewal, so that is four searches at least.
func searchPause(interval, left time.Duration) time.Duration { return min(interval, left/12) }

// RenewDue requests every certificate that is due for renewal, as the scheduler does.
func (s *Server) RenewDue(ctx context.Context) error {
	return s.services.issuance.RenewDue(ctx, s.config.RenewalRetryAfter)
}

// CheckRenewals finds out which certificates could not be renewed, as the scheduler does.
func (s *Server) CheckRenewals(ctx context.Context) error {
	return s.services.issuance.CheckRenewals(ctx)
}

// newStepGauge makes the gauge of the steps of ticks and registers it.
func newStepGauge(r prometheus.Registerer) *prometheus.GaugeVec {
	failed := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "certctl_background_failed", Help: "1 while the last run of a step of the server's background work failed.",
	}, []string{"step"})
	r.MustRegister(failed)
	return failed
}

// runStep runs one step of a tick, and logs an error or a panic. The gauge says so until the step succeeds. The next tick
// tries again.
func (s *Server) runStep(ctx context.Context, name string, run func(context.Context) error) {
	failed := s.steps.WithLabelValues(name)
	defer func() {
		if failure := recover(); failure != nil {
			failed.Set(1)
			s.log.ErrorContext(ctx, "panic in a tick; trying again", "what", name, "panic", failure, "stack", string(debug.Stack()))
		}
	}()
	err := run(ctx)
	switch {
	case err == nil:
		failed.Set(0)
	case ctx.Err() == nil:
		failed.Set(1)
		s.log.WarnContext(ctx, "a step of a tick failed; trying again", "what", name, "error", err)
	}
}
