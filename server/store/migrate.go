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

// Migrate brings the schema up to date. Replicas may call it at once: one migrates, the others wait. When nothing
// is to be done it needs no right to change the schema.
func (s *Store) Migrate(ctx context.Context) error {
	provider, err := s.migrator()
	if err != nil {
		return err
	}
	pending, err := provider.HasPending(ctx)
	if err != nil {
		return fmt.Errorf("read the schema's version: %w", err)
	}
	if !pending {
		return nil
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

// maxClockSkew is how far this machine's clock may be from the database's: deadlines are compared across replicas.
const maxClockSkew = 2 * time.Second

// Ready says whether the database answers, has the schema this program needs, and agrees about the time.
func (s *Store) Ready(ctx context.Context) error {
	provider, err := s.migrator()
	if err != nil {
		return err
	}
	current, target, err := provider.GetVersions(ctx)
	if err != nil {
		return &UnavailableError{err}
	}
	if current < target {
		return &UnavailableError{fmt.Errorf("the schema has version %d and should have %d: run certctl migrate", current, target)}
	}
	if s.sqlite {
		return nil // its clock is this machine's
	}
	var there time.Time
	if err := s.reader.WithContext(ctx).Raw("SELECT clock_timestamp()").Scan(&there).Error; err != nil {
		return &UnavailableError{err}
	}
	if skew := s.Now().Sub(there).Abs(); skew > maxClockSkew {
		return &UnavailableError{fmt.Errorf("this machine's clock is %s off the database's", skew.Round(time.Millisecond))}
	}
	return nil
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
