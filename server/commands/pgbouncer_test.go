package commands

import (
	"slices"
	"strings"
	"testing"

	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// Through PgBouncer in transaction mode the owner of the tables migrates, and two replicas serve as another role. They go on
// after a restart of PgBouncer.
func TestPgBouncer_ServesReplicas(t *testing.T) {
	t.Parallel()
	db := newRoles(t)
	pooler := servertest.NewPgBouncer(t, "", db.ownerURL, db.serverURL)
	env := append(newCA(t), "CERTCTL_PGBOUNCER=true", "CERTCTL_LOG_LEVEL=info")
	owner := slices.Concat(env, []string{"CERTCTL_DATABASE_URL=" + pooler.Through(t, db.ownerURL)})
	serving := slices.Concat(env, []string{"CERTCTL_DATABASE_URL=" + pooler.Through(t, db.serverURL)})
	dir := t.TempDir()
	run := func(env []string, args ...string) string {
		t.Helper()
		got := runCertctl(t, dir, env, args...)
		if got.failed {
			t.Fatalf("%v: %s", args, got.stderr)
		}
		return strings.TrimSpace(got.stdout)
	}
	run(owner, "migrate", "--serve-role", db.role)
	keys := map[string]string{}
	for _, name := range []string{"alice", "bob"} {
		run(serving, "principal", "create", name, "--kind", "human", "--role", "operator", "--role", "approver")
		keys[name] = run(serving, "key", "create", name)
	}
	first, second := startServer(t, dir, serving...), startServer(t, dir, serving...)
	writeEveryTable(t, first.newClient(t, keys["alice"]), second.newClient(t, keys["bob"]))
	pooler.Restart(t)
	writeEveryTable(t, second.newClient(t, keys["alice"]), first.newClient(t, keys["bob"]))
	first.stop()
	if !strings.Contains(first.log.String(), "not listening for other replicas") || strings.Contains(first.log.String(), `"ERROR"`) {
		t.Errorf("the log: %s", first.log)
	}
}

// Without the setting a pooler would drop the time limits in silence. The start says what to set.
func TestPgBouncer_NeedsItsSetting(t *testing.T) {
	t.Parallel()
	db := newRoles(t)
	for name, c := range map[string]struct{ settings, want string }{
		"it refuses the limits": {"", "refuses the time limits of the connection"},
		"it drops the limits":   {"ignore_startup_parameters = statement_timeout,lock_timeout,idle_in_transaction_session_timeout", "a pooler drops the time limits of the connection"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := servertest.NewPgBouncer(t, c.settings, db.ownerURL).Through(t, db.ownerURL)
			got := runCertctl(t, t.TempDir(), append(newCA(t), "CERTCTL_DATABASE_URL="+url), "serve")
			if !got.failed || !strings.Contains(got.stderr, c.want) || !strings.Contains(got.stderr, "set CERTCTL_PGBOUNCER=true") || strings.Contains(got.stderr, "waiting") {
				t.Errorf("%+v", got)
			}
		})
	}
}
