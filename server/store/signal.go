package store

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

const channel = "certctl_jobs"

// Signal wakes whoever waits for work, in this process and, on PostgreSQL, in every replica. It may be lost: a
// waiter polls as well.
type Signal struct {
	store  *Store
	notify chan struct{} // holds one: many signals at once are one NOTIFY
	done   chan struct{}
	wait   sync.WaitGroup

	mu      sync.Mutex
	waiters map[chan struct{}]struct{}
}

func newSignal(s *Store) *Signal {
	sig := &Signal{store: s, notify: make(chan struct{}, 1), done: make(chan struct{}), waiters: map[chan struct{}]struct{}{}}
	if !s.sqlite {
		sig.wait.Go(sig.notifyReplicas)
	}
	return sig
}

func (sig *Signal) stop() {
	close(sig.done)
	sig.wait.Wait()
}

// Subscribe returns a channel that holds at most one signal, and a function that ends the subscription.
func (sig *Signal) Subscribe() (<-chan struct{}, func()) {
	c := make(chan struct{}, 1)
	sig.mu.Lock()
	defer sig.mu.Unlock()
	sig.waiters[c] = struct{}{}
	return c, func() {
		sig.mu.Lock()
		defer sig.mu.Unlock()
		delete(sig.waiters, c)
	}
}

// Send wakes the local waiters at once and the other replicas soon.
func (sig *Signal) Send() {
	sig.wakeLocal()
	select {
	case sig.notify <- struct{}{}:
	default:
	}
}

func (sig *Signal) wakeLocal() {
	sig.mu.Lock()
	defer sig.mu.Unlock()
	for c := range sig.waiters {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

func (sig *Signal) notifyReplicas() {
	for {
		select {
		case <-sig.done:
			return
		case <-sig.notify:
		}
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		if err := sig.store.writer.WithContext(ctx).Exec("SELECT pg_notify(?, '')", channel).Error; err != nil {
			sig.store.log.WarnContext(ctx, "could not wake other replicas; they poll", "error", err)
		}
		cancel()
	}
}

// Listen passes on the signals of other replicas until ctx ends. On SQLite there are none.
func (sig *Signal) Listen(ctx context.Context) {
	if sig.store.sqlite {
		return
	}
	for ctx.Err() == nil {
		if err := sig.listenOnce(ctx); err != nil && ctx.Err() == nil {
			sig.store.log.WarnContext(ctx, "not listening for other replicas; workers poll", "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
		}
	}
}

func (sig *Signal) listenOnce(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, sig.store.url)
	if err != nil {
		return err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(closing) // the connection is being given up
	}()
	if _, err := conn.Exec(ctx, "LISTEN "+channel); err != nil {
		return err
	}
	sig.wakeLocal() // something may have been sent while nobody listened
	for {
		if _, err := conn.WaitForNotification(ctx); err != nil {
			return err
		}
		sig.wakeLocal()
	}
}
