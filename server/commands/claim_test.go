package commands

import (
	"context"
	"encoding/json"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"

	"github.com/certctl/terraform-provider-certctl/server/audit"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Each command that writes records the user and the host that ran it in the audit trail.
func TestCommands_ClaimTheirUser(t *testing.T) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		checkClaims(t, dir, nil, store.Options{Path: filepath.Join(dir, "certctl-data", "certctl.db")})
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		url := newRoles(t).ownerURL
		checkClaims(t, t.TempDir(), append(newCA(t), "CERTCTL_DATABASE_URL="+url), store.Options{URL: url})
	})
}

func checkClaims(t *testing.T, dir string, env []string, database store.Options) {
	t.Helper()
	migrate(t, dir, env)
	env = append(env, "USER="+os.Getenv("USER"), "HOME="+os.Getenv("HOME"), "SUDO_USER=ma\x1blory")
	for _, args := range []string{
		"principal create alice --kind human --role operator", "principal create bob --kind human --role approver",
		"principal create bot --kind service --owner alice --role operator", "principal roles alice --role viewer", "key create bot",
		"principal owner bot --owner bob", "principal disable alice", "principal enable alice",
	} {
		if got := runCertctl(t, dir, env, strings.Fields(args)...); got.failed {
			t.Fatalf("%s: %s", args, got.stderr)
		}
	}
	db, err := store.Open(database)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var rows []audit.Row
	if err := db.Read(context.Background(), func(tx *store.Tx) error { return tx.DB.Find(&rows).Error }); err != nil {
		t.Fatal(err)
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) < 9 {
		t.Errorf("there are %d events", len(rows))
	}
	want := identity.Claim{User: me.Username, Host: host, SudoUser: "ma?lory"}
	for _, row := range rows {
		var details struct{ Claimed identity.Claim }
		if err := json.Unmarshal([]byte(row.Details), &details); err != nil {
			t.Fatal(err)
		}
		if row.Actor != "system-cli" || details.Claimed != want {
			t.Errorf("%s by %s: %s", row.Action, row.Actor, row.Details)
		}
	}
}
