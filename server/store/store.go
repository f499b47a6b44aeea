package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"gorm.io/gorm"
)

// Clock returns the time. Tests set it.
type Clock func() time.Time

// Options say which database to open and how.
type Options struct {
	URL  string // postgres://... ; empty for SQLite
	Path string // the SQLite file
	// Pooled says that the URL leads to a pooler in transaction mode, such as PgBouncer.
	Pooled bool
	Clock  Clock // time.Now unless given
	// DatabaseClock replaces PostgreSQL's clock in tests. SQLite has the process's own.
	DatabaseClock Clock
	Logger        *slog.Logger     // slog.Default unless given
	Trace         func(sql string) // is called with every statement, BEGIN and COMMIT included; PostgreSQL only
}

// Store is an open database.
type Store struct {
	writer, reader *gorm.DB
	sqlite, pooled bool
	url, path      string
	clock          Clock
	databaseClock  Clock // nil: the database is asked
	guard          *guard
	log            *slog.Logger
	jobs, messages *Signal
	writing        turns // nil: no limit
	reading        turns
}

// Open opens the database without touching its schema: see Migrate.
func Open(opts Options) (*Store, error) {
	s := &Store{
		url: opts.URL, path: opts.Path, clock: opts.Clock, databaseClock: opts.DatabaseClock, log: opts.Logger,
		sqlite: opts.URL == "", pooled: opts.Pooled, guard: &guard{},
	}
	if s.clock == nil {
		s.clock = time.Now
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	var err error
	switch {
	case s.sqlite:
		err = s.openSQLite(opts.Path)
	case strings.HasPrefix(opts.URL, "postgres://"), strings.HasPrefix(opts.URL, "postgresql://"):
		err = s.openPostgres(opts)
	default:
		err = errors.New("the database URL must begin with postgres://")
	}
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	s.jobs, s.messages = newSignal(s, jobsChannel), newSignal(s, messagesChannel)
	return s, nil
}

// Close closes every connection.
func (s *Store) Close() error {
	s.jobs.stop()
	s.messages.stop()
	return errors.Join(closePool(s.writer), closePool(s.reader))
}

func closePool(db *gorm.DB) error {
	pool, err := db.DB()
	if err != nil {
		return err
	}
	return pool.Close()
}

// Now is the time as it is stored: UTC, whole microseconds.
func (s *Store) Now() time.Time { return s.clock().UTC().Truncate(time.Microsecond) }

// Jobs is the signal that a job may be due.
func (s *Store) Jobs() *Signal { return s.jobs }

// Messages is the signal that a message may be due.
func (s *Store) Messages() *Signal { return s.messages }

// IsSQLite says whether the database is SQLite, which a single process owns.
func (s *Store) IsSQLite() bool { return s.sqlite }

// Tx is a running transaction.
type Tx struct {
	// DB runs statements inside the transaction.
	DB *gorm.DB
	// Now is the one time of the whole transaction: UTC, whole microseconds.
	Now time.Time

	store  *Store
	after  []func()
	sorted int // how many sorted ids were made
}

// Context is the context that the transaction runs under.
func (tx *Tx) Context() context.Context { return tx.DB.Statement.Context }

// AfterCommit calls f after the commit. If the transaction is rolled back, f is not called.
func (tx *Tx) AfterCommit(f func()) { tx.after = append(tx.after, f) }

// WakeWorkers tells every replica, after the commit, that a job may be due.
func (tx *Tx) WakeWorkers() { tx.AfterCommit(tx.store.jobs.Send) }

// WakeMessengers tells every replica, after the commit, that a message may be due.
func (tx *Tx) WakeMessengers() { tx.AfterCommit(tx.store.messages.Send) }

// Locking returns a locking clause for the end of a SELECT. On SQLite it is empty: a writer is alone.
func (tx *Tx) Locking(clause string) string {
	if tx.store.sqlite {
		return ""
	}
	return " " + clause
}

// HasElement returns a condition with one parameter: an array of texts, which is a member of a JSON column, has that text.
// Both names are constants of the caller.
func (tx *Tx) HasElement(column, member string) string {
	if tx.store.sqlite {
		return fmt.Sprintf("EXISTS (SELECT 1 FROM json_each(%s, '$.%s') WHERE value = ?)", column, member)
	}
	return fmt.Sprintf("%s::jsonb -> '%s' @> to_jsonb(?::text)", column, member)
}

// LockTimeout bounds how long a statement waits for another transaction. On SQLite it does nothing: writers wait before
// they begin.
func (tx *Tx) LockTimeout(d time.Duration) error {
	if tx.store.sqlite {
		return nil
	}
	return tx.DB.Exec(fmt.Sprintf("SET LOCAL lock_timeout = %d", d.Milliseconds())).Error
}

// Find scans the first row of a query into dest and reports whether there was one.
func (tx *Tx) Find(dest any, query string, args ...any) (bool, error) {
	result := tx.DB.Raw(query, args...).Scan(dest)
	return result.RowsAffected > 0, result.Error
}

// Guarded runs an UPDATE ... WHERE <the state it expects> ... RETURNING * and scans the new row into dest. It reports
// whether the guard held: no row, no change. It is for callers to whom both are an answer; the others use Must.
func (tx *Tx) Guarded(dest any, update string, args ...any) (bool, error) {
	return tx.Find(dest, update, args...)
}

// ErrNoRow is the error of Must when there was no row.
var ErrNoRow = errors.New("no row was found or changed")

// Must scans the first row of a statement into dest. If there is none, it returns ErrNoRow. A statement that changes
// rows ends with RETURNING *.
func (tx *Tx) Must(dest any, statement string, args ...any) error {
	found, err := tx.Find(dest, statement, args...)
	if err == nil && !found {
		err = ErrNoRow
	}
	return err
}

// keepError is an error that does not undo what was written before it.
type keepError struct{ error }

func (k keepError) Unwrap() error { return k.error }

// Keep makes Write commit what was written, and then return err. It is for a refusal that records something.
func Keep(err error) error { return keepError{err} }

// maxTries is how often Write runs a transaction that is in conflict with another one.
const maxTries = 3

// Write runs f in one transaction and commits it. f may run up to three times, if it is in conflict with another
// writer, so it must have no effect outside tx. A panic or an error of f undoes everything, except an error made with
// Keep. While MayWrite refuses, Write refuses.
func (s *Store) Write(ctx context.Context, f func(*Tx) error) error {
	for try := 1; ; try++ {
		err := s.transact(ctx, s.writer, s.writing, nil, func(tx *Tx) error {
			if err := s.checkWrite(tx); err != nil {
				return err
			}
			return f(tx)
		})
		if err == nil || try == maxTries || !isConflict(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(time.Duration(rand.Int64N(int64(try) * int64(10*time.Millisecond)))): //nolint:gosec // jitter, not a secret
		}
	}
}

// Read runs f on one snapshot of the database. It cannot write.
func (s *Store) Read(ctx context.Context, f func(*Tx) error) error {
	return s.transact(ctx, s.reader, s.reading, &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead}, f)
}

// IsKept says whether err was made with Keep.
func IsKept(err error) bool {
	var keep keepError
	return errors.As(err, &keep)
}

// begin begins a transaction. After an outage the pool is full of dead connections. Nothing was sent yet, so begin tries
// and drops each of them until one works.
func begin(ctx context.Context, db *gorm.DB, opts *sql.TxOptions) (*gorm.DB, error) {
	for try := 0; ; try++ {
		begun := db.WithContext(ctx).Begin(opts)
		var unreachable *pgconn.ConnectError
		if begun.Error == nil || try == maxConnections || errors.As(begun.Error, &unreachable) || !isConnectionLost(begun.Error) {
			return begun, begun.Error
		}
	}
}

func (s *Store) transact(ctx context.Context, db *gorm.DB, limit turns, opts *sql.TxOptions, f func(*Tx) error) error {
	if err := limit.take(ctx); err != nil {
		return err
	}
	defer limit.release()
	begun, err := begin(ctx, db, opts)
	if err != nil {
		return &UnavailableError{err}
	}
	tx := &Tx{DB: begun, Now: s.Now(), store: s}
	committed := false
	defer func() {
		if !committed {
			begun.Rollback()
		}
	}()
	err = f(tx)
	if hasStalePlan(err) {
		begun.Rollback()
		if pool, poolErr := db.DB(); poolErr == nil {
			closeIdle(pool)
		}
	}
	var keep keepError
	if err != nil && !errors.As(err, &keep) {
		return asUnavailable(err)
	}
	if cerr := begun.Commit().Error; cerr != nil {
		return asUnavailable(fmt.Errorf("commit: %w", cerr))
	}
	committed = true
	for _, after := range tx.after {
		after()
	}
	if keep.error != nil {
		return keep.error
	}
	return nil
}
