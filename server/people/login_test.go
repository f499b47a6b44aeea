package people_test

import (
	"encoding/json"
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/certctl/terraform-provider-certctl/server/people"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// loginFiles are the files that login stored.
func (u user) loginFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(u.home, ".config", "certctl", "logins", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// unwrap finds the breaks of wrapped lines.
var unwrap = regexp.MustCompile(`\n {4}\b`)

// want fails the test unless a command ended with a code and printed the texts, on one of its outputs.
func (r result) want(t *testing.T, code int, texts ...string) {
	t.Helper()
	if r.code != code {
		t.Errorf("the exit code is %d, not %d:\n%s%s", r.code, code, r.stdout, r.stderr)
	}
	output := unwrap.ReplaceAllString(r.stdout+r.stderr, " ")
	for _, text := range texts {
		if !strings.Contains(r.stdout+r.stderr, text) && !strings.Contains(output, text) {
			t.Errorf("no %q in:\n%s%s", text, r.stdout, r.stderr)
		}
	}
}

// A login checks the key and stores it where only its owner can read it. The commands use it, and say so, until the logout.
func TestLogin_StoresTheKeyForItsOwner(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	bob, key := newUser(t), s.Key(t, "bob")
	bob.run(t, "whoami").want(t, people.ExitUsage, "you are signed in at no server. Sign in with certctl login")
	bob.runWith(t, key+"\n", "login").want(t, people.ExitUsage, "you are signed in at no server")
	bob.runWith(t, "ctl_aaaaaaaaaaaaaaaa_bad\n", "login", "--endpoint", s.URL).want(t, people.ExitRefused, "Sign in with a valid key")
	bob.runWith(t, "\n", "login", "--endpoint", s.URL).want(t, people.ExitUsage, "there is no API key on standard input")
	if files := bob.loginFiles(t); len(files) > 0 {
		t.Fatalf("stored without a valid key: %v", files)
	}
	bob.runWith(t, key+"\n", "login", "--endpoint", s.URL+"/").want(t, 0, "Signed in at "+s.URL+" as bob (operator, approver).")
	files := bob.loginFiles(t)
	if len(files) != 1 {
		t.Fatalf("stored %v", files)
	}
	for path, mode := range map[string]os.FileMode{files[0]: 0o600, filepath.Dir(files[0]): 0o700} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s has the mode %v, not %v: %v", path, info.Mode().Perm(), mode, err)
		}
	}
	bob.run(t, "whoami", "--exact").want(t, 0, "bob (human)", s.URL+" (from login)", "(from login)")
	bob.run(t, "logout").want(t, 0, "Signed out at "+s.URL)
	bob.run(t, "logout", "--endpoint", s.URL).want(t, people.ExitNoMatch, "you are not signed in at "+s.URL)
	bob.run(t, "whoami", "--endpoint", s.URL).want(t, people.ExitUsage, "you are not signed in at "+s.URL)
}

// The terminal shows nothing of a key that is typed. An interrupt stores nothing.
func TestLogin_ReadsTheKeyWithoutAnEcho(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	bob, key := newUser(t), s.Key(t, "bob")
	x := bob.start(t, 80, "login", "--endpoint", s.URL)
	x.waitFor("API key for " + s.URL + ": ")
	x.press("\x03")
	x.end().want(t, people.ExitFailed, "nothing was stored")
	x = bob.start(t, 80, "login", "--endpoint", s.URL)
	x.waitFor("API key for " + s.URL + ": ")
	x.press(key + "\n")
	done := x.end()
	done.want(t, 0, "Signed in at")
	if strings.Contains(done.stdout, key[20:]) {
		t.Errorf("the terminal shows the key: %s", done.stdout)
	}
}

// With two logins the server must be named. Flag, environment and login take precedence in this order.
func TestServer_IsChosenByFlagThenEnvironmentThenLogin(t *testing.T) {
	t.Parallel()
	first, second := servertest.New(t), servertest.New(t)
	u := newUser(t)
	u.runWith(t, first.Key(t, "bob"), "login", "--endpoint", first.URL).want(t, 0)
	u.runWith(t, second.Key(t, "carol"), "login", "--endpoint", second.URL).want(t, 0)
	u.run(t, "whoami").want(t, people.ExitUsage, "you are signed in at more than one server", first.URL, second.URL, "--endpoint")
	u.run(t, "whoami", "--endpoint", first.URL).want(t, 0, "bob", first.URL+" (from --endpoint)", "(from login)")
	atSecond := u.with("CERTCTL_ENDPOINT=" + second.URL)
	atSecond.run(t, "whoami").want(t, 0, "carol", second.URL+" (from CERTCTL_ENDPOINT)", "(from login)")
	atSecond.run(t, "whoami", "--endpoint", first.URL).want(t, 0, "bob", "(from --endpoint)")
	withKey := atSecond.with("CERTCTL_API_KEY=" + second.Key(t, "vera"))
	withKey.run(t, "whoami").want(t, 0, "vera", "(from CERTCTL_API_KEY)")
	withKey.with("HOME=").run(t, "whoami").want(t, 0, "vera")
	withKey.runWith(t, second.Key(t, "terraform"), "login").want(t, 0, "terraform is a service: it cannot approve or reject.", "CERTCTL_API_KEY is set, and takes precedence")

	var me struct{ ID string }
	if err := json.Unmarshal([]byte(withKey.run(t, "whoami", "-o", "json").stdout), &me); err != nil || me.ID != "vera" {
		t.Errorf("the JSON: %+v, %v", me, err)
	}
}

// A stored key that others may know, or that another user wrote, is not used. No key goes to a host by plain HTTP.
func TestLogin_RefusesWhatOthersCanRead(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	bob := newUser(t)
	bob.runWith(t, s.Key(t, "bob"), "login", "--endpoint", s.URL).want(t, 0)
	file := bob.loginFiles(t)[0]
	if err := os.Chmod(file, 0o640); err != nil {
		t.Fatal(err)
	}
	bob.run(t, "whoami").want(t, people.ExitFailed, file+" can be read by other users", "sign in again")
	bob.run(t, "whoami", "--endpoint", s.URL).want(t, people.ExitFailed, "can be read by other users")
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, 0o600); err != nil {
		t.Fatal(err)
	}
	bob.run(t, "whoami").want(t, people.ExitFailed, "is no login: remove it")
	bob.runWith(t, s.Key(t, "bob"), "login", "--endpoint", s.URL).want(t, 0)
	bob.run(t, "whoami").want(t, 0, "bob")
	bob.runWith(t, "key", "login", "--endpoint", "http://certctl.example.com").want(t, people.ExitUsage, "must begin with https://")
	bob.run(t, "whoami", "--endpoint", s.URL, "--ca-file", "absent.pem").want(t, people.ExitUsage, "the CA file cannot be read")
}

// The CA of a server belongs to its login.
func TestLogin_StoresTheCA(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	server := httptest.NewTLSServer(newProxy(t, s, func(any) {}))
	t.Cleanup(server.Close)
	bob := newUser(t)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(filepath.Join(bob.home, "ca.pem"), ca, 0o600); err != nil {
		t.Fatal(err)
	}
	bob.runWith(t, s.Key(t, "bob"), "login", "--endpoint", server.URL).want(t, people.ExitFailed, "certificate")
	bob.runWith(t, s.Key(t, "bob"), "login", "--endpoint", server.URL, "--ca-file", "ca.pem").want(t, 0, "Signed in at "+server.URL)
	bob.run(t, "whoami").want(t, 0, "bob")
	bob.runWith(t, s.Key(t, "carol"), "login").want(t, 0, "as carol")
}
