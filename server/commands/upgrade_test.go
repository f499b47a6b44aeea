package commands

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// frozen is the commit that froze the first migration: upgrades are promised from here on.
const frozen = "aca27112f8f24cede35ee196110ca60b4cc1e387"

var formerProgramDir string

// buildFormerProgram builds the program of the frozen commit, once.
var buildFormerProgram = sync.OnceValues(func() (string, error) {
	var err error
	if formerProgramDir, err = os.MkdirTemp("", "certctl-former-"); err != nil {
		return "", err
	}
	cmd := exec.Command("bash", "-euo", "pipefail", "-c",
		`git -C ../.. archive "$0" | tar -x -C "$1" && cd "$1" && go build -buildvcs=false -o certctl ./server/cmd/certctl`, frozen, formerProgramDir)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the program of %s, which takes the whole history of git: %w\n%s", frozen, err, out)
	}
	return filepath.Join(formerProgramDir, "certctl"), nil
})

func removeFormerProgram() {
	if formerProgramDir != "" {
		_ = os.RemoveAll(formerProgramDir) // a temporary directory
	}
}

// formerly makes the environment of a command that the program of the frozen commit runs.
func formerly(t *testing.T, env []string) []string {
	t.Helper()
	program, err := buildFormerProgram()
	if err != nil {
		t.Fatal(err)
	}
	return append(slices.Clone(env), programVariable+"="+program)
}

// A replica of the former program and one of this program serve one PostgreSQL. Once this program has migrated, the former
// one reads and no longer writes, and does not start again. Nothing is lost.
func TestUpgrade_SideBySideOnPostgres(t *testing.T) {
	t.Parallel()
	db := newRoles(t)
	ca := newCA(t)
	serving, owner := append(slices.Clone(ca), "CERTCTL_DATABASE_URL="+db.serverURL), []string{"CERTCTL_DATABASE_URL=" + db.ownerURL}
	dir := t.TempDir()
	u := upgrade{t, dir, formerly(t, serving), serving}
	u.run(formerly(t, owner), "migrate", "--serve-role", db.role)
	keys := u.createPeople()
	former := startServer(t, dir, u.former...)
	before := fill(t, former.address, keys)

	u.run(owner, pageCommand(t, "certctl migrate --serve-role certctl", db.role)...)
	current := startServer(t, dir, u.current...)
	checkKept(t, before, readObjects(t, current.address, keys))
	servertest.WaitUntil(t, func() error { // it still reads, but for each of its prepared statements it fails once
		if status, text := call(t, former.address, keys["alice"], "GET", "/api/v1/certificates/mc-upgrade", ""); status != http.StatusOK {
			return fmt.Errorf("the former program does not read: %d %s", status, text)
		}
		return nil
	})
	servertest.WaitUntil(t, func() error {
		if status, text := call(t, former.address, "", "GET", "/readyz", ""); status != http.StatusServiceUnavailable || !strings.Contains(text, "too old to write and sign") {
			return fmt.Errorf("the former program is ready: %d %s", status, text)
		}
		return nil
	})
	servertest.WaitUntil(t, func() error { // what it knows of the schema counts for seconds
		if status, text := call(t, former.address, keys["alice"], "POST", "/api/v1/profiles", `{"id": "p-last", "name": "Last"}`); status != http.StatusServiceUnavailable {
			return fmt.Errorf("the former program writes: %d %s", status, text)
		}
		return nil
	})
	approval := before["waiting"].(string)
	if status, text := call(t, former.address, keys["bob"], "POST", "/api/v1/approvals/"+approval+"/approve", "{}"); status != http.StatusServiceUnavailable {
		t.Errorf("the former program decides: %d %s", status, text)
	}
	finish(t, current.address, keys, approval)
	former.stop()
	got := runCertctl(t, dir, u.former, "serve")
	if !got.failed || !regexp.MustCompile(`certctl: error: this program is too old to write and sign: .*: upgrade certctl\n$`).MatchString(got.stderr) {
		t.Errorf("the former program starts again: %+v", got)
	}
	current.stop()
	if text := current.log.String(); strings.Contains(text, `"ERROR"`) {
		t.Errorf("the log: %s", text)
	}
}

// On SQLite the backup that this program makes before it migrates is the way back. The former program continues on it, and
// this program upgrades it again.
func TestUpgrade_AndBackOnSQLite(t *testing.T) {
	servertest.NeedSQLite(t)
	t.Parallel()
	dir := t.TempDir()
	u := upgrade{t, dir, formerly(t, nil), nil}
	u.run(u.former, "migrate")
	keys := u.createPeople()
	former := startServer(t, dir, u.former...)
	before := fill(t, former.address, keys)
	former.stop()

	u.run(u.current, pageCommand(t, "certctl backup before-upgrade.db", "")...)
	current := startServer(t, dir)
	checkKept(t, before, readObjects(t, current.address, keys))
	finish(t, current.address, keys, before["waiting"].(string))
	current.stop()
	if got := runCertctl(t, dir, u.former, "serve"); !got.failed || !strings.Contains(got.stderr, "too old to write and sign") {
		t.Errorf("the former program starts on the new schema: %+v", got)
	}

	back, crashed := t.TempDir(), t.TempDir()
	if err := os.CopyFS(back, os.DirFS(dir)); err != nil { // with the CA
		t.Fatal(err)
	}
	putBackup(t, filepath.Join(dir, "before-upgrade.db"), back)
	former = startServer(t, back, u.former...)
	checkKept(t, before, readObjects(t, former.address, keys))
	finish(t, former.address, keys, before["waiting"].(string))
	copyDatabase(t, back, crashed) // as a killed server leaves it: the log is its own
	former.stop()
	current = startServer(t, crashed)
	if objects := readObjects(t, current.address, keys); objects["certificate"].(map[string]any)["status"] != "issued" {
		t.Errorf("what the former program did is lost: %v", objects)
	}
}

// upgrade runs commands of two programs on one database.
type upgrade struct {
	*testing.T
	dir             string
	former, current []string
}

func (u upgrade) run(env []string, args ...string) string {
	u.Helper()
	got := runCertctl(u.T, u.dir, env, args...)
	if got.failed {
		u.Fatalf("%v: %s", args, got.stderr)
	}
	return strings.TrimSpace(got.stdout)
}

// createPeople makes people by the former program. It returns their keys.
func (u upgrade) createPeople() map[string]string {
	u.Helper()
	keys := map[string]string{}
	for name, roles := range map[string][]string{"alice": {"--role", "operator", "--role", "approver"}, "bob": {"--role", "approver"}, "audrey": {"--role", "auditor"}} {
		u.run(u.former, append([]string{"principal", "create", name, "--kind", "human"}, roles...)...)
		keys[name] = u.run(u.former, "key", "create", name)
	}
	return keys
}

// pageCommand returns the arguments of a command that the page about upgrades has, with a role of the test.
func pageCommand(t *testing.T, command, role string) []string {
	t.Helper()
	page, err := os.ReadFile("../../docs/server/upgrading.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), "\n"+command+"\n") {
		t.Fatalf("the page has no command %s", command)
	}
	args := strings.Fields(command)[1:]
	if role != "" {
		args[len(args)-1] = role
	}
	return args
}

// call sends a request as older clients do. It returns the status and the answer.
func call(t *testing.T, address, key, method, path, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+address+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// get returns the answer of a call that must succeed.
func get(t *testing.T, address, key, method, path, body string) (answer any) {
	t.Helper()
	status, text := call(t, address, key, method, path, body)
	if err := json.Unmarshal([]byte(text), &answer); err != nil || status > 299 {
		t.Fatalf("%s %s: %d %s %v", method, path, status, text, err)
	}
	return answer
}

// fill has one certificate issued and another waiting. It returns the objects, and the waiting approval as "waiting".
func fill(t *testing.T, address string, keys map[string]string) map[string]any {
	t.Helper()
	alice := func(method, path, body string) map[string]any {
		t.Helper()
		return get(t, address, keys["alice"], method, path, body).(map[string]any)
	}
	alice("POST", "/api/v1/profiles", `{"id": "p-upgrade", "name": "Upgrade", "requires_approval": true, "allowed_dns_names": ["**.example.com"]}`)
	var approvals []string
	for _, id := range []string{"mc-upgrade", "mc-waiting"} {
		body, err := json.Marshal(map[string]any{"id": id, "profile_id": "p-upgrade", "sans": []string{id + ".example.com"}, "csr_pem": servertest.CSR(t)})
		if err != nil {
			t.Fatal(err)
		}
		alice("POST", "/api/v1/certificates", string(body))
		approvals = append(approvals, alice("POST", "/api/v1/certificates/"+id+"/renew", "{}")["approval_id"].(string))
	}
	decide(t, address, keys, approvals[0], "mc-upgrade")
	objects := readObjects(t, address, keys)
	objects["waiting"] = approvals[1]
	return objects
}

// decide approves as bob, and waits until the certificate is issued.
func decide(t *testing.T, address string, keys map[string]string, approval, certificate string) {
	t.Helper()
	get(t, address, keys["bob"], "POST", "/api/v1/approvals/"+approval+"/approve", "{}")
	servertest.WaitUntil(t, func() error {
		if is := get(t, address, keys["alice"], "GET", "/api/v1/certificates/"+certificate, "").(map[string]any); is["status"] != "issued" {
			return fmt.Errorf("the certificate is %v", is["status"])
		}
		return nil
	})
}

// finish approves the request that waits since before the upgrade.
func finish(t *testing.T, address string, keys map[string]string, approval string) {
	t.Helper()
	decide(t, address, keys, approval, "mc-waiting")
}

// readObjects returns what a server shows of the objects of fill.
func readObjects(t *testing.T, address string, keys map[string]string) map[string]any {
	t.Helper()
	objects := map[string]any{
		"certificate": get(t, address, keys["alice"], "GET", "/api/v1/certificates/mc-upgrade", ""),
		"profile":     get(t, address, keys["alice"], "GET", "/api/v1/profiles/p-upgrade", ""),
	}
	for name, path := range map[string]string{"approval": "approvals", "job": "jobs", "event": "audit-events"} {
		for _, object := range get(t, address, keys["audrey"], "GET", "/api/v1/"+path+"?limit=500", "").([]any) {
			objects[name+" "+object.(map[string]any)["id"].(string)] = object
		}
	}
	return objects
}

// checkKept compares what was shown before with what is shown now. Additional objects and fields are no loss.
func checkKept(t *testing.T, before, after map[string]any) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(before)) {
		was, ok := before[name].(map[string]any)
		if !ok {
			continue
		}
		is, _ := after[name].(map[string]any)
		for field, value := range was {
			a, errA := json.Marshal(value)
			b, errB := json.Marshal(is[field])
			if _, isThere := is[field]; !isThere || errors.Join(errA, errB) != nil || !bytes.Equal(a, b) {
				t.Errorf("%s: %s was %s, and is %s", name, field, a, b)
			}
		}
	}
}
