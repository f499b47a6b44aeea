package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"gorm.io/gorm"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// UnavailableError says that the database did not answer or refused for now. The same call may succeed later.
type UnavailableError struct{ err error }

func (e *UnavailableError) Error() string {
	if known, ok := e.err.(*NotReadyError); ok { //nolint:errorlint // a wrapped one says less than its wrapping
		return known.Detail
	}
	return "database unavailable: " + e.err.Error()
}

// Unwrap gives the driver's error.
func (e *UnavailableError) Unwrap() error { return e.err }

// isConflict says whether another writer was in the way, and the transaction should run again. A unique violation is a
// conflict: the second run finds the other writer's row and can name it.
func isConflict(err error) bool {
	if errors.Is(err, gorm.ErrDuplicatedKey) {
		return true
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code == "40001" || pg.Code == "40P01" || hasStalePlan(err)
	}
	code, ok := sqliteCode(err)
	return ok && code&0xff == sqlite3.SQLITE_BUSY
}

// hasStalePlan says whether a table has changed since the connection prepared the statement, as after a migration by a newer
// program.
func hasStalePlan(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "0A000" && strings.Contains(pg.Message, "cached plan")
}

// IsForbidden says whether the database role lacks a right that the statement needs.
func IsForbidden(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "42501"
}

func asUnavailable(err error) error {
	if isUnavailable(err) {
		return &UnavailableError{err}
	}
	return err
}

func isUnavailable(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return isUnavailableState(pg.Code) || hasStalePlan(err)
	}
	if code, ok := sqliteCode(err); ok {
		switch code & 0xff {
		case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR,
			sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN:
			return true
		}
		return false
	}
	var connect *pgconn.ConnectError
	return isConnectionLost(err) || errors.As(err, &connect) || pgconn.Timeout(err) ||
		errors.Is(err, sql.ErrConnDone) || errors.Is(err, sql.ErrTxDone) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// isConnectionLost says whether the connection broke, rather than the statement. A server that is told to stop ends its
// connections with admin_shutdown, and after a crash with crash_shutdown. A statement that is safe to retry was never
// sent: the driver had noticed that the connection was lost.
func isConnectionLost(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code == "57P01" || pg.Code == "57P02"
	}
	var network net.Error
	return errors.As(err, &network) && !network.Timeout() || errors.Is(err, driver.ErrBadConn) || pgconn.SafeToRetry(err) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed)
}

// isUnavailableState says whether a SQLSTATE is of a class that may pass: connection, transaction rollback, resources,
// operator intervention, system error; or of a read-only database or a lock timeout.
func isUnavailableState(state string) bool {
	if len(state) != 5 {
		return true
	}
	switch state[:2] {
	case "08", "40", "53", "57", "58":
		return true
	}
	return state == "25006" || state == "55P03" || state == "25P02" || state == "25P03"
}

func sqliteCode(err error) (int, bool) {
	var lite *sqlite.Error
	if !errors.As(err, &lite) {
		return 0, false
	}
	return lite.Code(), true
}
