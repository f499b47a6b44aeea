package auditlog_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/audit"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// logged is a server with an audit log.
type logged struct {
	*testing.T
	*servertest.Server
	path string
	log  *servertest.LogBuffer
}

// runOnEach runs a test on both databases. The audit log has begun when the test does.
func runOnEach(t *testing.T, test func(logged)) {
	t.Helper()
	t.Parallel()
	for name, start := range map[string]func(testing.TB, ...servertest.Option) *servertest.Server{"sqlite": servertest.New, "postgres": servertest.NewPostgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := logged{T: t, path: filepath.Join(t.TempDir(), "audit.log"), log: &servertest.LogBuffer{}}
			l.Server = start(t, servertest.NoWorkers(), servertest.AuditLog(l.path), servertest.Log(l.log))
			waitForFile(t, l.path+".cursor")
			test(l)
		})
	}
}

func waitForFile(t *testing.T, path string) {
	t.Helper()
	servertest.WaitUntil(t, func() error {
		_, err := os.Stat(path)
		return err
	})
}

// add appends an event.
func (l logged) add(object string) {
	l.Helper()
	l.Write(l.T, func(tx *store.Tx) error { return addTo(tx, object) })
}

func addTo(tx *store.Tx, object string) error {
	return audit.Append(tx, audit.Event{Actor: identity.CLI, Action: "tested", ResourceType: "test", ResourceID: object, Details: audit.Details{"text": "<&>\n"}})
}

// readLines returns the lines of logs. A file that does not exist has none.
func readLines(t *testing.T, paths ...string) (lines []string) {
	t.Helper()
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")...)
	}
	return lines
}

// readObjects returns the objects of the events of the tests. A line that is no event is "?".
func readObjects(t *testing.T, paths ...string) (objects []string) {
	t.Helper()
	for _, line := range readLines(t, paths...) {
		var e api.AuditEvent
		if line == "" {
			continue
		} else if json.Unmarshal([]byte(line), &e) != nil {
			objects = append(objects, "?")
		} else if e.Action == "tested" {
			objects = append(objects, e.ResourceID)
		}
	}
	return objects
}

// waitFor waits until the log has exactly these objects.
func (l logged) waitFor(want ...string) {
	l.Helper()
	servertest.WaitUntil(l.T, func() error {
		if got := readObjects(l.T, l.path); !slices.Equal(got, want) {
			return fmt.Errorf("the log has %v, want %v", got, want)
		}
		return nil
	})
}

// getTrail returns the trail as a follower of the API gets it as lines.
func (l logged) getTrail() []string {
	l.Helper()
	req, err := http.NewRequestWithContext(l.Context(), http.MethodGet, l.URL+"/api/v1/audit-events?order=oldest&limit=500", nil)
	if err != nil {
		l.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+l.Key(l.T, "audrey"))
	req.Header.Set("Accept", "application/x-ndjson")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		l.Fatal(err)
	}
	defer resp.Body.Close()
	var body bytes.Buffer
	if _, err := body.ReadFrom(resp.Body); err != nil {
		l.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(body.String(), "\n"), "\n")
}

// Each event is one line, with the bytes and in the order that followers of the API get. Another replica has all of them in
// a log of its own.
func TestLog_HasEveryEventInTheOrderOfTheTrail(t *testing.T) {
	runOnEach(t, func(l logged) {
		paths := []string{l.path}
		if !l.Store.IsSQLite() {
			paths = append(paths, filepath.Join(l.TempDir(), "second.log"))
			l.StartSecond(l.T, servertest.NoWorkers(), servertest.AuditLog(paths[1]))
			waitForFile(l.T, paths[1]+".cursor")
		}
		l.Key(l.T, "audrey")
		var writing sync.WaitGroup
		for writer := range 4 {
			writing.Go(func() {
				for i := range 20 {
					l.add(fmt.Sprintf("%d.%d", writer, i))
				}
			})
		}
		writing.Wait()
		for _, path := range paths {
			servertest.WaitUntil(l.T, func() error {
				if n := len(readObjects(l.T, path)); n < 80 {
					return fmt.Errorf("%d events are in the log", n)
				}
				return nil
			})
			trail, lines := l.getTrail(), readLines(l.T, path)
			if diff := cmp.Diff(trail[len(trail)-len(lines):], lines); diff != "" {
				l.Errorf("the log differs from the trail: %s", diff)
			}
		}
	})
}

// Events that are committed while the server is down are written after its start. A server that was killed before it stored
// its cursor writes events again, and ends a torn line.
func TestLog_ContinuesAfterARestart(t *testing.T) {
	runOnEach(t, func(l logged) {
		l.add("first")
		l.waitFor("first")
		l.Stop()
		before, err := os.ReadFile(l.path + ".cursor")
		if err != nil {
			l.Fatal(err)
		}
		l.whileDown("down 1", "down 2")
		l.Restart(l.T)
		l.waitFor("first", "down 1", "down 2")

		l.Stop()
		log, err := os.OpenFile(l.path, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			l.Fatal(err)
		}
		if _, err := log.WriteString(`{"id":"ev-`); err != nil {
			l.Fatal(err)
		}
		if err := log.Close(); err != nil {
			l.Fatal(err)
		}
		l.writeCursor(string(before))
		l.whileDown("down 3")
		l.Restart(l.T)
		l.waitFor("first", "down 1", "down 2", "?", "down 1", "down 2", "down 3")

		// An empty cursor is before all events, no cursor after them.
		l.Stop()
		l.writeCursor("")
		if err := os.Remove(l.path); err != nil {
			l.Fatal(err)
		}
		l.Restart(l.T)
		l.waitFor("first", "down 1", "down 2", "down 3")
		l.Stop()
		if err := os.Remove(l.path + ".cursor"); err != nil {
			l.Fatal(err)
		}
		l.Restart(l.T)
		waitForFile(l.T, l.path+".cursor")
		l.add("last")
		l.waitFor("first", "down 1", "down 2", "down 3", "last")

		// After a restore of the database nothing may be missing: the log begins again.
		l.Stop()
		l.writeCursor(store.Position{Number: 1 << 62}.String())
		if err := os.Remove(l.path); err != nil {
			l.Fatal(err)
		}
		l.Restart(l.T)
		l.waitFor("first", "down 1", "down 2", "down 3", "last")
		if !strings.Contains(l.log.String(), "the database was restored from a backup") {
			l.Errorf("the log does not say why it begins again: %s", l.log)
		}
	})
}

func (l logged) writeCursor(text string) {
	l.Helper()
	if err := os.WriteFile(l.path+".cursor", []byte(text), 0o600); err != nil {
		l.Fatal(err)
	}
}

// whileDown appends events past the server.
func (l logged) whileDown(objects ...string) {
	l.Helper()
	db, err := store.Open(l.Database())
	if err != nil {
		l.Fatal(err)
	}
	defer db.Close()
	for _, object := range objects {
		if err := db.Write(l.Context(), func(tx *store.Tx) error { return addTo(tx, object) }); err != nil {
			l.Fatal(err)
		}
	}
}

// After a rotation the log goes on in a new file, and no event is lost.
func TestLog_FollowsARotation(t *testing.T) {
	runOnEach(t, func(l logged) {
		var rotated []string
		for i := range 3 {
			l.add(fmt.Sprint(i))
			l.waitFor(fmt.Sprint(i))
			rotated = append(rotated, fmt.Sprintf("%s.%d", l.path, i))
			if err := os.Rename(l.path, rotated[i]); err != nil {
				l.Fatal(err)
			}
			if i == 1 { // as logrotate's create does
				if err := os.WriteFile(l.path, nil, 0o600); err != nil {
					l.Fatal(err)
				}
			}
		}
		l.add("last")
		waitForFile(l.T, l.path)
		l.waitFor("last")
		if got := readObjects(l.T, rotated...); !slices.Equal(got, []string{"0", "1", "2"}) {
			l.Errorf("the rotated files have %v", got)
		}
	})
}

// While the file cannot be written, the server decides and says so, once. Then the log goes on from where it stopped.
func TestLog_FailureStopsNoDecision(t *testing.T) {
	runOnEach(t, func(l logged) {
		l.add("first")
		l.waitFor("first")
		for _, step := range []error{os.Rename(l.path, l.path+".1"), os.Mkdir(l.path, 0o700)} {
			if step != nil {
				l.Fatal(step)
			}
		}
		j := l.RequestOlgasCertificate(l.T, "alice")
		l.waitForFailed(1)
		if _, err := l.Client(l.T, "bob").ApproveApproval(l.Context(), *j.ApprovalID, api.Decision{}); err != nil {
			l.Error(err)
		}
		l.add("second")
		servertest.WaitUntil(l.T, func() error {
			if lag := l.gauge("certctl_audit_log_lag_seconds"); lag <= 0 {
				return fmt.Errorf("the log lags by %g s", lag)
			}
			return nil
		})
		if err := os.Remove(l.path); err != nil {
			l.Fatal(err)
		}
		l.waitForFailed(0)
		l.waitFor("second")
		servertest.WaitUntil(l.T, func() error {
			if lag := l.gauge("certctl_audit_log_lag_seconds"); lag > 0 {
				return fmt.Errorf("the log lags by %g s", lag)
			}
			return nil
		})
		var approved int
		for _, line := range readLines(l.T, l.path) {
			if strings.Contains(line, `"approval_approved"`) && strings.Contains(line, *j.ApprovalID) {
				approved++
			}
		}
		if n := strings.Count(l.log.String(), "the audit log is not complete"); approved != 1 || n != 1 || strings.Count(l.log.String(), "complete again") != 1 {
			l.Errorf("%d decisions in the log, %d warnings:\n%s", approved, n, l.log)
		}
	})
}

// gauge returns the value of a metric without labels.
func (l logged) gauge(name string) float64 {
	l.Helper()
	families, err := l.App.Registry.Gather()
	if err != nil {
		l.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == name {
			return family.GetMetric()[0].GetGauge().GetValue()
		}
	}
	l.Fatalf("there is no %s", name)
	return 0
}

func (l logged) waitForFailed(want float64) {
	l.Helper()
	servertest.WaitUntil(l.T, func() error {
		if got := l.gauge("certctl_audit_log_failed"); got != want {
			return fmt.Errorf("certctl_audit_log_failed is %g", got)
		}
		return nil
	})
}
