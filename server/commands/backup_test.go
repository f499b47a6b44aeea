package commands

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// A backup of a server that is writing is whole, private and new. It is restored in another directory.
func TestBackup_OfARunningServer(t *testing.T) {
	servertest.NeedSQLite(t)
	t.Parallel()
	dir := t.TempDir()
	runAll(t, dir, "migrate", "principal create alice --kind human --role operator")
	key := runAll(t, dir, "key create alice")
	alice := startServer(t, dir).newClient(t, key)
	var writing sync.WaitGroup
	done := make(chan struct{})
	writing.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			default:
			}
			spec := api.DefaultProfileSpec()
			spec.Name = fmt.Sprintf("profile %d", i)
			if _, err := alice.CreateProfile(t.Context(), api.CreateProfile{ProfileSpec: spec}); err != nil {
				t.Error(err)
			}
		}
	})
	const form = `^b1: \d+ bytes, schema version \d+, taken at \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\n` +
		`the CA is not in the backup: store /.*/certctl-data/ca.pem and /.*/certctl-data/ca-key.pem in another place$`
	for range 5 {
		if got := runAll(t, dir, "backup b1"); !regexp.MustCompile(form).MatchString(got) {
			t.Errorf("the command prints %s", got)
		}
		if got := runCertctl(t, dir, nil, "backup", "b1"); !got.failed || got.stderr == "" || !strings.HasSuffix(got.stderr, "certctl: error: b1 exists: a backup overwrites nothing\n") {
			t.Errorf("a second backup: %+v", got)
		}
		info, err := os.Stat(filepath.Join(dir, "b1"))
		if err != nil || info.Mode() != 0o600 {
			t.Errorf("the mode is %v: %v", info.Mode(), err)
		}
		restored := t.TempDir()
		putBackup(t, filepath.Join(dir, "b1"), restored)
		if got := runAll(t, restored, "principal list"); !strings.Contains(got, "alice") {
			t.Errorf("the backup has %s", got)
		}
		if err := os.Remove(filepath.Join(dir, "b1")); err != nil {
			t.Fatal(err)
		}
	}
	close(done)
	writing.Wait()
	if left, err := filepath.Glob(filepath.Join(dir, ".certctl-backup*")); err != nil || len(left) > 0 {
		t.Errorf("files are left: %v, %v", left, err)
	}
}

// After a restore, the write-ahead log of the database that was there before is refused: it would bring the newer state back.
// A log of the restored database itself is accepted, as after a crash.
func TestBackup_RestoredBesideAnotherLog(t *testing.T) {
	servertest.NeedSQLite(t)
	t.Parallel()
	dir, crashed := t.TempDir(), t.TempDir()
	runAll(t, dir, "migrate", "principal create alice --kind human --role operator", "backup b1")
	server := startServer(t, dir)
	runAll(t, dir, "principal create bob --kind human --role operator")
	copyDatabase(t, dir, crashed) // as a killed server leaves it
	server.stop()
	putBackup(t, filepath.Join(dir, "b1"), crashed)
	log := filepath.Join(crashed, "certctl-data", "certctl.db-wal")
	got := runCertctl(t, crashed, nil, "principal", "list")
	if !got.failed || !strings.Contains(got.stderr, "certctl.db-wal belongs to the database that was there before: stop every certctl, remove ") {
		t.Fatalf("another database's log: %+v", got)
	}
	for _, ending := range []string{"wal", "shm"} {
		if err := os.Remove(strings.TrimSuffix(log, "wal") + ending); err != nil {
			t.Fatal(err)
		}
	}
	const warning = "the database is a restored backup"
	got = runCertctl(t, crashed, nil, "principal", "list")
	if got.failed || strings.Contains(got.stdout, "bob") || !strings.Contains(got.stderr, warning) {
		t.Errorf("the restored database: %+v", got)
	}
	// The restored database crashes.
	again := t.TempDir()
	server = startServer(t, crashed)
	runAll(t, crashed, "principal create carol --kind human --role operator")
	copyDatabase(t, crashed, again)
	server.stop()
	got = runCertctl(t, again, nil, "principal", "list")
	if got.failed || !strings.Contains(got.stdout, "carol") || strings.Contains(got.stderr, warning) {
		t.Errorf("the restored database after a crash: %+v", got)
	}
}

// A backup migrates nothing, because it is due before an upgrade. An existing database is needed.
func TestBackup_LeavesTheDatabaseAsItIs(t *testing.T) {
	servertest.NeedSQLite(t)
	t.Parallel()
	dir := t.TempDir()
	if got := runCertctl(t, dir, nil, "backup", "b1"); !got.failed || !strings.Contains(got.stderr, "there is no database at ") {
		t.Errorf("without a database: %+v", got)
	}
	packed, err := os.ReadFile("../store/testdata/v1/sqlite.db.gz")
	if err != nil {
		t.Fatal(err)
	}
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	writeDatabase(t, dir, content)
	for _, file := range []string{"b1", "b2"} {
		if got := runAll(t, dir, "backup "+file); !strings.Contains(got, ", schema version 1, ") {
			t.Errorf("the command prints %s", got)
		}
	}
}

// On PostgreSQL the command says what to run, and makes nothing.
func TestBackup_OnPostgresSaysWhatToRun(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	got := runCertctl(t, dir, []string{"CERTCTL_DATABASE_URL=postgres://u:secret@127.0.0.1:1/db"}, "backup", "b1")
	if !got.failed || !strings.Contains(got.stderr, "on PostgreSQL run pg_dump ") || strings.Contains(got.stderr, "secret") {
		t.Errorf("%+v", got)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("the command made %v, %v", entries, err)
	}
}

// runAll runs commands on the SQLite database of a directory. It returns the output of the last one.
func runAll(t *testing.T, dir string, commands ...string) (stdout string) {
	t.Helper()
	for _, command := range commands {
		got := runCertctl(t, dir, nil, strings.Fields(command)...)
		if got.failed {
			t.Fatalf("%s: %s", command, got.stderr)
		}
		stdout = strings.TrimSpace(got.stdout)
	}
	return stdout
}

// putBackup makes a backup the database of a directory.
func putBackup(t *testing.T, backup, dir string) {
	t.Helper()
	content, err := os.ReadFile(backup)
	if err != nil {
		t.Fatal(err)
	}
	writeDatabase(t, dir, content)
}

func writeDatabase(t *testing.T, dir string, content []byte) {
	t.Helper()
	data := filepath.Join(dir, "certctl-data")
	if err := os.MkdirAll(data, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(data, "certctl.db"), content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// copyDatabase copies the files of a database that is open, in a moment without writes.
func copyDatabase(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(filepath.Join(to, "certctl-data"), os.DirFS(filepath.Join(from, "certctl-data"))); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(to, "certctl-data", "certctl.db-wal"))
	if err != nil || info.Size() == 0 {
		t.Fatalf("the database has no log: %v", err)
	}
}
