package commands

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// createPrincipal runs principal create.
func createPrincipal(t *testing.T, dir string, env []string, id string) {
	t.Helper()
	if got := runCertctl(t, dir, env, "principal", "create", id, "--kind", "human", "--role", "viewer"); got.failed {
		t.Fatal(got.stderr)
	}
}

// waitForAuditLog waits until the audit log on standard output of a server has begun.
func waitForAuditLog(t *testing.T, dir string) {
	t.Helper()
	servertest.WaitUntil(t, func() error {
		_, err := os.Stat(filepath.Join(dir, "certctl-data", "audit-log.cursor"))
		return err
	})
}

// The audit log on standard output has the events that commands committed while the server ran, and while it was down. A
// server that stops writes its last events.
func TestAuditLog_ContinuesOnStandardOutput(t *testing.T) {
	runOnEach(t, func(t *testing.T, env []string) {
		dir := t.TempDir()
		migrate(t, dir, env)
		createPrincipal(t, dir, env, "before")
		var output servertest.LogBuffer
		var want []string
		for round := range 3 {
			s := startServerTo(t, &output, dir, append(env, "CERTCTL_AUDIT_LOG=stdout")...)
			waitForAuditLog(t, dir)
			for _, id := range []string{fmt.Sprintf("up-%d", round), fmt.Sprintf("down-%d", round)} {
				if want = append(want, id); strings.HasPrefix(id, "down") {
					s.stop()
				}
				createPrincipal(t, dir, env, id)
			}
		}
		last := startServerTo(t, &output, dir, append(env, "CERTCTL_AUDIT_LOG=stdout")...)
		servertest.WaitUntil(t, func() error {
			// On PostgreSQL a transaction of another database may hold the beginning back, and then the log begins earlier.
			got := listCreated(t, output.String())
			if len(got) > 0 && got[0] == "before" {
				got = got[1:]
			}
			if !slices.Equal(got, want) {
				return fmt.Errorf("the audit log has %v, want %v", got, want)
			}
			return nil
		})
		last.stop()
	})
}

// listCreated returns the principals whose creation is in an audit log.
func listCreated(t *testing.T, log string) (created []string) {
	t.Helper()
	for line := range strings.Lines(log) {
		var e api.AuditEvent
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if e.Action == "principal_created" {
			created = append(created, e.ResourceID)
		}
	}
	return created
}

// A reader of standard output that ends does not end the server. The metrics say so.
func TestAuditLog_OutlivesTheReaderOfStandardOutput(t *testing.T) {
	runOnEach(t, func(t *testing.T, env []string) {
		dir := t.TempDir()
		reader, writer, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		s := startServerTo(t, writer, dir, append(env, "CERTCTL_AUDIT_LOG=stdout")...)
		waitForAuditLog(t, dir)
		for _, end := range []*os.File{reader, writer} {
			if err := end.Close(); err != nil {
				t.Fatal(err)
			}
		}
		createPrincipal(t, dir, env, "alice")
		servertest.WaitUntil(t, func() error {
			if _, metrics := getPage(t, "http://"+s.metrics+"/metrics"); !strings.Contains(metrics, "certctl_audit_log_failed 1\n") {
				return fmt.Errorf("the audit log has not failed")
			}
			return nil
		})
		if status, _ := getPage(t, "http://"+s.address+"/readyz"); status != 200 {
			t.Errorf("/readyz answers %d", status)
		}
	})
}
