package store

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"gorm.io/gorm"
)

// Query runs f, which makes one SELECT, without a transaction around it: one statement sees one snapshot by itself, and
// saves the round trips of BEGIN and COMMIT. A second statement, and one that is no SELECT, fails. f may run again when a
// connection was lost or a table has changed, so it must have no effect outside tx.
//
// Through a pooler there is a transaction around it, which sets the time limits.
func (s *Store) Query(ctx context.Context, f func(*Tx) error) error {
	if s.pooled {
		return s.Read(ctx, func(tx *Tx) error { return f(s.forOneSelect(ctx, tx.DB.Statement.ConnPool)) })
	}
	pool, err := s.reader.DB()
	if err != nil {
		return err
	}
	for try := 0; ; try++ {
		err := s.queryOnce(ctx, pool, f)
		if hasStalePlan(err) && try < maxConnections {
			closeIdle(pool)
			continue
		}
		var unreachable *pgconn.ConnectError
		if err == nil || try == maxConnections || errors.As(err, &unreachable) || !isConnectionLost(err) || ctx.Err() != nil {
			return asUnavailable(err)
		}
	}
}

// closeIdle closes the connections that are not in use, because their prepared statements are stale.
func closeIdle(pool *sql.DB) {
	pool.SetMaxIdleConns(0)
	pool.SetMaxIdleConns(maxConnections)
}

func (s *Store) queryOnce(ctx context.Context, pool *sql.DB, f func(*Tx) error) error {
	if err := s.reading.take(ctx); err != nil {
		return err
	}
	defer s.reading.release()
	conn, err := pool.Conn(ctx)
	if err != nil {
		return &UnavailableError{err}
	}
	defer conn.Close() //nolint:errcheck // goes back to the pool, or is lost already
	return f(s.forOneSelect(ctx, conn))
}

// forOneSelect returns a Tx that runs a single SELECT on a connection.
func (s *Store) forOneSelect(ctx context.Context, conn gorm.ConnPool) *Tx {
	db := s.reader.Session(&gorm.Session{Context: ctx, NewDB: true})
	db.Statement.ConnPool = &oneSelect{ConnPool: conn}
	return &Tx{DB: db, Now: s.Now(), store: s}
}

// oneSelect passes a single SELECT on.
type oneSelect struct {
	gorm.ConnPool
	ran bool
}

var (
	errSecondStatement = errors.New("a second statement in Query: use Read")
	errNoSelect        = errors.New("a statement in Query that is no SELECT: use Read or Write")
)

func (o *oneSelect) admit(query string) error {
	if !strings.HasPrefix(query, "SELECT ") {
		return errNoSelect
	}
	if o.ran {
		return errSecondStatement
	}
	o.ran = true
	return nil
}

// QueryContext implements gorm.ConnPool.
func (o *oneSelect) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if err := o.admit(query); err != nil {
		return nil, err
	}
	return o.ConnPool.QueryContext(ctx, query, args...)
}

// QueryRowContext implements gorm.ConnPool. A sql.Row cannot carry an error of ours, so the database gets a text that it
// refuses.
func (o *oneSelect) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	if err := o.admit(query); err != nil {
		return o.ConnPool.QueryRowContext(ctx, "refused in Query")
	}
	return o.ConnPool.QueryRowContext(ctx, query, args...)
}

// ExecContext implements gorm.ConnPool.
func (*oneSelect) ExecContext(context.Context, string, ...any) (sql.Result, error) {
	return nil, errNoSelect
}

// PrepareContext implements gorm.ConnPool.
func (*oneSelect) PrepareContext(context.Context, string) (*sql.Stmt, error) {
	return nil, errNoSelect
}
