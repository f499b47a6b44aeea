package app_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// A server is ready while it can write: its schema is not old, its clock is the database's, and the database is not
// read-only. The answer and the metrics say what to fix, until it is fixed. Package faults tests a server without a database.
func TestReady_FollowsTheDatabase(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(testing.TB, ...servertest.Option) *servertest.Server{"sqlite": servertest.New, "postgres": servertest.NewPostgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := &buffer{}
			s := start(t, servertest.Log(log), servertest.NoWorkers(), servertest.DatabaseClock())
			version, unlock := 0, func() {}
			s.Query(t, &version, "SELECT max(version_id) FROM goose_db_version")
			for _, step := range []struct {
				name   string
				change func()
				text   string // empty if the server is ready
				only   string // the database that has this step; empty for both
			}{
				{"a full file", func() { fillFile(t, s) }, "the disk of the database's file is full", "sqlite"},
				{"room again", func() { s.Exec(t, "PRAGMA max_page_count = 1000000") }, "", "sqlite"},
				{"a new server", func() {}, "", ""},
				{"an older schema", func() { s.Exec(t, "DELETE FROM goose_db_version WHERE version_id = ?", version) }, "the schema has version", ""},
				{"a newer schema", func() {
					s.Exec(t, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (?, ?), (?, ?)", version, true, version+1, true)
				}, "", ""},
				{"half a minute ahead", func() { s.Clock.Advance(30 * time.Second) }, "clock is", "postgres"},
				{"a second ahead", func() { s.Clock.Advance(-29 * time.Second) }, "", "postgres"},
				{"half a minute behind", func() { s.Clock.Advance(-31 * time.Second) }, "clock is", "postgres"},
				{"together again", func() { s.Clock.Advance(30 * time.Second) }, "", "postgres"},
				{"a full disk", func() { failWrites(t, s, "53100") }, "the disk of the database is full", "postgres"},
				{"a right is missing", func() { failWrites(t, s, "42501") }, "the database role lacks a right", "postgres"},
				{"writes work again", func() { s.Exec(t, "DROP TRIGGER fail ON replays") }, "", "postgres"},
				{"a write that hangs", func() { unlock = lockTable(t, s.Database().URL) }, "the database does not finish a write", "postgres"},
				{"no lock", func() { unlock() }, "", "postgres"},
				{"a read-only database", func() { makeReadOnly(t, s.Database().URL) }, "the database is read-only", "postgres"},
				{"a read-only file", func() { s.Exec(t, "PRAGMA query_only = 1") }, "the database's file cannot be written", "sqlite"},
			} {
				if step.only != "" && step.only != name {
					continue
				}
				step.change()
				log.reset()
				servertest.WaitUntil(t, func() error {
					err := errors.Join(checkReadyAnswer(s.URL, step.text), checkReadyGauges(t, s, step.text))
					if err != nil {
						return fmt.Errorf("%s: %w", step.name, err)
					}
					return nil
				})
				if !strings.Contains(log.String(), step.text) {
					t.Errorf("%s: the log does not say %q: %s", step.name, step.text, log)
				}
			}
		})
	}
}

// checkReadyAnswer returns an error unless /readyz answers with the text; without a text the server must be ready.
func checkReadyAnswer(url, text string) error {
	resp, err := http.Get(url + "/readyz")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if text == "" {
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("not ready: %d", resp.StatusCode)
		}
		return nil
	}
	var problem api.Problem
	if err := json.NewDecoder(resp.Body).Decode(&problem); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusServiceUnavailable || problem.Code() != api.CodeUnavailable || resp.Header.Get("Retry-After") == "" ||
		!strings.Contains(problem.Detail, text) {
		return fmt.Errorf("%d %v %q, want %q", resp.StatusCode, resp.Header, problem.Detail, text)
	}
	return nil
}

// checkReadyGauges returns an error unless the metrics tell what /readyz tells.
func checkReadyGauges(t *testing.T, s *servertest.Server, text string) error {
	t.Helper()
	ready, offset := s.Gauge(t, "certctl_ready")[""], s.Gauge(t, "certctl_clock_offset_seconds")[""]
	if (ready == 1) != (text == "") {
		return fmt.Errorf("certctl_ready is %g", ready)
	}
	if isOff := math.Abs(offset) > 2; isOff != strings.HasPrefix(text, "clock") {
		return fmt.Errorf("certctl_clock_offset_seconds is %g", offset)
	}
	return nil
}

// fillFile lets the file grow no more, and fills what is left of it with rows as large as the one that the check writes.
func fillFile(t *testing.T, s *servertest.Server) {
	t.Helper()
	pages := 0
	s.Query(t, &pages, "SELECT page_count FROM pragma_page_count")
	s.Exec(t, fmt.Sprintf("PRAGMA max_page_count = %d", pages))
	for failures := 0; failures < 200; {
		err := s.Store.Write(t.Context(), func(tx *store.Tx) error {
			return tx.DB.Exec("INSERT INTO replays VALUES ('system-ready', ?, '', '', ?)", store.NewID(""), tx.Now).Error
		})
		if err != nil {
			failures++
		}
	}
}

// failWrites makes every insert into the table of the check fail with an error of PostgreSQL.
func failWrites(t *testing.T, s *servertest.Server, code string) {
	t.Helper()
	s.Exec(t, "CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '"+code+"'; END $$")
	s.Exec(t, "DROP TRIGGER IF EXISTS fail ON replays")
	s.Exec(t, "CREATE TRIGGER fail BEFORE INSERT ON replays FOR EACH ROW EXECUTE FUNCTION fail()")
}

// lockTable locks the table of the check until the returned function is called.
func lockTable(t *testing.T, url string) func() {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "BEGIN; LOCK TABLE replays"); err != nil {
		t.Fatal(err)
	}
	return func() { _ = conn.Close(context.Background()) }
}

// makeReadOnly makes a database read-only for new connections, as a standby is, and ends the open ones.
func makeReadOnly(t *testing.T, url string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for _, sql := range []string{
		"DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database()); END $$",
		"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
	} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
}

type buffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func (b *buffer) reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.text.Reset()
}
