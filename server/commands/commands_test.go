package commands

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestCommands_PrintResultsAndRefusals(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	migrate(t, dir, nil)
	// The commands run in this order. Each must print the text.
	for _, c := range []struct {
		args string
		ok   bool
		text string // on standard output, or of a failure on standard error
	}{
		{"principal create alice --kind human --role operator --role approver", true, ""},
		{"principal create alice --kind human --role viewer", false, "never reused"},
		{"principal create Alice --kind human --role viewer", false, "must match"},
		{"principal create system-x --kind human --role viewer", false, "reserved"},
		{"principal create bob --kind human --role boss", false, `there is no role "boss"; the roles are viewer, auditor, operator, approver, admin`},
		{"principal create bob --kind human --owner alice --role viewer", false, "a human has no owner"},
		{"principal create bot --kind service --role operator", false, "needs an owner"},
		{"principal create bot --kind service --owner nobody --role operator", false, `there is no principal "nobody"`},
		{"principal create bot --kind service --owner alice --role approver", false, "only people decide"},
		{"principal create bot --kind service --owner alice --role operator", true, ""},
		{"principal create bot2 --kind service --owner bot --role operator", false, "is not a human"},
		{"principal roles bot --role approver", false, "only people decide"},
		{"principal owner alice --owner alice", false, "is a human and has no owner"},
		{"principal create carl --kind human --role viewer", true, ""},
		{"key create bot", true, "ctl_"},
		{"principal owner bot --owner carl", true, "bot belongs to carl\nkeys revoked: 1 ("},
		{"principal owner bot --owner carl", true, "bot belongs to carl\nkeys revoked: 0\nrequests cancelled: 0\n"},
		{"key create carl", true, "ctl_"},
		{"key create bot", true, "ctl_"},
		{"principal roles carl --role viewer --role approver", true, ""},
		{"principal disable carl", true, "carl is disabled\nkeys revoked: 1 ("},
		{"principal disable carl", true, "keys revoked: 0\nrequests cancelled: 0\nservices stopped: 1 (bot)\n"},
		{"key create carl", false, `"carl" is disabled`},
		{"principal disable nobody", false, `there is no principal "nobody"`},
		{"principal owner bot --owner carl", false, "is disabled"},
		{"principal list", true, "carl   human    -      viewer,approver    disabled since"},
		{"principal list", true, "bot    service  carl   operator           stopped: its owner is disabled since"},
		{"principal enable carl", true, ""},
		{"principal list", true, "bot    service  carl   operator           enabled"},
		{"principal handover carl carl", false, "cannot be the successor"},
		{"principal handover bot alice", false, "is a service"},
		{"principal handover carl bot", false, "is not a human"},
		{"principal handover carl alice", true, "alice is the successor of carl\nkeys revoked: 1 ("},
		{"principal list", true, "bot    service  alice  operator           enabled"},
		{"key create nobody", false, `there is no principal "nobody"`},
		{"key create alice --expires-in=1d12h", true, "ctl_"},
		{"key create alice --expires-in=-1h", false, "negative"},
		{"key create alice --expires-in=-1d", false, "negative"},
		{"key create alice --expires-in=90", false, "--expires-in: \"90\" is no duration: write a number and a unit, such as 90s, 15m, 12h, 7d or 1d12h"},
		{"key revoke ctl_0000000000000000_secret", false, "neither the id of a key nor a key"},
		{"key revoke 0000000000000000", false, `there is no key "0000000000000000"`},
		{"version", true, "dev"},
		{"nonsense", false, "nonsense"},
	} {
		got := runCertctl(t, dir, nil, strings.Fields(c.args)...)
		output := got.stdout
		if !c.ok {
			output = got.stderr
		}
		if got.failed == c.ok || !strings.Contains(output, c.text) {
			t.Errorf("certctl %s: failed %t\n%s%s", c.args, got.failed, got.stdout, got.stderr)
		}
	}
}

// A key is printed once. Neither a list nor the database has it later.
func TestKeyCreate_ShowsTheKeyOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	migrate(t, dir, nil)
	runCertctl(t, dir, nil, "principal", "create", "alice", "--kind", "human", "--role", "viewer")
	if bad := runCertctl(t, dir, nil, "key", "create", "alice", "--name", "two\nlines"); !bad.failed || !strings.Contains(bad.stderr, "the name of the key has a newline") {
		t.Errorf("a name of two lines: %+v", bad)
	}
	creation := runCertctl(t, dir, nil, "key", "create", "alice", "--name", "laptop")
	if !regexp.MustCompile(`^ctl_[a-z0-9]{16}_[A-Za-z0-9_-]{43}\n$`).MatchString(creation.stdout) {
		t.Fatalf("standard output: %q", creation.stdout)
	}
	parts := strings.SplitN(strings.TrimSpace(creation.stdout), "_", 3)
	id, secret := parts[1], parts[2]
	if list := runCertctl(t, dir, nil, "key", "list").stdout; !strings.Contains(list, id) || strings.Contains(list, secret) {
		t.Errorf("the list: %s", list)
	}
	files, err := filepath.Glob(filepath.Join(dir, "certctl-data", "*"))
	if err != nil || len(files) == 0 {
		t.Fatal("no data", err)
	}
	for _, file := range files {
		if content, err := os.ReadFile(file); err != nil || bytes.Contains(content, []byte(secret)) {
			t.Errorf("%s holds the secret, or cannot be read: %v", file, err)
		}
		if info, err := os.Stat(file); err != nil || strings.Contains(file, ".db") && info.Mode().Perm() != 0o600 {
			t.Errorf("others may read %s: %v, %v", file, info.Mode(), err)
		}
	}
	revocation := runCertctl(t, dir, nil, "key", "revoke", strings.TrimSpace(creation.stdout)) // by the key itself, not its id
	if list := runCertctl(t, dir, nil, "key", "list").stdout; revocation.failed || strings.Contains(list, "-\n") {
		t.Errorf("not revoked: %s%s", revocation.stderr, list)
	}
}

// A CA is made once and never overwritten. Only the owner can read its key file.
func TestCAInit_OverwritesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := runCertctl(t, dir, nil, "ca", "init")
	key := filepath.Join(dir, "certctl-data", "ca-key.pem")
	info, err := os.Stat(key)
	if first.failed || err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v %v %+v", first, err, info)
	}
	before, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	again := runCertctl(t, dir, nil, "ca", "init")
	after, err := os.ReadFile(key)
	if !again.failed || !strings.Contains(again.stderr, "never overwritten") || err != nil || !bytes.Equal(before, after) {
		t.Errorf("%+v %v", again, err)
	}
}
