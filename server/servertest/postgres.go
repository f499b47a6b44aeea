package servertest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/certctl/terraform-provider-certctl/server/store"
)

const postgresVariable = "CERTCTL_TEST_POSTGRES_URL"

// createMigratedDatabase copies a migrated template to a new database, and drops the copy when the test ends.
func createMigratedDatabase(t testing.TB) string {
	t.Helper()
	NeedPostgres(t)
	baseURL(t)
	clause, err := templateClause()
	if err != nil {
		t.Fatal(err)
	}
	return createDatabase(t, clause)
}

// CreateEmptyDatabase makes a PostgreSQL database without tables, and drops it when the test ends.
func CreateEmptyDatabase(t testing.TB) string {
	t.Helper()
	NeedPostgres(t)
	return createDatabase(t, "")
}

func baseURL(t testing.TB) string {
	t.Helper()
	base := os.Getenv(postgresVariable)
	if base == "" {
		t.Fatalf("%s is not set: run the tests with make test, or with scripts/with-postgres go test ...", postgresVariable)
	}
	return base
}

func createDatabase(t testing.TB, clause string) string {
	t.Helper()
	base, name := baseURL(t), store.NewID("t")
	if err := execute(base, fmt.Sprintf(`CREATE DATABASE %q %s`, name, clause)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := execute(base, fmt.Sprintf(`DROP DATABASE %q WITH (FORCE)`, name)); err != nil {
			t.Error(err)
		}
	})
	return databaseURL(base, name)
}

// templateClause returns the clause of CREATE DATABASE that copies a migrated template. Each test binary has one template. It
// ends with the private PostgreSQL.
var templateClause = sync.OnceValues(func() (string, error) {
	base, name := os.Getenv(postgresVariable), store.NewID("template")
	if err := execute(base, fmt.Sprintf(`CREATE DATABASE %q`, name)); err != nil {
		return "", err
	}
	db, err := store.Open(store.Options{URL: databaseURL(base, name)})
	if err != nil {
		return "", err
	}
	if err := errors.Join(db.Migrate(context.Background()), db.Close()); err != nil {
		return "", err
	}
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, base)
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx)
	// Since version 15, PostgreSQL logs every page of a copy, unless the strategy is to copy the files.
	clause := fmt.Sprintf("TEMPLATE %q", name)
	var hasStrategy bool
	err = conn.QueryRow(ctx, `SELECT current_setting('server_version_num')::int >= 150000`).Scan(&hasStrategy)
	if hasStrategy {
		clause += " STRATEGY FILE_COPY"
	}
	return clause, err
})

func databaseURL(base, name string) string {
	parsed, err := url.Parse(base)
	if err != nil {
		panic(err) // cannot fail: the connection above has parsed it
	}
	parsed.Path = "/" + name
	return parsed.String()
}

func execute(base, sql string) error {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, base)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, sql)
	return err
}
