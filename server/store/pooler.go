package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// A pooler in transaction mode gives each transaction any connection of its own. So nothing outlives a transaction: no prepared
// statement, no setting, no advisory lock of a session, no LISTEN.

// openPool opens connections for the settings of config. Through a pooler each transaction begins with the settings that a
// direct connection has from its start.
func (s *Store) openPool(config *pgx.ConnConfig) *sql.DB {
	if !s.pooled {
		return stdlib.OpenDB(*config, stdlib.OptionAfterConnect(readTimesInUTC))
	}
	settings := takeSettings(config.RuntimeParams)
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	return sql.OpenDB(pooledConnector{stdlib.GetConnector(*config, stdlib.OptionAfterConnect(readTimesInUTC)), settings})
}

// takeSettings removes the parameters that a pooler refuses or ignores, and returns the statement that sets them for one
// transaction.
func takeSettings(params map[string]string) string {
	var calls []string
	for _, name := range slices.Sorted(maps.Keys(params)) {
		if name == "application_name" { // a pooler passes it on
			continue
		}
		calls = append(calls, fmt.Sprintf("set_config(%s, %s, true)", quoteText(name), quoteText(params[name])))
		delete(params, name)
	}
	return "SELECT " + strings.Join(calls, ", ")
}

// quoteText returns a text as an SQL literal, for both values of standard_conforming_strings.
func quoteText(s string) string {
	return "E'" + strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(s) + "'"
}

// pooledConnector makes connections to a pooler. settings is a statement that each transaction begins with.
type pooledConnector struct {
	driver.Connector
	settings string
}

// Connect implements driver.Connector.
func (c pooledConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	direct, ok := conn.(*stdlib.Conn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("the driver made a %T", conn), conn.Close())
	}
	return &pooledConn{direct, c.settings}, nil
}

type pooledConn struct {
	*stdlib.Conn
	settings string
}

// BeginTx implements driver.ConnBeginTx. It begins and sets in one round trip.
func (c *pooledConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	conn := c.Conn.Conn()
	if conn.IsClosed() {
		return nil, driver.ErrBadConn
	}
	begin := "BEGIN"
	if sql.IsolationLevel(opts.Isolation) == sql.LevelRepeatableRead {
		begin += " ISOLATION LEVEL REPEATABLE READ"
	}
	if opts.ReadOnly {
		begin += " READ ONLY"
	}
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{BeginQuery: begin + "; " + c.settings})
	if err != nil {
		return nil, errors.Join(err, conn.Close(ctx)) // it may have begun
	}
	return pooledTx{ctx, tx}, nil
}

// pooledTx is a transaction with the context that it began with.
type pooledTx struct {
	ctx context.Context
	tx  pgx.Tx
}

// Commit implements driver.Tx.
func (t pooledTx) Commit() error { return t.tx.Commit(t.ctx) }

// Rollback implements driver.Tx.
func (t pooledTx) Rollback() error { return t.tx.Rollback(t.ctx) }

// readHasLimits reports whether a connection has the time limits that it was opened with. A pooler may drop them. The
// statement is not prepared, because a pooler may also run it elsewhere.
func readHasLimits(ctx context.Context, pool *sql.DB) (hasLimits bool, err error) {
	err = pool.QueryRowContext(ctx, "SELECT source = 'client' FROM pg_settings WHERE name = 'statement_timeout'", pgx.QueryExecModeExec).Scan(&hasLimits)
	return hasLimits, err
}

const adviceForPooler = "set CERTCTL_PGBOUNCER=true if this is PgBouncer or another pooler, or use a URL that leads to PostgreSQL itself"

// isPoolerRefusal says whether a pooler refused to connect because it does not know a setting of the connection.
func isPoolerRefusal(message string) bool {
	return strings.HasPrefix(message, "unsupported startup parameter")
}
