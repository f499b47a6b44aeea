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
)

const (
	// A poll covers a wake-up that was lost; what is due later has a timer of its own.
	pollEvery = 5 * time.Second
	// The database did not answer.
	askAgain = time.Second
	// A job that is due and could not be claimed is in another's hands, who will be done with it at once.
	soonest = 20 * time.Millisecond
	// One claim, or what a worker began, is finished also while the server stops: this long for each write.
	finishWithin = 10 * time.Second
	// An issuer that takes longer has failed.
	signWithin = time.Minute
	// Enabling a profile wakes its jobs; this covers a job that a worker held at that moment.
	disabledRetry = time.Minute
)

// Work issues what is due, so many at once as there are workers, until ctx ends, and returns when each job in hand
// has ended or was given back.
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
				s.inHand(ctx, claim)
			})
			continue
		}
		<-busy
		if err != nil {
			s.Log.WarnContext(ctx, "could not claim a job; trying again", "error", err)
		}
		idle(ctx, woken, s.untilDue(ctx, err))
	}
}

// claim is not broken off when the server stops: the job would lie until its lease ran out.
func (s *Service) claim(ctx context.Context) (c job.Claim, found bool, err error) {
	err = finishing(ctx, func(ctx context.Context) (err error) {
		c, found, err = s.Queue.Claim(ctx)
		return err
	})
	return c, found, err
}

// untilDue is how long there is nothing to do unless someone says so.
func (s *Service) untilDue(ctx context.Context, failed error) time.Duration {
	if failed != nil {
		return askAgain
	}
	due, found, err := s.Queue.NextDue(ctx)
	switch {
	case err != nil:
		return askAgain
	case !found:
		return pollEvery
	}
	return min(max(due, soonest), pollEvery)
}

func idle(ctx context.Context, woken <-chan struct{}, atMost time.Duration) {
	timer := time.NewTimer(atMost)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-woken:
	case <-timer.C:
	}
}

// inHand works on a claimed job and keeps its lease meanwhile. The job has a context of its own: stopping the server
// takes no job out of its worker's hands.
func (s *Service) inHand(ctx context.Context, c job.Claim) {
	working, done := context.WithCancelCause(context.WithoutCancel(ctx))
	var beating sync.WaitGroup
	beating.Go(func() { s.keepAlive(working, done, c) })
	defer beating.Wait()
	defer done(nil)
	s.work(working, c)
}

// keepAlive prolongs the lease; when it is lost, the work ends. A worker that is stuck loses it in the end, so that
// another one can go on.
func (s *Service) keepAlive(ctx context.Context, stop context.CancelCauseFunc, c job.Claim) {
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

// work takes a job through the gate to the issuer, stores what comes back, and sees to what became of it.
func (s *Service) work(ctx context.Context, c job.Claim) {
	log := s.Log.With("job_id", c.ID, "certificate_id", c.CertificateID)
	cause := s.issue(ctx, c)
	if cause == nil {
		s.Metrics.issued(c.ProfileID, "issued")
		log.InfoContext(ctx, "certificate issued")
		return
	}
	var refused *gate.RefusedError
	if errors.As(cause, &refused) {
		s.Metrics.issued(c.ProfileID, "refused")
		log.WarnContext(ctx, "issuance refused", "reason", refused.Reason)
		return
	}
	// Whoever lost the lease has nothing to say about the job any more.
	lost := errors.Is(cause, job.ErrLost) || errors.Is(context.Cause(ctx), job.ErrLost)
	var err error
	if !lost {
		level := slog.LevelWarn
		if errors.Is(cause, gate.ErrProfileDisabled) {
			level = slog.LevelDebug // it may be disabled for weeks
		}
		log.Log(ctx, level, "issuance did not succeed", "error", cause)
		err = finishing(ctx, func(ctx context.Context) error { return s.handBack(ctx, c, cause) })
		lost = errors.Is(err, job.ErrLost)
	}
	switch {
	case lost:
		log.WarnContext(ctx, "another worker has this job")
	case err != nil:
		log.WarnContext(ctx, "could not give the job back; its lease will run out", "error", err)
	}
}

// handBack counts an attempt if it was the issuer's fault; otherwise the job is tried again as if nothing had been.
func (s *Service) handBack(ctx context.Context, c job.Claim, cause error) error {
	var issuer *issuerError
	if errors.As(cause, &issuer) {
		return s.fail(ctx, c, issuer)
	}
	if errors.Is(cause, gate.ErrProfileDisabled) {
		return s.Queue.Postpone(ctx, c, disabledRetry, cause.Error())
	}
	return s.Queue.GiveBack(ctx, c, c.RetryDelay())
}

// issue signs and stores. A panic is an error like another: it must not take the server down with it, nor come back
// with every restart.
func (s *Service) issue(ctx context.Context, c job.Claim) (err error) {
	defer s.recoverAs(ctx, &err, "job_id", c.ID)
	chain, err := s.sign(ctx, c)
	if err != nil {
		return err
	}
	return finishing(ctx, func(ctx context.Context) error { return s.finish(ctx, c, chain) })
}

// recoverAs, when deferred, logs a panic with the object that caused it and returns it as an error.
func (s *Service) recoverAs(ctx context.Context, err *error, kind, id string) {
	if failure := recover(); failure != nil {
		s.Log.ErrorContext(ctx, "panic", "panic", failure, "stack", string(debug.Stack()), kind, id)
		*err = fmt.Errorf("panic: %v", failure)
	}
}

// finishing runs f to its end, whatever has ended meanwhile, but not for ever.
func finishing(ctx context.Context, f func(context.Context) error) error {
	return within(context.WithoutCancel(ctx), finishWithin, f)
}

func within(ctx context.Context, d time.Duration, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	return f(ctx)
}
