package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/stdlib"
	gormpostgres "gorm.io/driver/postgres"
	gormsqlite "gorm.io/driver/sqlite"
	"gorm.io/gorm"
	gormlogger "gorm.io/gorm/logger"
	sqlite3 "modernc.org/sqlite/lib"
)

const maxConnections = 20

func (s *Store) gormConfig() *gorm.Config {
	return &gorm.Config{
		NowFunc:                s.Now,
		TranslateError:         true,
		SkipDefaultTransaction: true,
		DisableAutomaticPing:   true,
		// The rooms wrap and return errors; a second log line would only carry SQL.
		Logger: gormlogger.Discard,
	}
}

func (s *Store) openPostgres(opts Options) error {
	config, err := pgx.ParseConfig(opts.URL)
	if err != nil {
		return errors.New("the database URL cannot be read") // the parser's words may hold the password
	}
	setDefault(config.RuntimeParams, "application_name", "certctl")
	setDefault(config.RuntimeParams, "statement_timeout", "30000")
	setDefault(config.RuntimeParams, "lock_timeout", "10000")
	setDefault(config.RuntimeParams, "idle_in_transaction_session_timeout", "30000")
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = 5 * time.Second
	}
	if opts.Trace != nil {
		config.Tracer = tracer(opts.Trace)
	}
	pool := stdlib.OpenDB(*config, stdlib.OptionAfterConnect(readTimesInUTC))
	pool.SetMaxOpenConns(maxConnections)
	pool.SetMaxIdleConns(maxConnections)
	pool.SetConnMaxIdleTime(5 * time.Minute)
	s.writer, err = gorm.Open(gormpostgres.New(gormpostgres.Config{Conn: pool}), s.gormConfig())
	s.reader = s.writer
	return err
}

func setDefault(params map[string]string, name, value string) {
	if _, ok := params[name]; !ok {
		params[name] = value
	}
}

func readTimesInUTC(_ context.Context, conn *pgx.Conn) error {
	conn.TypeMap().RegisterType(&pgtype.Type{
		Name: "timestamptz", OID: pgtype.TimestamptzOID, Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC},
	})
	return nil
}

type tracer func(string)

func (t tracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, q pgx.TraceQueryStartData) context.Context {
	t(q.SQL)
	return ctx
}

func (tracer) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// sqliteDSN: FULL because WAL with NORMAL may lose the last commits at power loss, and an acknowledged decision
// is never lost.
func sqliteDSN(path string) string {
	query := "_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=foreign_keys(1)" +
		"&_txlock=immediate&_time_format=sqlite&_timezone=UTC"
	return (&url.URL{Scheme: "file", Opaque: url.PathEscape(path), RawQuery: query}).String()
}

func (s *Store) openSQLite(path string) error {
	var err error
	if s.writer, err = s.openSQLitePool(path, 1); err != nil {
		return err
	}
	s.reader, err = s.openSQLitePool(path, 4)
	return err
}

func (s *Store) openSQLitePool(path string, connections int) (*gorm.DB, error) {
	pool, err := sql.Open("sqlite", sqliteDSN(path))
	if err != nil {
		return nil, err
	}
	pool.SetMaxOpenConns(connections)
	pool.SetMaxIdleConns(connections)
	db, err := gorm.Open(sqliteDialector{gormsqlite.Dialector{Conn: pool}}, s.gormConfig())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return db, nil
}

// sqliteDialector translates the pure Go driver's constraint errors, which gorm's dialector does not know.
type sqliteDialector struct{ gormsqlite.Dialector }

// Translate makes gorm's errors of the driver's.
func (d sqliteDialector) Translate(err error) error {
	code, ok := sqliteCode(err)
	if !ok {
		return err
	}
	switch code {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
		return fmt.Errorf("%w: %w", gorm.ErrDuplicatedKey, err)
	case sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
		return fmt.Errorf("%w: %w", gorm.ErrForeignKeyViolated, err)
	case sqlite3.SQLITE_CONSTRAINT_CHECK:
		return fmt.Errorf("%w: %w", gorm.ErrCheckConstraintViolated, err)
	}
	return err
}
