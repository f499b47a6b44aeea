package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/pressly/goose/v3/lock"
)

const (
	lockPause = 200 * time.Millisecond
	// lockWithin is how long a replica waits for the replica that migrates.
	lockWithin = 10 * time.Minute
)

// migrationLock lets one process migrate at a time. A transaction holds the lock, so that it also works through a pooler. It
// is the lock that goose takes for a session, so it also excludes an older program.
type migrationLock struct{ tx *sql.Tx }

// Lock implements lock.Locker. It waits without an open transaction, so no statement of the migration waits for it.
func (l *migrationLock) Lock(ctx context.Context, db *sql.DB) error {
	ctx, cancel := context.WithTimeoutCause(ctx, lockWithin, errors.New("another process migrates for too long"))
	defer cancel()
	for {
		locked, err := l.try(context.WithoutCancel(ctx), db)
		if err != nil || locked {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("lock the schema: %w", context.Cause(ctx))
		case <-time.After(lockPause):
		}
	}
}

func (l *migrationLock) try(ctx context.Context, db *sql.DB) (locked bool, err error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return false, err
	}
	_, err = tx.ExecContext(ctx, "SET LOCAL idle_in_transaction_session_timeout = 0") // it is idle while another connection migrates
	if err == nil {
		err = tx.QueryRowContext(ctx, "SELECT pg_try_advisory_xact_lock($1)", lock.DefaultLockID).Scan(&locked)
	}
	if err != nil || !locked {
		return false, errors.Join(err, tx.Rollback())
	}
	l.tx = tx
	return true, nil
}

// Unlock implements lock.Locker.
func (l *migrationLock) Unlock(context.Context, *sql.DB) error { return l.tx.Rollback() }
