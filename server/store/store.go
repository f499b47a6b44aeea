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

// Clock gives the time. Tests set it.
type Clock func() time.Time

// Options say which database to open and how.
type Options struct {
	URL   string // postgres://... ; empty for SQLite
	Path  string // the SQLite file
	Clock Clock  // time.Now unless given
	// DatabaseClock is PostgreSQL's clock; it is asked unless given. SQLite has the process's own.
	DatabaseClock Clock
	Logger        *slog.Logger     // slog.Default unless given
	Trace         func(sql string) // is told of every statement, BEGIN and COMMIT included; PostgreSQL only
}

// Store is an open database.
type Store struct {
	writer, reader *gorm.DB
	sqlite         bool
	url            string
	clock          Clock
	databaseClock  Clock // nil: the database is asked
	guard          guard
	log            *slog.Logger
	jobs           *Signal
}

// Open opens the database without touching its schema: see Migrate.
func Open(opts Options) (*Store, error) {
	s := &Store{url: opts.URL, clock: opts.Clock, databaseClock: opts.DatabaseClock, log: opts.Logger, sqlite: opts.URL == ""}
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
	s.jobs = newSignal(s)
	return s, nil
}

// Close closes every connection.
func (s *Store) Close() error {
	s.jobs.stop()
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

// IsSQLite says whether the database is the embedded one, which a single process owns.
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

// AfterCommit has f called once the transaction is committed, and never if it is not.
func (tx *Tx) AfterCommit(f func()) { tx.after = append(tx.after, f) }

// WakeWorkers tells every replica, after the commit, that a job may be due.
func (tx *Tx) WakeWorkers() { tx.AfterCommit(tx.store.jobs.Send) }

// Locking is a locking clause for the end of a SELECT; SQLite, where a writer is alone, knows none.
func (tx *Tx) Locking(clause string) string {
	if tx.store.sqlite {
		return ""
	}
	return " " + clause
}

// LockTimeout bounds how long a statement waits for another transaction. On SQLite the writers queue before they begin.
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

// kept is an error that does not undo what was written before it.
type kept struct{ error }

func (k kept) Unwrap() error { return k.error }

// Keep makes Write commit what was written and then return err: for a refusal that records something.
func Keep(err error) error { return kept{err} }

// A conflict between two writers is decided by running the loser again; three losses in a row are passed on.
const maxTries = 3

// Write runs f in one transaction and commits it. f may run up to three times, when the database found it in
// conflict with another writer, so it must have no effect outside tx. A panic or an error of f undoes all of
// it, but for an error made with Keep. Nothing is written while MayWrite refuses.
func (s *Store) Write(ctx context.Context, f func(*Tx) error) error {
	for try := 1; ; try++ {
		err := s.transact(ctx, s.writer, nil, func(tx *Tx) error {
			if err := s.checkWrite(tx); err != nil {
				return err
			}
			return f(tx)
		})
		if err == nil || try == maxTries || !conflicts(err) {
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
	return s.transact(ctx, s.reader, &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead}, f)
}

// IsKept says whether err was made with Keep: what was written before it stays.
func IsKept(err error) bool {
	var keep kept
	return errors.As(err, &keep)
}

// begin begins a transaction. After the database was away the pool is full of connections that are dead without
// knowing it; nothing has happened yet, so each of them is tried and dropped until one lives.
func begin(ctx context.Context, db *gorm.DB, opts *sql.TxOptions) (*gorm.DB, error) {
	for try := 0; ; try++ {
		begun := db.WithContext(ctx).Begin(opts)
		var unreachable *pgconn.ConnectError
		if begun.Error == nil || try == maxConnections || errors.As(begun.Error, &unreachable) || !lostConnection(begun.Error) {
			return begun, begun.Error
		}
	}
}

func (s *Store) transact(ctx context.Context, db *gorm.DB, opts *sql.TxOptions, f func(*Tx) error) error {
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
	var keep kept
	if err != nil && !errors.As(err, &keep) {
		return classify(err)
	}
	if cerr := begun.Commit().Error; cerr != nil {
		return classify(fmt.Errorf("commit: %w", cerr))
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
