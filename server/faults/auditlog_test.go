package faults_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// A server that is killed while it writes the audit log, and started again, leaves no event out of the log. Read without
// repeated events and torn lines, the log has the order of the trail.
func TestAuditLog_HasEveryEventAfterKills(t *testing.T) {
	runOnEach(t, func(t *testing.T, start startFunc) {
		v := newKilledServer(t, start)
		path := filepath.Join(t.TempDir(), "audit.log")
		v.env = append(v.env, "CERTCTL_AUDIT_LOG="+path)
		if err := os.WriteFile(path+".cursor", nil, 0o600); err != nil { // from the oldest event on
			t.Fatal(err)
		}
		for round := range 4 {
			olga := v.startProcess(t).olga
			var writing sync.WaitGroup
			for writer := range 3 {
				writing.Go(func() {
					for i := 0; ; i++ { // until the server is killed
						spec := api.DefaultProfileSpec()
						spec.Name = fmt.Sprintf("%d.%d.%d", round, writer, i)
						if _, err := olga.CreateProfile(t.Context(), api.CreateProfile{ProfileSpec: spec}); err != nil {
							return
						}
					}
				})
			}
			servertest.WaitUntil(t, func() error {
				if text, err := os.ReadFile(path); err != nil || !strings.Contains(string(text), fmt.Sprintf(`"name":"%d.`, round)) {
					return fmt.Errorf("no event of round %d is in the log: %w", round, err)
				}
				return nil
			})
			v.kill(t)
			writing.Wait()
		}
		v.startProcess(t)
		servertest.WaitUntil(t, func() error { return compareLog(t, v, path) })
	})
}

// compareLog compares the audit log with the trail.
func compareLog(t *testing.T, v *killedServer, path string) error {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var logged []string
	seen := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		var e api.AuditEvent
		if json.Unmarshal([]byte(line), &e) == nil && !seen[e.ID] {
			seen[e.ID] = true
			logged = append(logged, e.ID)
		}
	}
	var trail []string
	v.withDatabase(t, func(s *servertest.Server) { s.Query(t, &trail, "SELECT id FROM audit_events ORDER BY position, id") })
	if !slices.Equal(trail, logged) {
		return fmt.Errorf("the trail has %d events, the log %d", len(trail), len(logged))
	}
	return nil
}
