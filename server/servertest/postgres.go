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

// freshDatabase makes a database of a migrated template and drops it when the test ends.
func freshDatabase(t testing.TB) string {
	t.Helper()
	NeedPostgres(t)
	baseURL(t)
	copying, err := copyOfTemplate()
	if err != nil {
		t.Fatal(err)
	}
	return makeDatabase(t, copying)
}

// EmptyDatabase makes a PostgreSQL database without tables and drops it when the test ends.
func EmptyDatabase(t testing.TB) string {
	t.Helper()
	NeedPostgres(t)
	return makeDatabase(t, "")
}

func baseURL(t testing.TB) string {
	t.Helper()
	base := os.Getenv(postgresVariable)
	if base == "" {
		t.Fatalf("%s is not set: run the tests with make test, or with scripts/with-postgres go test ...", postgresVariable)
	}
	return base
}

func makeDatabase(t testing.TB, copying string) string {
	t.Helper()
	base, name := baseURL(t), store.NewID("t")
	if err := execute(base, fmt.Sprintf(`CREATE DATABASE %q %s`, name, copying)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := execute(base, fmt.Sprintf(`DROP DATABASE %q WITH (FORCE)`, name)); err != nil {
			t.Error(err)
		}
	})
	return databaseURL(base, name)
}

// copyOfTemplate is the clause of CREATE DATABASE that copies a migrated template. Each test binary has one template. The
// private PostgreSQL goes away with it.
var copyOfTemplate = sync.OnceValues(func() (string, error) {
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
	// Since version 15, PostgreSQL writes every page of a copy into its log, unless it is told to copy the files.
	clause := fmt.Sprintf("TEMPLATE %q", name)
	var strategies bool
	err = conn.QueryRow(ctx, `SELECT current_setting('server_version_num')::int >= 150000`).Scan(&strategies)
	if strategies {
		clause += " STRATEGY FILE_COPY"
	}
	return clause, err
})

func databaseURL(base, name string) string {
	parsed, err := url.Parse(base)
	if err != nil {
		panic(err) // the connection above has parsed it
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
