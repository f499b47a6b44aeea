package commands

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/certctl/terraform-provider-certctl/client"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// TestMain runs the command itself if the environment says so.
func TestMain(m *testing.M) {
	if os.Getenv("CERTCTL_RUN_MAIN") == "1" {
		_ = os.Unsetenv("CERTCTL_RUN_MAIN")
		Main("dev")
		os.Exit(0)
	}
	os.Exit(m.Run())
}

type run struct {
	stdout, stderr string
	failed         bool
}

// certctl runs a command until it ends.
func certctl(t *testing.T, dir string, env []string, args ...string) run {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := command(t, ctx, dir, env, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if ctx.Err() != nil {
		t.Fatalf("certctl %v with %v did not end:\n%s", args, env, stderr.String())
	}
	return run{stdout.String(), stderr.String(), err != nil}
}

func command(t *testing.T, ctx context.Context, dir string, env []string, args ...string) *exec.Cmd {
	t.Helper()
	onPostgres := slices.ContainsFunc(env, func(v string) bool { return strings.HasPrefix(v, "CERTCTL_DATABASE_URL=postgres") })
	if !onPostgres && args[0] != "ca" { // making a CA takes no database
		servertest.NeedSQLite(t)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Dir = dir
	// With the race detector, a program sleeps for a second before it exits, unless it is told not to.
	cmd.Env = append([]string{"CERTCTL_RUN_MAIN=1", "PATH=" + os.Getenv("PATH"), "GORACE=atexit_sleep_ms=0"}, env...)
	return cmd
}

// serving is a server in its own process.
type serving struct {
	address, metrics string        // where it listens; metrics is empty if it does not
	log              *bytes.Buffer // to be read when it has stopped
	stop             func()        // ends it as an orchestrator would; its log is whole afterwards
}

// serve runs certctl serve on free ports, unless env says otherwise, until the test ends.
func serve(t *testing.T, dir string, env ...string) *serving {
	t.Helper()
	cmd := command(t, context.Background(), dir, append([]string{"CERTCTL_LISTEN=127.0.0.1:0", "CERTCTL_METRICS_LISTEN=127.0.0.1:0"}, env...), "serve")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &serving{log: &bytes.Buffer{}}
	listening, read := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(read)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			s.log.Write(append(lines.Bytes(), '\n'))
			var line struct{ Msg, Address, Metrics string }
			if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "listening" {
				s.address, s.metrics = line.Address, line.Metrics
				close(listening)
			}
		}
	}()
	s.stop = sync.OnceFunc(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		<-read
		if err := cmd.Wait(); err != nil {
			t.Errorf("the server ended with %v:\n%s", err, s.log)
		}
	})
	t.Cleanup(s.stop)
	select {
	case <-listening:
	case <-read:
		t.Fatalf("the server did not start with %v:\n%s", env, s.log)
	case <-time.After(time.Minute):
		t.Fatal("the server does not listen")
	}
	return s
}

func (s *serving) client(t *testing.T, key string) *client.Client {
	t.Helper()
	c, err := client.New("http://"+s.address, key, client.WithRetries(0))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// newCA makes a CA and returns the environment that names it.
func newCA(t *testing.T) []string {
	t.Helper()
	dir := t.TempDir()
	env := []string{"CERTCTL_CA_CERT_FILE=" + filepath.Join(dir, "ca.pem"), "CERTCTL_CA_KEY_FILE=" + filepath.Join(dir, "ca-key.pem")}
	if made := certctl(t, dir, env, "ca", "init"); made.failed {
		t.Fatal(made.stderr)
	}
	return env
}
