package app

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Backup is a copy of the database, and the files that it lacks.
type Backup struct {
	store.Backup

	CACertFile, CAKeyFile string
}

// WriteBackup copies the configured SQLite database to a new file. It does not migrate: a backup is due before an upgrade. The
// CA is left out, because everyone who can read its key can sign anything. For PostgreSQL the error says what to run.
func WriteBackup(ctx context.Context, config Config, file string) (done Backup, err error) {
	if config.DatabaseURL != "" {
		return done, errors.New(`certctl backup is for SQLite: on PostgreSQL run pg_dump --format=custom --file=FILE "$CERTCTL_DATABASE_URL", with a URL that leads to PostgreSQL itself`)
	}
	if err := config.checkFileExists(); err != nil {
		return done, err
	}
	db, err := config.open(config.NewLogger())
	if err != nil {
		return done, err
	}
	defer db.Close() //nolint:errcheck // the process ends
	if done.Backup, err = db.Backup(ctx, file); err != nil {
		return done, err
	}
	done.CACertFile, done.CAKeyFile = config.caFiles()
	for _, path := range []*string{&done.CACertFile, &done.CAKeyFile} {
		if *path, err = filepath.Abs(*path); err != nil {
			return done, err
		}
	}
	return done, nil
}
