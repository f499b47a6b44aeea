package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"gorm.io/gorm"
	sqlite3 "modernc.org/sqlite/lib"
)

// Ready says whether this process can write to the database: it answers and is not read-only, has the schema that this
// program needs, lets this program write, agrees about the time, and commits a write. The error says in an operator's words
// what is wrong.
func (s *Store) Ready(ctx context.Context) error {
	provider, err := s.newMigrator(s.writer.DB())
	if err != nil {
		return err
	}
	tx, err := begin(ctx, s.writer, nil) // SQLite refuses here if it cannot write
	if err != nil {
		return explainUnready(err, "the database does not answer")
	}
	defer tx.Rollback()
	if err := s.checkWritable(tx, newestVersion(provider)); err != nil {
		return explainUnready(err, "the database does not answer")
	}
	return explainUnready(s.tryWrite(tx), "the database does not finish a write")
}

// checkWritable returns an error if something keeps this process from writing. It writes nothing.
func (s *Store) checkWritable(tx *gorm.DB, needed int64) error {
	version, err := readSchemaVersion(tx)
	if err != nil {
		return err
	}
	if version < needed {
		return NotReady("the schema has version %d and this program needs %d: run certctl migrate", version, needed)
	}
	if !s.sqlite {
		readOnly := false
		if err := tx.Raw("SELECT current_setting('transaction_read_only')::boolean").Scan(&readOnly).Error; err != nil {
			return err
		}
		if readOnly {
			return NotReady("the database is read-only")
		}
	}
	return s.measure(tx)
}

// tryWrite writes and commits. Only a commit shows that the disk has room. Each process has a row of its own, so replicas do
// not wait for each other. The row is like an answer that is stored for a retry, and expires like one.
func (s *Store) tryWrite(tx *gorm.DB) error {
	err := tx.Exec(`INSERT INTO replays (principal_id, idempotency_key, fingerprint, answer, expires_at) VALUES ('system-ready', ?, '', '', ?)
		ON CONFLICT (principal_id, idempotency_key) DO UPDATE SET expires_at = excluded.expires_at`, s.jobs.id, s.Now().Add(time.Hour)).Error
	if err != nil {
		return err
	}
	return tx.Commit().Error
}

// explainUnready says to an operator why the database cannot be written. If the database gives no reason, it is silent. The
// driver's error is for the log.
func explainUnready(err error, silent string) error {
	var known *UnavailableError
	if err == nil || errors.As(err, &known) {
		return err
	}
	return &UnavailableError{fmt.Errorf("%w: %w", &NotReadyError{findReason(err, silent)}, err)}
}

func findReason(err error, silent string) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		switch {
		case pg.Code == "25006":
			return "the database is read-only"
		case pg.Code == "42501":
			return "the database role lacks a right that serving needs: run certctl migrate --serve-role"
		case pg.Code == "53100":
			return "the disk of the database is full"
		case strings.HasPrefix(pg.Code, "53"):
			return "the database has too many connections, or too little memory"
		case strings.HasPrefix(pg.Code, "57P"):
			return "the database is starting or stopping"
		}
	}
	if code, ok := sqliteCode(err); ok {
		switch code & 0xff {
		case sqlite3.SQLITE_FULL:
			return "the disk of the database's file is full"
		case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM:
			return "the database's file cannot be written"
		case sqlite3.SQLITE_BUSY:
			return "another process has locked the database's file"
		case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
			return "the database's file is damaged"
		}
	}
	if isUnavailable(err) {
		return silent
	}
	return "the database lacks what this program needs"
}
