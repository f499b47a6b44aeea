package store_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/certctl/terraform-provider-certctl/server/servertest"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// The statements of a migration may take longer than those of requests.
func TestMigrate_HasNoTimeLimit(t *testing.T) {
	t.Parallel()
	url := servertest.CreateEmptyDatabase(t)
	other, watcher := connect(t, url), connect(t, url) // a transaction sees the activity as of its first look
	// The migration waits for this transaction, because it makes a table of the same name.
	if _, err := other.Exec(t.Context(), "BEGIN; CREATE TABLE audit_events (id int)"); err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(store.Options{URL: url + "&statement_timeout=500&lock_timeout=0"})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	migrated := make(chan error, 1)
	go func() { migrated <- db.Migrate(t.Context()) }()
	servertest.WaitUntil(t, func() error {
		select {
		case err := <-migrated:
			t.Fatalf("the migration ended early: %v", err)
		default:
		}
		waits := false
		err := watcher.QueryRow(t.Context(), `SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE datname = current_database()
			AND wait_event_type = 'Lock' AND clock_timestamp() - query_start > '1.5 s')`).Scan(&waits)
		if err == nil && !waits {
			err = errors.New("the migration does not wait")
		}
		return err
	})
	if _, err := other.Exec(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if err := <-migrated; err != nil {
		t.Errorf("the migration failed: %v", err)
	}
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// If a database was made by another first migration, the program refuses it with one line of advice.
func TestMigrate_RefusesAnotherFirstMigration(t *testing.T) {
	for name, age := range map[string]string{
		"older than its number": "ALTER TABLE schema_requirements DROP COLUMN init",
		"older than the freeze": "DROP TABLE schema_requirements",
		"another number":        "UPDATE schema_requirements SET init = 0",
	} {
		t.Run(name, func(t *testing.T) {
			servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
				s.Exec(t, age)
				db, err := store.Open(s.Database())
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() {
					if err := db.Close(); err != nil {
						t.Error(err)
					}
				})
				err = db.Migrate(t.Context())
				if err == nil || !strings.Contains(err.Error(), "start with an empty database") || strings.Contains(err.Error(), "\n") {
					t.Errorf("it is migrated: %v", err)
				}
			}, servertest.NoWorkers(), servertest.WithoutInvariants())
		})
	}
}

// The first migration never changes, since databases in use were made by it.
func TestInit_IsFrozen(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]string{
		"migrations/postgres/00001_init.sql": "ca015f505bb0c1f6dfcb3788064c65a28fceb668ae15ec1ef98545ac5dcc1b3a",
		"migrations/sqlite/00001_init.sql":   "fdcf692d162bee14e29df81a8c9ae2f98e8ac35e24f22a4011a0101bceff864c",
	} {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(content); hex.EncodeToString(sum[:]) != want {
			t.Errorf("%s: the schema is frozen: write a migration, with a test that upgrades a filled database (SHA-256 %x)", file, sum)
		}
	}
}

// Must returns an error if a statement finds or changes no row.
func TestMust_NeedsARow(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		for id, want := range map[string]error{"alice": nil, "nobody": store.ErrNoRow} {
			err := s.Store.Write(t.Context(), func(tx *store.Tx) error {
				var row struct{ ID string }
				return tx.Must(&row, "UPDATE principals SET updated_at = ? WHERE id = ? RETURNING *", tx.Now, id)
			})
			if !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", id, err, want)
			}
		}
	}, servertest.NoWorkers())
}
