package people_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/certctl/terraform-provider-certctl/server/commands"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

var update = flag.Bool("update", false, "write the golden files")

// TestMain runs the command itself if the environment says so.
func TestMain(m *testing.M) {
	if os.Getenv("CERTCTL_RUN_MAIN") == "1" {
		_ = os.Unsetenv("CERTCTL_RUN_MAIN")
		commands.Main("dev")
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// user is somebody with a home directory and an environment.
type user struct {
	home string
	env  []string
}

// newUser returns somebody who is not signed in.
func newUser(t *testing.T) user {
	t.Helper()
	return user{home: t.TempDir()}
}

// as returns somebody whose environment has the server and their key.
func as(t *testing.T, s *servertest.Server, principal string) user {
	t.Helper()
	return newUser(t).with("CERTCTL_ENDPOINT="+s.URL, "CERTCTL_API_KEY="+s.Key(t, principal))
}

// with returns the user with more variables.
func (u user) with(env ...string) user {
	u.env = append(append([]string{}, u.env...), env...)
	return u
}

// command returns certctl with arguments.
func (u user) command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return u.with("CERTCTL_RUN_MAIN=1").program(t, self, args...)
}

// program returns a program in the home directory and the environment of the user.
func (u user) program(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = u.home
	// GORACE: otherwise the race detector sleeps for a second before the program exits.
	cmd.Env = append([]string{"GORACE=atexit_sleep_ms=0", "HOME=" + u.home, "PATH=" + os.Getenv("PATH"), "TERM=xterm"}, u.env...)
	return cmd
}

// result is what a command printed, and its exit code.
type result struct {
	stdout, stderr string
	code           int
}

// run runs a command without a terminal.
func (u user) run(t *testing.T, args ...string) result {
	t.Helper()
	return u.runWith(t, "", args...)
}

// runWith is run with a standard input.
func (u user) runWith(t *testing.T, stdin string, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := u.command(t, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	return result{code: exitCode(t, cmd.Run()), stdout: stdout.String(), stderr: stderr.String()}
}

func exitCode(t *testing.T, err error) int {
	t.Helper()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	if err != nil {
		t.Fatal(err)
	}
	return 0
}

// terminal is a command that runs in a terminal.
type terminal struct {
	t     *testing.T
	cmd   *exec.Cmd
	keys  *os.File
	ended chan struct{}

	mu     sync.Mutex
	screen bytes.Buffer
}

// start runs certctl in a terminal of a number of columns.
func (u user) start(t *testing.T, columns int, args ...string) *terminal {
	t.Helper()
	return startIn(t, columns, u.command(t, args...))
}

// startIn runs a program in a terminal.
func startIn(t *testing.T, columns int, cmd *exec.Cmd) *terminal {
	t.Helper()
	x := &terminal{t: t, cmd: cmd, ended: make(chan struct{})}
	var err error
	if x.keys, err = pty.StartWithSize(x.cmd, &pty.Winsize{Rows: 24, Cols: uint16(columns)}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.keys.Close() })
	go func() {
		defer close(x.ended)
		part := make([]byte, 4096)
		for {
			n, err := x.keys.Read(part)
			x.mu.Lock()
			x.screen.Write(part[:n])
			x.mu.Unlock()
			if err != nil {
				return // the command has ended
			}
		}
	}()
	return x
}

// text is all that the terminal shows so far.
func (x *terminal) text() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return strings.ReplaceAll(x.screen.String(), "\r\n", "\n")
}

// waitFor waits until the terminal shows a text.
func (x *terminal) waitFor(text string) {
	x.t.Helper()
	servertest.WaitUntil(x.t, func() error {
		select {
		case <-x.ended:
			if !strings.Contains(x.text(), text) {
				x.t.Fatalf("the command ended without %q:\n%s", text, x.text())
			}
		default:
		}
		if !strings.Contains(x.text(), text) {
			return fmt.Errorf("the terminal does not show %q:\n%s", text, x.text())
		}
		return nil
	})
}

// press types keys.
func (x *terminal) press(keys string) {
	x.t.Helper()
	if _, err := x.keys.WriteString(keys); err != nil {
		x.t.Fatal(err)
	}
}

// end waits until the command ends. Standard output and standard error are one.
func (x *terminal) end() result {
	x.t.Helper()
	<-x.ended
	return result{code: exitCode(x.t, x.cmd.Wait()), stdout: x.text()}
}

// runIn runs a command in a terminal until it ends.
func (u user) runIn(t *testing.T, columns int, args ...string) result {
	t.Helper()
	return u.start(t, columns, args...).end()
}

var (
	randomID  = regexp.MustCompile(`\b(ar-|job-)[a-z2-7]{16}\b`)
	randomHex = regexp.MustCompile(`\b[0-9a-f]{10,}\b(\n +[0-9a-f]+\b)*`)
	hexDigit  = regexp.MustCompile(`[0-9a-f]`)
	instant   = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`)
	local     = regexp.MustCompile(`http://127\.0\.0\.1:\d+`)
	keyID     = regexp.MustCompile(`\b[a-z2-7]{16} \(from`)
)

// normalize makes the output of two runs equal and keeps its width. An id becomes its number.
func normalize(text string) string {
	numbers := map[string]int{}
	text = randomID.ReplaceAllStringFunc(text, func(id string) string {
		if numbers[id] == 0 {
			numbers[id] = len(numbers) + 1
		}
		prefix, _, _ := strings.Cut(id, "-")
		return fmt.Sprintf("%s-%s%d", prefix, strings.Repeat("m", 15), numbers[id])
	})
	text = randomHex.ReplaceAllStringFunc(text, func(hex string) string { return hexDigit.ReplaceAllString(hex, "f") })
	text = keyID.ReplaceAllString(text, "mmmmmmmmmmmmmmmm (from")
	text = local.ReplaceAllString(text, "http://127.0.0.1:8080")
	return instant.ReplaceAllString(text, "2026-01-05T09:00:00Z")
}

// checkGolden compares output with a golden file. With -update it writes the file.
func checkGolden(t *testing.T, name, output string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	output = normalize(output)
	if *update {
		if err := os.WriteFile(path, []byte(output), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != output {
		t.Errorf("%s: go test ./server/people -update writes it\ngot:\n%s\nwant:\n%s", path, output, want)
	}
}

// get returns the body of an answer of the server.
func get(t *testing.T, s *servertest.Server, principal, path string) []byte {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.Key(t, principal))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return body
}
