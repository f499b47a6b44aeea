package issuance

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/certctl/terraform-provider-certctl/server/gate"
	"github.com/certctl/terraform-provider-certctl/server/job"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

const (
	// writeWithin bounds each write that is finished while the server stops.
	writeWithin = 10 * time.Second
	// signWithin bounds a signature: a slower issuer has failed.
	signWithin = time.Minute
	// disabledRetry covers a job that a worker held while its profile was enabled. Enabling makes all others due.
	disabledRetry = time.Minute
)

// Work issues what is due until ctx ends. It runs at most workers jobs at once, and returns when every claimed job has
// ended or was returned to the queue.
func (s *Service) Work(ctx context.Context, workers int) {
	woken, unsubscribe := s.Store.Jobs().Subscribe()
	defer unsubscribe()
	var running sync.WaitGroup
	defer running.Wait()
	busy := make(chan struct{}, workers)
	for {
		select {
		case <-ctx.Done():
			return
		case busy <- struct{}{}:
		}
		if ctx.Err() != nil {
			return // select chooses either when both are ready
		}
		claim, found, err := s.claim(ctx)
		if found {
			running.Go(func() {
				defer func() { <-busy }()
				s.run(ctx, claim)
			})
			continue
		}
		<-busy
		if err != nil {
			s.Log.WarnContext(ctx, "could not claim a job; trying again", "error", err)
		}
		store.WaitUntilDue(ctx, woken, err, s.Queue.NextDue)
	}
}

// claim also finishes while the server stops: otherwise the job would wait until its lease expires.
func (s *Service) claim(ctx context.Context) (c job.Claim, found bool, err error) {
	err = uninterruptible(ctx, func(ctx context.Context) (err error) {
		c, found, err = s.Queue.Claim(ctx)
		return err
	})
	return c, found, err
}

// run works on a claimed job and extends its lease meanwhile. The job has a context of its own: stopping the server does
// not cancel it.
func (s *Service) run(ctx context.Context, c job.Claim) {
	working, done := context.WithCancelCause(context.WithoutCancel(ctx))
	var beating sync.WaitGroup
	beating.Go(func() { s.extendLease(working, done, c) })
	defer beating.Wait()
	defer done(nil)
	s.work(working, c)
}

// extendLease extends the lease until ctx ends. If the lease is lost, it stops the work. If the work takes too long, it
// lets the lease expire, so that another worker can take the job.
func (s *Service) extendLease(ctx context.Context, stop context.CancelCauseFunc, c job.Claim) {
	beat := time.NewTicker(job.Lease / 3)
	defer beat.Stop()
	stuck := time.NewTimer(signWithin + job.Lease)
	defer stuck.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-stuck.C:
			return
		case <-beat.C:
			err := within(ctx, job.Lease/3, func(ctx context.Context) error { return s.Queue.Heartbeat(ctx, c) })
			if errors.Is(err, job.ErrLost) {
				stop(err)
				return
			}
		}
	}
}

// work issues the certificate of a job and reports the result: in the log, in the metrics and to the queue.
func (s *Service) work(ctx context.Context, c job.Claim) {
	log := s.Log.With("job_id", c.ID, "certificate_id", c.CertificateID)
	cause := s.issue(ctx, c)
	if cause == nil {
		s.Metrics.count(c.ProfileID, "issued")
		log.InfoContext(ctx, "certificate issued")
		return
	}
	var refused *gate.RefusedError
	if errors.As(cause, &refused) {
		s.Metrics.count(c.ProfileID, "refused")
		log.WarnContext(ctx, "issuance refused", "reason", refused.Reason)
		return
	}
	// A worker that lost the lease must not touch the job.
	lost := errors.Is(cause, job.ErrLost) || errors.Is(context.Cause(ctx), job.ErrLost)
	var err error
	if !lost {
		level := slog.LevelWarn
		if errors.Is(cause, gate.ErrProfileDisabled) {
			level = slog.LevelDebug // it may be disabled for weeks
		}
		log.Log(ctx, level, "issuance did not succeed", "error", cause)
		err = uninterruptible(ctx, func(ctx context.Context) error { return s.giveUp(ctx, c, cause) })
		lost = errors.Is(err, job.ErrLost)
	}
	switch {
	case lost:
		log.WarnContext(ctx, "another worker has this job")
	case err != nil:
		log.WarnContext(ctx, "could not return the job to the queue; its lease will expire", "error", err)
	}
}

// giveUp returns a job to the queue. An error of the issuer counts as an attempt; any other error does not.
func (s *Service) giveUp(ctx context.Context, c job.Claim, cause error) error {
	var issuer *issuerError
	if errors.As(cause, &issuer) {
		return s.fail(ctx, c, issuer)
	}
	if errors.Is(cause, gate.ErrProfileDisabled) {
		return s.Queue.Postpone(ctx, c, disabledRetry, cause.Error())
	}
	return s.Queue.GiveBack(ctx, c, c.RetryDelay())
}

// issue signs and stores. A panic becomes an error: it must not stop the server, nor repeat at every restart.
func (s *Service) issue(ctx context.Context, c job.Claim) (err error) {
	defer s.recoverAs(ctx, &err, "job_id", c.ID)
	signed, err := s.sign(ctx, c)
	if err != nil {
		return err
	}
	return uninterruptible(ctx, func(ctx context.Context) error { return s.complete(ctx, c, signed) })
}

// recoverAs, when deferred, logs a panic with the object that caused it and returns it as an error.
func (s *Service) recoverAs(ctx context.Context, err *error, kind, id string) {
	if failure := recover(); failure != nil {
		s.Log.ErrorContext(ctx, "panic", "panic", failure, "stack", string(debug.Stack()), kind, id)
		*err = fmt.Errorf("panic: %v", failure)
	}
}

// uninterruptible runs f with a context that outlives ctx, for at most writeWithin.
func uninterruptible(ctx context.Context, f func(context.Context) error) error {
	return within(context.WithoutCancel(ctx), writeWithin, f)
}

func within(ctx context.Context, d time.Duration, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	return f(ctx)
}
