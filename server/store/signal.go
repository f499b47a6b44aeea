package store

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	jobsChannel     = "certctl_jobs"
	messagesChannel = "certctl_outbox"
	// idleTimeout is how long a connection that listens may be silent before it is checked.
	idleTimeout = time.Minute
	// answerTimeout bounds a notification, a new connection and a check.
	answerTimeout = 5 * time.Second
)

// Signal wakes the workers of this process and, on PostgreSQL, of every replica. A signal may be lost, so workers poll as
// well.
type Signal struct {
	store   *Store
	channel string        // of PostgreSQL
	id      string        // of this process: it ignores its own notifications
	notify  chan struct{} // of size one: many signals at once are one NOTIFY
	done    chan struct{}
	wait    sync.WaitGroup

	mu      sync.Mutex
	waiters map[chan struct{}]struct{}
}

func newSignal(s *Store, channel string) *Signal {
	sig := &Signal{
		store: s, channel: channel, id: NewID(""), notify: make(chan struct{}, 1), done: make(chan struct{}),
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

// Send wakes the workers of this process at once, and those of the other replicas soon.
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

// notifyReplicas ends with the process. It sends the last signal before: the other replicas go on with what this process
// leaves.
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
	ctx, cancel := context.WithTimeout(context.Background(), answerTimeout)
	defer cancel()
	if err := sig.store.writer.WithContext(ctx).Exec("SELECT pg_notify(?, ?)", sig.channel, sig.id).Error; err != nil {
		sig.store.log.WarnContext(ctx, "could not wake other replicas; they poll", "error", err)
	}
}

// Listen passes on the signals of other replicas until ctx ends. On SQLite there are none. Through a pooler nobody can listen.
func (sig *Signal) Listen(ctx context.Context) {
	if sig.store.sqlite {
		return
	}
	if sig.store.pooled {
		sig.store.log.InfoContext(ctx, "not listening for other replicas, because a pooler passes no signals on; workers poll")
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
		config.ConnectTimeout = answerTimeout
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
	if _, err := conn.Exec(ctx, "LISTEN "+sig.channel); err != nil {
		return err
	}
	sig.wakeLocal() // something may have been sent while nobody listened
	for {
		n, err := waitForNotification(ctx, conn)
		if err != nil {
			return err
		}
		if n != nil && n.Payload != sig.id {
			sig.wakeLocal()
		}
	}
}

// waitForNotification returns the next notification, or nil if there was none for a while and the connection is alive.
func waitForNotification(ctx context.Context, conn *pgx.Conn) (*pgconn.Notification, error) {
	waiting, cancel := context.WithTimeout(ctx, idleTimeout)
	defer cancel()
	n, err := conn.WaitForNotification(waiting)
	if err == nil || ctx.Err() != nil || conn.IsClosed() {
		return n, err
	}
	asking, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	return nil, conn.Ping(asking)
}
