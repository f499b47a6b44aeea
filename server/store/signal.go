package store

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	channel = "certctl_jobs"
	// A connection that has heard nothing for this long may be dead without knowing it.
	quiet = time.Minute
	// What is asked on the side gets an answer within this time or none.
	patience = 5 * time.Second
)

// Signal wakes whoever waits for work, in this process and, on PostgreSQL, in every replica. It may be lost: a
// waiter polls as well.
type Signal struct {
	store  *Store
	id     string        // tells this process's own notifications, which it need not hear again
	notify chan struct{} // holds one: many signals at once are one NOTIFY
	done   chan struct{}
	wait   sync.WaitGroup

	mu      sync.Mutex
	waiters map[chan struct{}]struct{}
}

func newSignal(s *Store) *Signal {
	sig := &Signal{
		store: s, id: NewID(""), notify: make(chan struct{}, 1), done: make(chan struct{}),
		waiters: map[chan struct{}]struct{}{},
	}
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

// notifyReplicas ends with the process, but not before it has said what there is to say: the others go on with what
// this process leaves.
func (sig *Signal) notifyReplicas() {
	for {
		select {
		case <-sig.notify:
			sig.notifyOnce()
		case <-sig.done:
			if len(sig.notify) > 0 {
				sig.notifyOnce()
			}
			return
		}
	}
}

func (sig *Signal) notifyOnce() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := sig.store.writer.WithContext(ctx).Exec("SELECT pg_notify(?, ?)", channel, sig.id).Error; err != nil {
		sig.store.log.WarnContext(ctx, "could not wake other replicas; they poll", "error", err)
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
	config, err := pgx.ParseConfig(sig.store.url)
	if err != nil {
		return err
	}
	setDefault(config.RuntimeParams, "application_name", "certctl")
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = patience
	}
	conn, err := pgx.ConnectConfig(ctx, config)
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
		n, err := notification(ctx, conn)
		if err != nil {
			return err
		}
		if n != nil && n.Payload != sig.id {
			sig.wakeLocal()
		}
	}
}

// notification waits for one; nil when there was none for a while and the connection is alive.
func notification(ctx context.Context, conn *pgx.Conn) (*pgconn.Notification, error) {
	waiting, cancel := context.WithTimeout(ctx, quiet)
	defer cancel()
	n, err := conn.WaitForNotification(waiting)
	if err == nil || ctx.Err() != nil || conn.IsClosed() {
		return n, err
	}
	asking, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return nil, conn.Ping(asking)
}
