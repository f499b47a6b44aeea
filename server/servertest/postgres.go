package servertest

import (
	"context"
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
	base := os.Getenv(postgresVariable)
	if base == "" {
		t.Fatalf("%s is not set: run the tests with make test, or with scripts/with-postgres go test ...", postgresVariable)
	}
	template, err := theTemplate()
	if err != nil {
		t.Fatal(err)
	}
	name := store.NewID("t")
	if err := execute(base, fmt.Sprintf(`CREATE DATABASE %q TEMPLATE %q`, name, template)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := execute(base, fmt.Sprintf(`DROP DATABASE %q WITH (FORCE)`, name)); err != nil {
			t.Error(err)
		}
	})
	return databaseURL(base, name)
}

// theTemplate is one for each test binary; the private PostgreSQL goes away with it.
var theTemplate = sync.OnceValues(func() (string, error) {
	base, name := os.Getenv(postgresVariable), store.NewID("template")
	if err := execute(base, fmt.Sprintf(`CREATE DATABASE %q`, name)); err != nil {
		return "", err
	}
	db, err := store.Open(store.Options{URL: databaseURL(base, name)})
	if err != nil {
		return "", err
	}
	defer db.Close()
	return name, db.Migrate(context.Background())
})

func databaseURL(base, name string) string {
	parsed, err := url.Parse(base)
	if err != nil {
		panic(err) // the connection above has parsed it
	}
	parsed.Path = "/" + name
	return parsed.String()
}

// One at a time: two copies of a template at once are refused.
var creating sync.Mutex

func execute(base, sql string) error {
	creating.Lock()
	defer creating.Unlock()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, base)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, sql)
	return err
}
