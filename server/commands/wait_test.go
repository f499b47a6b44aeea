package commands

import (
	"bytes"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// The start waits for a database that does not answer yet, and says so. Then it goes on by itself.
func TestStart_WaitsForTheDatabase(t *testing.T) {
	t.Parallel()
	for command, run := range map[string]func(t *testing.T, env []string) (log string){
		"serve": func(t *testing.T, env []string) string {
			server := startServer(t, t.TempDir(), env...)
			server.stop()
			return server.log.String()
		},
		"migrate": func(t *testing.T, env []string) string {
			got := runCertctl(t, t.TempDir(), env, "migrate")
			if got.failed {
				t.Error(got.stderr)
			}
			return got.stderr
		},
	} {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			proxy := servertest.NewProxy(t, newRoles(t).ownerURL)
			proxy.RefuseFirst(2)
			log := run(t, append(newCA(t), "CERTCTL_DATABASE_URL="+proxy.URL))
			if !strings.Contains(log, `"level":"WARN","msg":"waiting for the database","error":"`) || strings.Contains(log, ":o@") {
				t.Errorf("the log: %s", log)
			}
		})
	}
}

// A URL may name several hosts, and the password may be in a file of libpq.
func TestDatabaseURL_SeveralHostsAndPasswordFile(t *testing.T) {
	t.Parallel()
	parsed, err := url.Parse(newRoles(t).ownerURL)
	if err != nil {
		t.Fatal(err)
	}
	password, _ := parsed.User.Password()
	file := filepath.Join(t.TempDir(), "passwords")
	if err := os.WriteFile(file, []byte("*:*:*:"+parsed.User.Username()+":"+password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	parsed.User = url.User(parsed.User.Username())
	parsed.Host = "127.0.0.1:1," + parsed.Host
	got := runCertctl(t, t.TempDir(), []string{"PGPASSFILE=" + file, "CERTCTL_DATABASE_URL=" + parsed.String() + "&target_session_attrs=read-write"}, "migrate")
	if got.failed {
		t.Error(got.stderr)
	}
}

// The wait ends at its limit, at a signal, and at an error that waiting cannot mend.
func TestStart_WaitIsBounded(t *testing.T) {
	t.Parallel()
	const refused = "127.0.0.1:1"
	for _, args := range []string{"serve", "migrate", "key list"} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			env := append(newCA(t), "CERTCTL_DATABASE_URL=postgres://u:secret@"+refused+"/db")
			if args != "key list" { // it does not wait
				env = append(env, "CERTCTL_DATABASE_WAIT=1s500ms")
			}
			got := runCertctl(t, t.TempDir(), env, strings.Fields(args)...)
			if !got.failed || !strings.HasSuffix(got.stderr, "certctl: error: CERTCTL_DATABASE_URL: no database listens at "+refused+"\n") || strings.Contains(got.stderr, "secret") ||
				strings.Contains(got.stderr, "waiting for the database") != (args != "key list") {
				t.Errorf("%+v", got)
			}
		})
	}
	t.Run("a wrong password", func(t *testing.T) {
		t.Parallel()
		parsed, err := url.Parse(newRoles(t).ownerURL)
		if err != nil {
			t.Fatal(err)
		}
		parsed.User = url.UserPassword(parsed.User.Username(), "wrong")
		got := runCertctl(t, t.TempDir(), append(newCA(t), "CERTCTL_DATABASE_URL="+parsed.String()), "serve")
		if !got.failed || !strings.Contains(got.stderr, "the password is wrong") || strings.Contains(got.stderr, "waiting for the database") {
			t.Errorf("%+v", got)
		}
	})
	t.Run("a signal", func(t *testing.T) {
		t.Parallel()
		proxy := servertest.NewProxy(t, newRoles(t).ownerURL)
		proxy.Refuse()
		cmd := newCommand(t, t.Context(), t.TempDir(), append(newCA(t), "CERTCTL_DATABASE_URL="+proxy.URL), "serve")
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		servertest.WaitUntil(t, func() error {
			if proxy.CountRefused() < 2 {
				return errors.New("the program does not try to connect")
			}
			return nil
		})
		if err := errors.Join(cmd.Process.Signal(syscall.SIGHUP), cmd.Process.Signal(syscall.SIGTERM)); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		select {
		case <-ended:
		case <-time.After(time.Minute):
			t.Fatal("the process did not end")
		}
		if !strings.Contains(stderr.String(), "stopped while waiting") {
			t.Errorf("%s", &stderr)
		}
	})
}
