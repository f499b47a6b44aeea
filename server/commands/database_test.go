package commands

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// In a wrong directory a command makes nothing and fails. The error names the path.
func TestCommands_MakeNoDatabase(t *testing.T) {
	servertest.NeedSQLite(t)
	t.Parallel()
	for _, args := range []string{
		"principal create alice --kind human --role operator", "principal list", "principal roles alice --role viewer", "principal owner bot --owner alice",
		"principal disable alice", "principal enable alice", "principal handover alice bob", "key create alice", "key list", "key revoke 0000000000000000",
		"ungated-names show", "ungated-names set --none", "ungated-names allow-all --yes", "ca replace",
	} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			dir, err := filepath.EvalSymlinks(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			got := runCertctl(t, dir, nil, strings.Fields(args)...)
			want := "certctl: error: there is no database at " + dir + "/certctl-data/certctl.db: set CERTCTL_DATA_DIR or CERTCTL_DATABASE_URL as the server has it, or make a database with certctl migrate\n"
			if !got.failed || got.stdout != "" || got.stderr != want {
				t.Errorf("%+v", got)
			}
			if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
				t.Errorf("the command made %v, %v", entries, err)
			}
		})
	}
}

// Every command that opens a database says which one, without the password.
func TestCommands_SayWhichDatabaseTheyUse(t *testing.T) {
	runOnEach(t, func(t *testing.T, env []string) {
		dir, err := filepath.EvalSymlinks(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		want := `"msg":"using the database","database":"` + dir + `/certctl-data/certctl.db"`
		secret := "secret"
		for _, variable := range env {
			if text, ok := strings.CutPrefix(variable, "CERTCTL_DATABASE_URL="); ok {
				parsed, err := url.Parse(text)
				if err != nil {
					t.Fatal(err)
				}
				password, _ := parsed.User.Password()
				secret = ":" + password + "@"
				want = `"database":"postgres://` + parsed.User.Username() + "@" + parsed.Host + parsed.Path + `"`
			}
		}
		for _, args := range []string{
			"migrate", "principal create alice --kind human --role operator", "principal create bob --kind human --role operator", "principal list",
			"principal roles alice --role viewer", "principal create bot --kind service --owner alice --role operator", "principal owner bot --owner bob",
			"principal handover bob alice", "principal disable bob", "principal enable bob", "key create alice", "key list",
			"ungated-names show", "ungated-names set --none", "ungated-names allow-all --yes",
		} {
			got := runCertctl(t, dir, env, strings.Fields(args)...)
			if got.failed || strings.Count(got.stderr, want) != 1 || strings.Contains(got.stderr, secret) || strings.Contains(got.stdout, "using the database") {
				t.Errorf("%s: failed %t, want %s\n%s%s", args, got.failed, want, got.stdout, got.stderr)
			}
		}
	})
}
