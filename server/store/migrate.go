package store

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations
var migrations embed.FS

// Migrate brings the schema up to date. Replicas may call it at once: one migrates, the others wait. A role that may
// not change the schema only finds out whether it can work with what is there.
//
// A schema that is newer than the program is none of its business: in a rolling upgrade old replicas go on, and may
// be started again, beside the new ones.
func (s *Store) Migrate(ctx context.Context) error {
	provider, err := s.migrator()
	if err != nil {
		return err
	}
	there, err := s.schema(ctx)
	if err != nil {
		return err
	}
	switch needed := newest(provider); {
	case there.Version < needed && !there.MayChange:
		return there.behind(needed)
	case there.Version < needed:
		return s.up(ctx, provider)
	case there.Version > needed:
		s.log.WarnContext(ctx, "the schema is newer than this program: another version of certctl migrated it", "version", there.Version, "known", needed)
	}
	return nil
}

func (s *Store) up(ctx context.Context, provider *goose.Provider) error {
	results, err := provider.Up(ctx)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	for _, r := range results {
		s.log.InfoContext(ctx, "migrated", "version", r.Source.Version, "duration_seconds", r.Duration.Seconds())
	}
	return nil
}

// schema is what is in the database, and what this role may do about it. It is read without goose, which makes its
// table before it looks at it: the role that serves may not.
type schema struct {
	Made      bool
	Version   int64 `gorm:"-"`
	MayChange bool
	Role      string
	Owner     string
}

const (
	sqliteSchema   = `SELECT count(*) > 0 AS made, true AS may_change FROM sqlite_master WHERE name = 'goose_db_version'`
	postgresSchema = `SELECT to_regclass('goose_db_version') IS NOT NULL AS made, current_user AS role,
		COALESCE(pg_get_userbyid(c.relowner), '') AS owner,
		COALESCE(has_schema_privilege(current_schema(), 'CREATE'), false) AND COALESCE(pg_has_role(c.relowner, 'USAGE'), true) AS may_change
		FROM (VALUES (1)) one LEFT JOIN pg_class c ON c.oid = to_regclass('goose_db_version')`
)

func (s *Store) schema(ctx context.Context) (schema, error) {
	query := postgresSchema
	if s.sqlite {
		query = sqliteSchema
	}
	var there schema
	if err := s.reader.WithContext(ctx).Raw(query).Scan(&there).Error; err != nil {
		return there, fmt.Errorf("look for the schema: %w", err)
	}
	if !there.Made {
		return there, nil
	}
	if !there.MayChange {
		if err := s.checkRights(ctx, there.Role); err != nil {
			return there, err
		}
	}
	var err error
	there.Version, err = s.schemaVersion(ctx)
	return there, err
}

func (s *Store) schemaVersion(ctx context.Context) (version int64, _ error) {
	err := s.reader.WithContext(ctx).Raw("SELECT max(version_id) FROM goose_db_version WHERE is_applied").Scan(&version).Error
	if err != nil {
		return 0, fmt.Errorf("read the schema's version: %w", err)
	}
	return version, nil
}

func (there schema) behind(needed int64) error {
	if !there.Made {
		return fmt.Errorf("the role %q finds no tables of certctl in the database and may not make them: "+
			"run certctl migrate --serve-role %s with the role that is to own them", there.Role, there.Role)
	}
	return fmt.Errorf("the schema has version %d, this program needs %d, and the role %q may not change it: "+
		"run certctl migrate --serve-role %s with the role that owns it, %q", there.Version, needed, there.Role, there.Role, there.Owner)
}

// maxClockSkew is how far this machine's clock may be from the database's: deadlines are compared across replicas.
const maxClockSkew = 2 * time.Second

// NotReadyError says what an operator has to put right, in words that anyone may read.
type NotReadyError struct{ Detail string }

func (e *NotReadyError) Error() string { return e.Detail }

func notReady(format string, args ...any) error {
	return &UnavailableError{&NotReadyError{fmt.Sprintf(format, args...)}}
}

// Ready says whether the database answers, has the schema this program needs, and agrees about the time.
func (s *Store) Ready(ctx context.Context) error {
	provider, err := s.migrator()
	if err != nil {
		return err
	}
	version, err := s.schemaVersion(ctx)
	if err != nil {
		return &UnavailableError{err}
	}
	if needed := newest(provider); version < needed {
		return notReady("the schema has version %d and this program needs %d: run certctl migrate", version, needed)
	}
	if s.sqlite {
		return nil // its clock is this machine's
	}
	var there time.Time
	if err := s.reader.WithContext(ctx).Raw("SELECT clock_timestamp()").Scan(&there).Error; err != nil {
		return &UnavailableError{err}
	}
	if skew := s.Now().Sub(there).Abs(); skew > maxClockSkew {
		return notReady("this machine's clock is %s off the database's: set both by the same time server", skew.Round(100*time.Millisecond))
	}
	return nil
}

// newest is the version that this program's migrations end with.
func newest(provider *goose.Provider) int64 {
	sources := provider.ListSources()
	return sources[len(sources)-1].Version
}

func (s *Store) migrator() (*goose.Provider, error) {
	dialect, folder := goose.DialectPostgres, "migrations/postgres"
	options := []goose.ProviderOption{goose.WithDisableGlobalRegistry(true)}
	if s.sqlite {
		dialect, folder = goose.DialectSQLite3, "migrations/sqlite"
	} else {
		locker, err := lock.NewPostgresSessionLocker()
		if err != nil {
			return nil, err
		}
		options = append(options, goose.WithSessionLocker(locker))
	}
	files, err := fs.Sub(migrations, folder)
	if err != nil {
		return nil, err
	}
	pool, err := s.writer.DB()
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(dialect, pool, files, options...)
}
