package store

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

// backupMark is the application_id of a backup that nobody has opened: "ctlb". Its user_version is the time of the backup. Both
// are fields of the file's header, and no part of the schema.
const backupMark = 0x63746c62

// Backup describes a file that Store.Backup wrote.
type Backup struct {
	Bytes   int64
	Schema  int64 // the version of its schema
	TakenAt time.Time
}

// Backup writes a consistent copy of a SQLite database to a new file, while others read and write. The file has mode 0600 and
// is on the disk when Backup returns. An existing file is an error, and is not changed. If Backup fails, there is no file.
func (s *Store) Backup(ctx context.Context, path string) (Backup, error) {
	part, err := createPart(path)
	if err != nil {
		return Backup{}, err
	}
	defer os.Remove(part) //nolint:errcheck // it is a name of the finished file, or is of no use
	b := Backup{TakenAt: s.Now().Truncate(time.Second)}
	// SQLite accepts a file without content.
	if err := s.reader.WithContext(ctx).Exec("VACUUM INTO ?", part).Error; err != nil {
		return b, fmt.Errorf("copy the database: %w", explainSQLite(err))
	}
	if b.Schema, err = finishBackup(ctx, part, b.TakenAt); err != nil {
		return b, err
	}
	if b.Bytes, err = syncFile(part); err != nil {
		return b, err
	}
	if err := publish(part, path); err != nil {
		return b, err
	}
	_, err = syncFile(filepath.Dir(path))
	return b, err
}

func createPart(path string) (string, error) {
	if exists(path) {
		return "", errExists(path)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".certctl-backup-*") // mode 0600
	if err != nil {
		return "", err
	}
	return f.Name(), f.Close()
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func errExists(path string) error { return fmt.Errorf("%s exists: a backup overwrites nothing", path) }

// finishBackup checks a copy and marks it. It returns the version of the schema.
func finishBackup(ctx context.Context, path string, at time.Time) (version int64, err error) {
	err = withRollbackJournal(ctx, path, func(conn *sql.Conn) error {
		var result string
		if err := conn.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&result); err != nil || result != "ok" {
			return errors.Join(fmt.Errorf("the database is damaged: %s", result), err)
		}
		row := conn.QueryRowContext(ctx, "SELECT max(version_id) FROM goose_db_version WHERE is_applied")
		if err := row.Scan(&version); err != nil {
			return errors.New("the database has no tables of certctl")
		}
		return setHeader(ctx, conn, backupMark, at.Unix())
	})
	return version, err
}

// withRollbackJournal runs f on a file that has no write-ahead log, and makes none.
func withRollbackJournal(ctx context.Context, path string, f func(*sql.Conn) error) error {
	dsn := url.URL{Scheme: "file", Opaque: url.PathEscape(path), RawQuery: "_pragma=busy_timeout(5000)&_pragma=synchronous(EXTRA)&_txlock=immediate"}
	pool, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return err
	}
	conn, err := pool.Conn(ctx)
	if err == nil {
		err = errors.Join(f(conn), conn.Close())
	}
	return errors.Join(err, pool.Close())
}

// setHeader sets both fields at once.
func setHeader(ctx context.Context, conn *sql.Conn, application uint32, version int64) error {
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d", application, int32(version)))
	if err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// syncFile returns the size of a file, or of a directory, that is on the disk.
func syncFile(path string) (size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), f.Sync()
}

// publish gives a finished file its name. A link, unlike a rename, overwrites nothing. Some file systems have no links.
func publish(part, path string) error {
	err := os.Link(part, path)
	if err == nil {
		return nil
	}
	if errors.Is(err, fs.ErrExist) || exists(path) {
		return errExists(path)
	}
	return os.Rename(part, path)
}

// adoptBackup removes the mark of a backup that was put in place of a database, and reports whether there was one, and when
// it was taken. A write-ahead log beside a file that has none is an error: it belongs to the database that was there before,
// and SQLite would mix both.
func adoptBackup(ctx context.Context, path string) (takenAt time.Time, adopted bool, err error) {
	hasLog := hasContent(path + "-wal") // before the header: another process may adopt the backup now, and make a log after it
	h, err := readHeader(path)
	if err != nil || h.usesLog { // the log is its own, as after a crash
		return takenAt, false, err
	}
	if hasLog {
		return takenAt, false, fmt.Errorf("%s was restored, and %s-wal belongs to the database that was there before: stop every certctl, remove %s-wal and %s-shm, and start again",
			path, path, path, path)
	}
	if h.application != backupMark {
		return takenAt, false, nil
	}
	takenAt = time.Unix(int64(h.version), 0).UTC()
	return takenAt, true, withRollbackJournal(ctx, path, func(conn *sql.Conn) error { return setHeader(ctx, conn, 0, 0) })
}

func hasContent(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Size() > 0
}

// header is what the first bytes of a SQLite file say.
type header struct {
	usesLog     bool // the file was opened with a write-ahead log; certctl opens every file so
	application uint32
	version     uint32
}

// readHeader reads past SQLite. A new or a foreign file counts as one that uses a log: SQLite says what is wrong with it.
func readHeader(path string) (header, error) {
	f, err := os.Open(path)
	if err != nil {
		return header{}, err
	}
	defer f.Close()
	b := make([]byte, 72)
	if _, err := io.ReadFull(f, b); err != nil || !bytes.HasPrefix(b, []byte("SQLite format 3\x00")) {
		return header{usesLog: true}, nil //nolint:nilerr // see above
	}
	return header{b[18] == 2 || b[19] == 2, binary.BigEndian.Uint32(b[68:]), binary.BigEndian.Uint32(b[60:])}, nil
}
