package notify

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/certctl/terraform-provider-certctl/server/outbox"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

const (
	// writeWithin bounds each write that is finished while the server stops.
	writeWithin = 10 * time.Second
	// maxPause bounds the pause after a receiver failed. Each message has its own back-off; the pause keeps a worker from
	// trying all that wait on a receiver that is down.
	maxPause = 30 * time.Second
)

// Run registers the receivers and delivers messages until ctx ends.
func (n *Notifier) Run(ctx context.Context) {
	if len(n.targets) == 0 {
		return
	}
	var running sync.WaitGroup
	running.Go(func() { n.keepRegistered(ctx) })
	running.Go(func() { n.store.Messages().Listen(ctx) })
	for _, t := range n.targets {
		running.Go(func() { n.deliverAll(ctx, t) })
	}
	running.Wait()
}

// registerEvery is how often the receivers are registered.
const registerEvery = time.Minute

// Register registers the receivers. Messages are written for them from then on.
func (n *Notifier) Register(ctx context.Context) error {
	return outbox.Register(ctx, n.store, n.names())
}

// keepRegistered says again and again that this process delivers to the receivers, until ctx ends.
func (n *Notifier) keepRegistered(ctx context.Context) {
	for ctx.Err() == nil {
		wait := registerEvery
		if err := n.Register(ctx); err != nil && ctx.Err() == nil {
			n.log.WarnContext(ctx, "could not register the receivers of messages; trying again", "error", err)
			wait = store.RetryAfter
		}
		store.Sleep(ctx, nil, wait)
	}
}

// deliverAll delivers the messages of one receiver, one after the other.
func (n *Notifier) deliverAll(ctx context.Context, t target) {
	woken, unsubscribe := n.store.Messages().Subscribe()
	defer unsubscribe()
	var pause time.Duration
	for ctx.Err() == nil {
		row, found, err := n.outbox.Claim(ctx, t.name)
		if found {
			pause = nextPause(pause, n.deliver(ctx, t, row))
			store.Sleep(ctx, nil, pause)
			continue
		}
		if err != nil && ctx.Err() == nil {
			n.log.WarnContext(ctx, "could not claim a message; trying again", "receiver", t.name, "error", err)
		}
		store.WaitUntilDue(ctx, woken, err, func(ctx context.Context) (time.Duration, bool, error) { return n.outbox.NextDue(ctx, t.name) })
	}
}

// nextPause returns the pause after a delivery: none after a success, and twice the last one after a failure.
func nextPause(last time.Duration, err error) time.Duration {
	if err == nil {
		return 0
	}
	return min(max(2*last, time.Second), maxPause)
}

// deliver delivers a claimed message and stores the result. It returns the error of the receiver: none for a message that
// cannot be written, which must not delay those behind it. While the server stops, a delivery that has begun has a moment to
// end.
func (n *Notifier) deliver(ctx context.Context, t target, row outbox.Row) error {
	stopping := ctx
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sendWithin+writeWithin)
	defer cancel()
	gathered, err := n.outbox.Gather(ctx, row)
	if err != nil {
		n.log.WarnContext(ctx, "could not gather messages; trying again", "receiver", t.name, "error", err)
		return err // the lease runs out
	}
	if gathered.Postponed {
		return nil
	}
	sending, cancel := sendContext(ctx, stopping)
	defer cancel()
	failure := n.try(sending, t, row, gathered.Count)
	if err := n.report(ctx, t, row, failure); err != nil {
		n.log.WarnContext(ctx, "could not store the result of a delivery; the message is delivered again", "receiver", t.name, "message_id", row.ID, "error", err)
	}
	var unwritten *writeError
	if errors.Is(failure, errOver) || errors.As(failure, &unwritten) {
		return nil
	}
	return failure
}

// try writes the message and sends it. A panic becomes an error: it must not stop the server, nor repeat at every restart.
func (n *Notifier) try(ctx context.Context, t target, row outbox.Row, count int64) (err error) {
	defer func() {
		if failure := recover(); failure != nil {
			n.log.ErrorContext(ctx, "panic", "message_id", row.ID, "receiver", t.name, "stack", string(debug.Stack()))
			err = errors.New("panic")
		}
	}()
	var m message
	err = n.store.Read(ctx, func(tx *store.Tx) (err error) {
		m, err = n.writer.write(tx, row, count)
		return err
	})
	if err != nil {
		return &writeError{err}
	}
	return t.send(ctx, m)
}

// stopGrace is how long a delivery may go on after the server is told to stop. The message is delivered again.
const stopGrace = 2 * time.Second

// sendContext returns the context of a delivery, which ends soon after stopping ends.
func sendContext(ctx, stopping context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, sendWithin)
	stop := context.AfterFunc(stopping, func() { time.AfterFunc(stopGrace, cancel) })
	return ctx, func() {
		stop()
		cancel()
	}
}

// writeError says that a message could not be written. Its receiver did not fail.
type writeError struct{ err error }

func (e *writeError) Error() string {
	return fmt.Sprintf("the message could not be written: %v", e.err)
}

func (e *writeError) Unwrap() error { return e.err }

// report stores the result of a delivery, counts it and logs a failure.
func (n *Notifier) report(ctx context.Context, t target, row outbox.Row, failure error) error {
	var unwritten *writeError
	switch {
	case failure == nil:
		n.metrics.count(t, "delivered")
		return n.outbox.End(ctx, row, outbox.Delivered)
	case errors.Is(failure, errOver):
		n.metrics.count(t, "dropped")
		return n.outbox.End(ctx, row, outbox.Dropped)
	case errors.As(failure, &unwritten):
		final, err := n.outbox.Retry(ctx, row, "the message could not be written")
		n.metrics.count(t, "failed")
		n.log.ErrorContext(ctx, "a message could not be written", "message_id", row.ID, "type", row.Type, "about", row.About, "final", final, "error", unwritten.err)
		return err
	}
	reason := describe(failure)
	final, err := n.outbox.Retry(ctx, row, reason)
	n.metrics.count(t, "failed")
	log := n.log.With("receiver", t.name, "message_id", row.ID, "type", row.Type, "about", row.About, "attempt", row.Attempt+1, "reason", reason)
	if final {
		log.ErrorContext(ctx, "a message was not delivered within a day: see certctl notify failed")
	} else {
		log.WarnContext(ctx, "a message was not delivered; trying again")
	}
	return err
}
