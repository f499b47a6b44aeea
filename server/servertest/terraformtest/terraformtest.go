// Package terraformtest runs the real terraform, or OpenTofu, and the provider as separate processes. A test can interrupt,
// kill and upgrade them. TF_ACC_TERRAFORM_PATH is the path of terraform.
package terraformtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// RunMain runs the tests of a package. Without Terraform it fails with instructions: plugin-testing would download one.
func RunMain(m *testing.M) {
	if err := prepareEnvironment(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func prepareEnvironment() error {
	if os.Getenv("TF_ACC") == "" {
		if os.Getenv("CI") != "" {
			return fmt.Errorf("TF_ACC is not set: in CI the acceptance tests must run; use make test")
		}
		return nil
	}
	if os.Getenv("TF_ACC_TERRAFORM_PATH") == "" {
		terraform, err := exec.LookPath("terraform")
		if err != nil {
			return fmt.Errorf("the acceptance tests need Terraform: put terraform into PATH, or set TF_ACC_TERRAFORM_PATH: %w", err)
		}
		if err := os.Setenv("TF_ACC_TERRAFORM_PATH", terraform); err != nil {
			return err
		}
	}
	return ignoreUserConfiguration()
}

// ignoreUserConfiguration hides the user's mirrors, overrides, missing files and servers from the tests.
func ignoreUserConfiguration() error {
	for _, name := range []string{"CERTCTL_ENDPOINT", "CERTCTL_API_KEY", "CERTCTL_CA_FILE", "CERTCTL_CHANGE_REASON", "CERTCTL_RESUBMIT_REJECTED"} {
		if err := os.Unsetenv(name); err != nil {
			return err
		}
	}
	return os.Setenv("TF_CLI_CONFIG_FILE", os.DevNull)
}

// Workspace is a directory in which terraform runs with the provider's binary. Both are separate processes that a test can
// interrupt and kill.
type Workspace struct {
	Dir string
	Env []string
}

// Provider is the block that each configuration needs.
const Provider = `
terraform {
  required_providers {
    certctl = {
      source = "certctl/certctl"
    }
  }
}
`

// New returns an empty workspace with a key, on the server behind the endpoint. It has none of the user's settings.
func New(t testing.TB, endpoint, key string) Workspace {
	t.Helper()
	w := Workspace{Dir: t.TempDir()}
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "TF_") && !strings.HasPrefix(v, "CERTCTL_") {
			w.Env = append(w.Env, v)
		}
	}
	w.Env = append(w.Env, "TF_CLI_CONFIG_FILE="+filepath.Join(binaries.dir, "terraform.rc"), "CHECKPOINT_DISABLE=1",
		"CERTCTL_ENDPOINT="+endpoint, "CERTCTL_API_KEY="+key)
	return w
}

// Configure replaces the configuration.
func (w Workspace) Configure(t testing.TB, configuration string) {
	t.Helper()
	w.Write(t, "main.tf", Provider+configuration)
}

// Write writes another file of the configuration.
func (w Workspace) Write(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(w.Dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Process is a running terraform.
type Process struct {
	cmd *exec.Cmd
	out *output
}

// Start starts a command in a process group, as a terminal does.
func (w Workspace) Start(t testing.TB, args ...string) Process {
	t.Helper()
	p := Process{exec.CommandContext(t.Context(), os.Getenv("TF_ACC_TERRAFORM_PATH"), args...), &output{}}
	p.cmd.Dir, p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = w.Dir, w.Env, p.out, p.out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.cmd.WaitDelay = 10 * time.Second
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return p
}

// Signal sends a signal to terraform and its provider, as Ctrl-C does.
func (p Process) Signal(t testing.TB, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(-p.cmd.Process.Pid, s); err != nil {
		t.Fatal(err)
	}
}

// Interrupt sends Ctrl-C and waits until terraform reports it.
func (p Process) Interrupt(t testing.TB) {
	t.Helper()
	p.Signal(t, syscall.SIGINT)
	servertest.WaitUntil(t, func() error {
		if !strings.Contains(p.out.String(), "Interrupt received") {
			return errors.New("terraform ignores the interrupt")
		}
		return nil
	})
	time.Sleep(200 * time.Millisecond) // terraform interrupts the provider within this time, without output
}

// Wait returns the output and the exit code.
func (p Process) Wait(t testing.TB) (string, int) {
	t.Helper()
	err := p.cmd.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatal(err, p.out)
	} else if ok {
		return p.out.String(), exit.ExitCode()
	}
	return p.out.String(), 0
}

// Run runs a command, and fails unless it ends with an exit code.
func (w Workspace) Run(t testing.TB, code int, args ...string) string {
	t.Helper()
	out, got := w.Start(t, args...).Wait(t)
	if got != code {
		t.Fatalf("terraform %s: exit code %d, want %d\n%s", strings.Join(args, " "), got, code, out)
	}
	return out
}

// Apply applies without asking.
var Apply = []string{"apply", "-auto-approve", "-no-color"}

// ExpectNoChanges fails the test unless the plan is empty.
func (w Workspace) ExpectNoChanges(t testing.TB) {
	t.Helper()
	w.Run(t, 0, "plan", "-no-color", "-detailed-exitcode")
}

// Resource is a resource in the state.
type Resource struct {
	Address string
	Tainted bool
	Values  map[string]any
}

// State returns the resources in the state by their address.
func (w Workspace) State(t testing.TB) map[string]Resource {
	t.Helper()
	var answer struct {
		Values struct {
			RootModule struct{ Resources []Resource } `json:"root_module"`
		}
	}
	out := w.Run(t, 0, "show", "-json")
	if err := json.Unmarshal([]byte(out), &answer); err != nil {
		t.Fatal(err, out)
	}
	all := map[string]Resource{}
	for _, r := range answer.Values.RootModule.Resources {
		all[r.Address] = r
	}
	return all
}

// output collects the output of a Process.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// frame matches the lines that terraform draws beside an error.
var frame = regexp.MustCompile(`(?m)^[│╷╵] ?`)

// RemoveFrames returns the output of terraform without frames.
func RemoveFrames(out string) string { return frame.ReplaceAllString(out, "") }

// JoinLines returns the output of terraform without frames, in one line.
func JoinLines(out string) string {
	return strings.Join(strings.Fields(RemoveFrames(out)), " ")
}
