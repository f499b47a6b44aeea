package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
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
		// The callers return errors; a log line here would only add SQL.
		Logger: gormlogger.Discard,
	}
}

func (s *Store) openPostgres(opts Options) error {
	config, err := newPostgresConfig(opts.URL)
	if err != nil {
		return err
	}
	if opts.Trace != nil {
		config.Tracer = tracer(opts.Trace)
	}
	pool := s.openPool(config)
	pool.SetMaxOpenConns(maxConnections)
	pool.SetMaxIdleConns(maxConnections)
	pool.SetConnMaxIdleTime(5 * time.Minute)
	s.writer, err = gorm.Open(gormpostgres.New(gormpostgres.Config{Conn: pool}), s.gormConfig())
	s.reader = s.writer
	return err
}

// openMigrationPool opens connections whose statements have no time limit, because a migration of a large table takes long.
// The limit for locks stays: all other statements wait behind one that waits for a lock.
func (s *Store) openMigrationPool() (*sql.DB, error) {
	config, err := newPostgresConfig(s.url)
	if err != nil {
		return nil, err
	}
	config.RuntimeParams["statement_timeout"] = "0"
	return s.openPool(config), nil
}

func newPostgresConfig(text string) (*pgx.ConnConfig, error) {
	config, err := parseURL(text)
	if err != nil {
		return nil, err
	}
	setDefault(config.RuntimeParams, "application_name", "certctl")
	setDefault(config.RuntimeParams, "statement_timeout", "30000")
	setDefault(config.RuntimeParams, "lock_timeout", "10000")
	setDefault(config.RuntimeParams, "idle_in_transaction_session_timeout", "30000")
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = 5 * time.Second
	}
	return config, nil
}

// parseURL never repeats a URL that it cannot read. The parser may take a password with a special character for a host, a
// port or a database, and would name it.
func parseURL(text string) (*pgx.ConnConfig, error) {
	parsed, err := url.Parse(text)
	if err != nil || parsed.User == nil && strings.Contains(text, "@") {
		return nil, errors.New("the URL cannot be read: in the user name and the password, write / ? # @ : and % as %2F %3F %23 %40 %3A and %25")
	}
	config, err := pgx.ParseConfig(text)
	if err != nil {
		return nil, errors.New("the URL cannot be used: its port, an option after the ? or a file named there is wrong")
	}
	return config, nil
}

// Reach tries the connection to PostgreSQL. If there is none, the error says why to an operator, without the password.
// On SQLite it does nothing: Open has opened the file.
func (s *Store) Reach(ctx context.Context) error {
	if s.sqlite {
		return nil
	}
	pool, err := s.writer.DB()
	if err != nil {
		return err
	}
	hasLimits, err := readHasLimits(ctx, pool)
	switch {
	case err == nil && !hasLimits && !s.pooled:
		return errors.New("a pooler drops the time limits of the connection: " + adviceForPooler)
	case err == nil || ctx.Err() != nil:
		return err
	}
	config, parseErr := parseURL(s.url)
	if parseErr != nil {
		return parseErr
	}
	return explainPostgres(config, err)
}

// Location returns where the database is, for people: the path of the SQLite file, or the URL without password and options.
func (s *Store) Location() string {
	if s.sqlite {
		if path, err := filepath.Abs(s.path); err == nil {
			return path
		}
		return s.path
	}
	config, err := parseURL(s.url)
	if err != nil {
		return "" // cannot happen: Open has read the URL
	}
	hosts := []string{addressOf(config.Host, config.Port)}
	for _, other := range config.Fallbacks {
		if address := addressOf(other.Host, other.Port); !slices.Contains(hosts, address) {
			hosts = append(hosts, address)
		}
	}
	return fmt.Sprintf("postgres://%s@%s/%s", config.User, strings.Join(hosts, ","), config.Database)
}

func addressOf(host string, port uint16) string {
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}

// ReachWithin is Reach, but waits for a database that does not answer yet, at most for a limit. It logs that it waits. An
// error that waiting cannot mend, such as a wrong password, is returned at once.
func (s *Store) ReachWithin(ctx context.Context, limit time.Duration) error {
	deadline := time.Now().Add(limit)
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		err := s.Reach(ctx)
		var waiting *UnavailableError
		if !errors.As(err, &waiting) || time.Now().Add(pause).After(deadline) {
			return err
		}
		s.log.WarnContext(ctx, "waiting for the database", "error", err, "until", deadline)
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w (stopped while waiting: %w)", err, context.Cause(ctx))
		case <-time.After(pause):
		}
	}
}

// The pauses of ReachWithin.
const (
	firstPause   = time.Second
	longestPause = 15 * time.Second
)

// explainPostgres says to an operator why there is no connection. The error is an UnavailableError if the database may answer
// later.
func explainPostgres(config *pgx.ConnConfig, err error) error {
	explained := describePostgres(config, err)
	var refused *pgconn.PgError
	var name *net.DNSError
	if errors.As(err, &refused) {
		if !isUnavailableState(refused.Code) || isPoolerRefusal(refused.Message) {
			return explained
		}
	} else if !errors.As(err, &name) && !pgconn.Timeout(err) && !isConnectionLost(err) && !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, fs.ErrNotExist) {
		return explained
	}
	return &UnavailableError{&NotReadyError{explained.Error()}}
}

func describePostgres(config *pgx.ConnConfig, err error) error {
	where := addressOf(config.Host, config.Port)
	var refused *pgconn.PgError
	var name *net.DNSError
	switch {
	case errors.As(err, &refused) && strings.HasPrefix(refused.Code, "28"):
		return fmt.Errorf("the database at %s does not let the user %q in: the password is wrong or pg_hba.conf does not admit this user", where, config.User)
	case errors.As(err, &refused) && refused.Code == "3D000":
		return fmt.Errorf("there is no database %q at %s", config.Database, where)
	case errors.As(err, &refused) && isPoolerRefusal(refused.Message):
		return fmt.Errorf("the pooler at %s refuses the time limits of the connection: %s", where, adviceForPooler)
	case errors.As(err, &refused):
		return fmt.Errorf("the database at %s takes no connection: %s", where, refused.Message)
	case errors.As(err, &name):
		return fmt.Errorf("there is no host %q", config.Host)
	case pgconn.Timeout(err):
		return fmt.Errorf("the database at %s does not answer", where)
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("no database listens at %s", where)
	default:
		return fmt.Errorf("no connection to the database at %s: %s", where, innermostMessage(err))
	}
}

// innermostMessage returns the innermost error's text: each layer above names the whole connection again.
func innermostMessage(err error) string {
	for {
		inner := errors.Unwrap(err)
		if several, ok := err.(interface{ Unwrap() []error }); ok && len(several.Unwrap()) > 0 {
			inner = several.Unwrap()[0]
		}
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}

func explainSQLite(err error) error {
	code, _ := sqliteCode(err)
	switch code & 0xff {
	case sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT:
		return errors.New("is damaged, or no SQLite file")
	case sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM:
		return errors.New("cannot be opened for writing")
	case sqlite3.SQLITE_BUSY:
		return errors.New("is in use by another process")
	default:
		return fmt.Errorf("cannot be used: %w", err)
	}
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

// sqliteDSN names a file and its settings. WAL with NORMAL may lose the last commits at power loss, so synchronous is
// FULL: an acknowledged decision is never lost.
func sqliteDSN(path string) string {
	query := "_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=foreign_keys(1)" +
		"&_txlock=immediate&_time_format=sqlite&_timezone=UTC"
	return (&url.URL{Scheme: "file", Opaque: url.PathEscape(path), RawQuery: query}).String()
}

func (s *Store) openSQLite(path string) error {
	// SQLite would create the file readable by all.
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err == nil {
		err = file.Close()
	}
	if err != nil {
		return fmt.Errorf("%s cannot be opened for writing", path)
	}
	takenAt, adopted, err := adoptBackup(context.Background(), path)
	if err != nil {
		return err
	}
	if adopted {
		s.log.Warn("the database is a restored backup: what was revoked, disabled and decided since then is undone", "file", path, "taken_at", takenAt)
	}
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
		return nil, fmt.Errorf("%s %w", path, explainSQLite(err))
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
