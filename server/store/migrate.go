package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
	"gorm.io/gorm"
)

//go:embed migrations
var migrations embed.FS

// Migrate brings the schema up to date. Replicas may call it at once: one migrates, the others wait. For a role that may
// not change the schema, Migrate only checks that the schema is sufficient.
//
// A schema that is newer than the program is no error, unless the schema requires a newer program: in a rolling upgrade
// old replicas run, and may be started, beside new ones.
func (s *Store) Migrate(ctx context.Context) error {
	provider, err := s.newMigrator(s.writer.DB())
	if err != nil {
		return err
	}
	var there schema
	err = s.Read(ctx, func(tx *Tx) error {
		there, err = s.readSchema(tx.DB)
		return err
	})
	if err != nil {
		return err
	}
	needed := newestVersion(provider)
	switch {
	case there.Version < needed && !there.MayChange:
		return there.behind(needed)
	case there.Version < needed:
		return s.up(ctx)
	}
	if err := s.Read(ctx, func(tx *Tx) error { return tx.CheckProgram() }); err != nil {
		return err
	}
	if there.Version > needed {
		s.log.WarnContext(ctx, "the schema is newer than this program: another version of certctl migrated it", "version", there.Version, "known", needed)
	}
	return nil
}

func (s *Store) up(ctx context.Context) error {
	pool, err := s.writer.DB()
	if !s.sqlite {
		if pool, err = s.openMigrationPool(); err == nil {
			defer pool.Close()
		}
	}
	provider, err := s.newMigrator(pool, err)
	if err != nil {
		return err
	}
	results, err := provider.Up(ctx)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	for _, r := range results {
		s.log.InfoContext(ctx, "migrated", "version", r.Source.Version, "duration_seconds", r.Duration.Seconds())
	}
	return nil
}

// schema is the state of the database, and whether this role may change it. It is read without goose, which would create
// its table: the role that serves may not.
type schema struct {
	Made      bool  // goose has its table
	HasTables bool  // the first migration was applied
	HasInit   bool  // it says which version of it that was
	Version   int64 `gorm:"-"`
	MayChange bool
	Role      string
	Owner     string
}

const (
	sqliteSchema = `SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE name = 'goose_db_version') AS made,
		EXISTS (SELECT 1 FROM sqlite_master WHERE name = 'audit_events') AS has_tables,
		EXISTS (SELECT 1 FROM pragma_table_info('schema_requirements') WHERE name = 'init') AS has_init, true AS may_change`
	postgresSchema = `SELECT to_regclass('goose_db_version') IS NOT NULL AS made, to_regclass('audit_events') IS NOT NULL AS has_tables,
		EXISTS (SELECT 1 FROM pg_attribute WHERE attrelid = to_regclass('schema_requirements') AND attname = 'init') AS has_init, current_user AS role,
		COALESCE(pg_get_userbyid(c.relowner), '') AS owner,
		COALESCE(has_schema_privilege(current_schema(), 'CREATE'), false) AND COALESCE(pg_has_role(c.relowner, 'USAGE'), true) AS may_change
		FROM (VALUES (1)) one LEFT JOIN pg_class c ON c.oid = to_regclass('goose_db_version')`
)

func (s *Store) readSchema(db *gorm.DB) (schema, error) {
	query := postgresSchema
	if s.sqlite {
		query = sqliteSchema
	}
	var there schema
	if err := db.Raw(query).Scan(&there).Error; err != nil {
		return there, fmt.Errorf("look for the schema: %w", err)
	}
	if !there.Made {
		return there, nil
	}
	if there.HasTables && !there.HasInit {
		return there, errOldInit
	}
	if !there.MayChange {
		if err := checkRights(db, there.Role); err != nil {
			return there, err
		}
	}
	var err error
	if there.Version, err = readSchemaVersion(db); err != nil || !there.HasTables {
		return there, err
	}
	var init int
	if err := db.Raw("SELECT init FROM schema_requirements").Scan(&init).Error; err != nil {
		return there, fmt.Errorf("read which program made the schema: %w", err)
	}
	if init != initVersion {
		return there, errOldInit
	}
	return there, nil
}

// initVersion is the version of 00001_init.sql. Until it was frozen it was edited in place, so a database may have tables
// that no migration can upgrade.
const initVersion = 1

var errOldInit = errors.New("the database was made by a development version of certctl, and its tables cannot be upgraded: " +
	"start with an empty database, by another CERTCTL_DATABASE_URL or CERTCTL_DATA_DIR")

// readSchemaVersion returns 0 for a schema that another process just begins to make.
func readSchemaVersion(db *gorm.DB) (version int64, _ error) {
	err := db.Raw("SELECT COALESCE(max(version_id), 0) FROM goose_db_version WHERE is_applied").Scan(&version).Error
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

// newestVersion is the version that this program's migrations end with.
func newestVersion(provider *goose.Provider) int64 {
	sources := provider.ListSources()
	return sources[len(sources)-1].Version
}

// newMigrator takes the results of the function that returns the pool.
func (s *Store) newMigrator(pool *sql.DB, err error) (*goose.Provider, error) {
	if err != nil {
		return nil, err
	}
	dialect, folder := goose.DialectPostgres, "migrations/postgres"
	options := []goose.ProviderOption{goose.WithDisableGlobalRegistry(true)}
	if s.sqlite {
		dialect, folder = goose.DialectSQLite3, "migrations/sqlite"
	} else {
		options = append(options, goose.WithLocker(&migrationLock{}))
	}
	files, err := fs.Sub(migrations, folder)
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(dialect, pool, files, options...)
}
