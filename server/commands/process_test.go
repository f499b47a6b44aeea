package commands

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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
	code := m.Run()
	removeFormerProgram()
	os.Exit(code)
}

// programVariable in the environment of a command names another program that runs it.
const programVariable = "TEST_PROGRAM"

// result is the output of a command that ended.
type result struct {
	stdout, stderr string
	failed         bool
}

// runCertctl runs a command until it ends.
func runCertctl(t *testing.T, dir string, env []string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := newCommand(t, ctx, dir, env, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if ctx.Err() != nil {
		t.Fatalf("certctl %v with %v did not end:\n%s", args, env, stderr.String())
	}
	return result{stdout.String(), stderr.String(), err != nil}
}

func newCommand(t *testing.T, ctx context.Context, dir string, env []string, args ...string) *exec.Cmd {
	t.Helper()
	onPostgres := slices.ContainsFunc(env, func(v string) bool { return strings.HasPrefix(v, "CERTCTL_DATABASE_URL=postgres") })
	if !onPostgres && !slices.Contains([]string{"ca", "completion"}, args[0]) { // these need no database
		servertest.NeedSQLite(t)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, variable := range env {
		if other, ok := strings.CutPrefix(variable, programVariable+"="); ok {
			program = other
		}
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	// GORACE: otherwise the race detector sleeps for a second before the program exits.
	cmd.Env = append([]string{"CERTCTL_RUN_MAIN=1", "PATH=" + os.Getenv("PATH"), "GORACE=atexit_sleep_ms=0"}, env...)
	return cmd
}

// process is a server in a process of its own.
type process struct {
	address, metrics string        // where the process listens; metrics is empty if it serves none
	log              *bytes.Buffer // complete after stop
	stop             func()        // ends the process with SIGTERM
	signal           func(os.Signal) error
}

// textForm is the line of a server that listens, in the format text.
var textForm = regexp.MustCompile(` msg=listening address=(\S+)(?: metrics=(\S+))?`)

// startServer runs certctl serve on free ports, unless env has others, until the test ends.
func startServer(t *testing.T, dir string, env ...string) *process {
	t.Helper()
	return startServerTo(t, nil, dir, env...)
}

// startServerTo is startServer with a standard output.
func startServerTo(t *testing.T, stdout io.Writer, dir string, env ...string) *process {
	t.Helper()
	cmd := newCommand(t, context.Background(), dir, append([]string{"CERTCTL_LISTEN=127.0.0.1:0", "CERTCTL_METRICS_LISTEN=127.0.0.1:0"}, env...), "serve")
	cmd.Stdout = stdout
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &process{log: &bytes.Buffer{}, signal: cmd.Process.Signal}
	listening, read := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(read)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			s.log.Write(append(lines.Bytes(), '\n'))
			var line struct{ Msg, Address, Metrics string }
			if text := textForm.FindStringSubmatch(lines.Text()); text != nil {
				line.Msg, line.Address, line.Metrics = "listening", text[1], text[2]
			}
			if line.Msg == "listening" || json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "listening" {
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

func (s *process) newClient(t *testing.T, key string) *client.Client {
	t.Helper()
	c, err := client.New("http://"+s.address, key, client.WithRetries(0))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// migrate makes the database of a test.
func migrate(t *testing.T, dir string, env []string) {
	t.Helper()
	if got := runCertctl(t, dir, env, "migrate"); got.failed {
		t.Fatal(got.stderr)
	}
}

// newCA makes a CA and returns the environment that names it.
func newCA(t *testing.T) []string {
	t.Helper()
	dir := t.TempDir()
	env := []string{"CERTCTL_CA_CERT_FILE=" + filepath.Join(dir, "ca.pem"), "CERTCTL_CA_KEY_FILE=" + filepath.Join(dir, "ca-key.pem")}
	if got := runCertctl(t, dir, env, "ca", "init"); got.failed {
		t.Fatal(got.stderr)
	}
	return env
}
