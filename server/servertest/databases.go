package servertest

import (
	"os"
	"testing"
)

// databaseVariable names the only database of a run: sqlite or postgres. If it is not set, a run has both.
const databaseVariable = "CERTCTL_TEST_DATABASE"

// pgBouncerVariable makes a run in which every server on PostgreSQL connects through a PgBouncer.
const pgBouncerVariable = "CERTCTL_TEST_PGBOUNCER"

// NeedSQLite skips a test in a run without SQLite.
func NeedSQLite(t testing.TB) {
	t.Helper()
	skipUnlessTested(t, "sqlite")
}

// NeedPostgres skips a test in a run without PostgreSQL.
func NeedPostgres(t testing.TB) {
	t.Helper()
	skipUnlessTested(t, "postgres")
}

func skipUnlessTested(t testing.TB, database string) {
	t.Helper()
	switch only := os.Getenv(databaseVariable); only {
	case "", database:
	case "sqlite", "postgres":
		t.Skipf("this run has %s=%s", databaseVariable, only)
	default:
		t.Fatalf("%s=%s is neither sqlite nor postgres", databaseVariable, only)
	}
}
