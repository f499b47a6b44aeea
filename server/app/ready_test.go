package app_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// A server is ready while its schema is not older than it, and its clock is the database's. What an operator has to
// put right stands in the answer, and it is ready again when that was done. That there is no database is tested in
// server/faults.
func TestReady(t *testing.T) {
	t.Parallel()
	const behind, clock = "the schema has version", "clock is"
	for name, start := range map[string]func(testing.TB, ...servertest.Option) *servertest.Server{"sqlite": servertest.New, "postgres": servertest.Postgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := &buffer{}
			s := start(t, servertest.Log(log), servertest.NoWorkers())
			off := clock
			if name == "sqlite" {
				off = "" // its clock is the process's own
			}
			version := 0
			s.Query(t, &version, "SELECT max(version_id) FROM goose_db_version")
			for _, step := range []struct {
				what   string
				change func()
				says   string // nothing when it is ready
			}{
				{"a new server", func() {}, ""},
				{"a second ahead", func() { s.Clock.Advance(time.Second) }, ""},
				{"three seconds ahead", func() { s.Clock.Advance(2 * time.Second) }, off},
				{"together again", func() { s.Clock.Advance(-3 * time.Second) }, ""},
				{"three seconds behind", func() { s.Clock.Advance(-3 * time.Second) }, off},
				{"together once more", func() { s.Clock.Advance(3 * time.Second) }, ""},
				{"an older schema", func() { s.Exec(t, "DELETE FROM goose_db_version WHERE version_id = ?", version) }, behind},
				{"migrated", func() {
					s.Exec(t, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (?, ?)", version, true)
				}, ""},
				{"a newer schema", func() {
					s.Exec(t, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (?, ?)", version+1, true)
				}, ""},
			} {
				step.change()
				log.reset()
				resp, err := http.Get(s.URL + "/readyz")
				if err != nil {
					t.Fatal(err)
				}
				var problem api.Problem
				if resp.StatusCode != http.StatusOK {
					err = json.NewDecoder(resp.Body).Decode(&problem)
				}
				_ = resp.Body.Close()
				switch {
				case err != nil:
					t.Errorf("%s: %v", step.what, err)
				case step.says == "" && resp.StatusCode != http.StatusOK:
					t.Errorf("%s: %d %s", step.what, resp.StatusCode, problem.Detail)
				case step.says != "" && (resp.StatusCode != http.StatusServiceUnavailable || problem.Code() != api.CodeUnavailable || resp.Header.Get("Retry-After") == ""):
					t.Errorf("%s: %d %v %s", step.what, resp.StatusCode, resp.Header, problem.Detail)
				case !strings.Contains(log.String(), step.says):
					t.Errorf("%s: the log does not say %q: %s", step.what, step.says, log)
				case !strings.Contains(problem.Detail, step.says):
					t.Errorf("%s: the detail does not say %q: %s", step.what, step.says, problem.Detail)
				}
			}
		})
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
