package store_test

import (
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/certctl/terraform-provider-certctl/server/servertest"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Through PgBouncer every statement has the time limits of a direct connection: those of transactions, of a single query and
// of a migration. The limits of one transaction do not reach the next one of the same connection.
func TestPooled_KeepsTheTimeLimits(t *testing.T) {
	t.Parallel()
	direct := servertest.CreateEmptyDatabase(t)
	pooler := servertest.NewPgBouncer(t, "", direct)
	db, err := store.Open(store.Options{URL: pooler.Through(t, direct) + "&statement_timeout=1234", Pooled: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	const limits = "SELECT concat_ws(' ', current_setting('statement_timeout'), current_setting('lock_timeout'), current_setting('idle_in_transaction_session_timeout'))"
	for name, run := range map[string]func(f func(*store.Tx) error) error{
		"Write": func(f func(*store.Tx) error) error { return db.Write(t.Context(), f) },
		"Read":  func(f func(*store.Tx) error) error { return db.Read(t.Context(), f) },
		"Query": func(f func(*store.Tx) error) error { return db.Query(t.Context(), f) },
	} {
		var got string
		err := run(func(tx *store.Tx) error { return tx.Must(&got, limits) })
		if err != nil || got != "1234ms 10s 30s" {
			t.Errorf("%s has the limits %s: %v", name, got, err)
		}
	}
	var statement *pgconn.PgError
	err = db.Read(t.Context(), func(tx *store.Tx) error { return tx.DB.Exec("SELECT pg_sleep(600)").Error })
	if !errors.As(err, &statement) || statement.Code != "57014" {
		t.Errorf("a statement without end: %v", err)
	}
}

// Several processes migrate at once, with and without a pooler. One of them migrates, the others wait.
func TestMigrate_OneProcessAtATime(t *testing.T) {
	t.Parallel()
	direct := servertest.CreateEmptyDatabase(t)
	pooled := servertest.NewPgBouncer(t, "", direct).Through(t, direct)
	var log servertest.LogBuffer
	var migrating sync.WaitGroup
	for i := range 6 {
		opts := store.Options{URL: direct, Logger: slog.New(slog.NewTextHandler(&log, nil))}
		if i%2 == 0 {
			opts.URL, opts.Pooled = pooled, true
		}
		db, err := store.Open(opts)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		migrating.Go(func() {
			if err := db.Migrate(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	migrating.Wait()
	if n := strings.Count(log.String(), "msg=migrated version=1 "); n != 1 {
		t.Errorf("the first migration ran %d times:\n%s", n, log.String())
	}
}
