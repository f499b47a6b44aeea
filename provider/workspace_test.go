package provider_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
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

// workspace is a directory in which the terraform binary works with the provider's binary: the two are processes of
// their own, and can be interrupted and killed.
type workspace struct {
	dir string
	env []string
}

// binaries says that a test works with the binaries. Call it before t.Parallel: parallel tests begin when all that
// are not have ended, so each of them holds the same build.
func binaries(t testing.TB) {
	t.Helper()
	if os.Getenv("TF_ACC") == "" {
		t.Skip("needs Terraform: set TF_ACC=1")
	}
	built.Lock()
	defer built.Unlock()
	if built.users == 0 {
		built.dir, built.err = build()
	}
	built.users++
	t.Cleanup(func() {
		built.Lock()
		defer built.Unlock()
		if built.users--; built.users == 0 {
			_ = os.RemoveAll(built.dir)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
}

var built struct {
	sync.Mutex
	users int
	dir   string
	err   error
}

// build makes the provider, and the CLI configuration that points to it.
func build() (dir string, err error) {
	if dir, err = os.MkdirTemp("", "provider-"); err != nil {
		return "", err
	}
	cmd := exec.Command("go", "build", "-o", filepath.Join(dir, "terraform-provider-certctl"), "..")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return dir, fmt.Errorf("build the provider: %w\n%s", err, out)
	}
	return dir, os.WriteFile(filepath.Join(dir, "terraform.rc"), []byte(overrides(dir)), 0o600)
}

// overrides is a CLI configuration by which the provider is the binary in a directory.
func overrides(dir string) string {
	return fmt.Sprintf("provider_installation {\n  dev_overrides {\n    \"registry.terraform.io/certctl/certctl\" = %q\n    \"registry.opentofu.org/certctl/certctl\" = %[1]q\n  }\n}\n", dir)
}

const theProvider = `
terraform {
  required_providers {
    certctl = {
      source = "certctl/certctl"
    }
  }
}
`

// newWorkspace works on this configuration as the service terraform, on the server behind the endpoint.
func newWorkspace(t testing.TB, s *servertest.Server, endpoint, configuration string) workspace {
	t.Helper()
	w := workspace{dir: t.TempDir()}
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "TF_") && !strings.HasPrefix(v, "CERTCTL_") {
			w.env = append(w.env, v)
		}
	}
	w.env = append(w.env, "TF_CLI_CONFIG_FILE="+filepath.Join(built.dir, "terraform.rc"), "CHECKPOINT_DISABLE=1",
		"CERTCTL_ENDPOINT="+endpoint, "CERTCTL_API_KEY="+s.Key(t, "terraform"))
	w.configure(t, configuration)
	return w
}

// configure replaces the configuration.
func (w workspace) configure(t testing.TB, configuration string) {
	t.Helper()
	w.write(t, "main.tf", theProvider+configuration)
}

// write makes another file of the configuration.
func (w workspace) write(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// process is a terraform that runs.
type process struct {
	cmd *exec.Cmd
	out *output
}

// start begins a command in a process group of its own, as a terminal does.
func (w workspace) start(t testing.TB, args ...string) process {
	t.Helper()
	p := process{exec.CommandContext(t.Context(), os.Getenv("TF_ACC_TERRAFORM_PATH"), args...), &output{}}
	p.cmd.Dir, p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = w.dir, w.env, p.out, p.out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.cmd.WaitDelay = 10 * time.Second
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return p
}

// signal reaches terraform and its provider, as Ctrl-C does.
func (p process) signal(t testing.TB, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(-p.cmd.Process.Pid, s); err != nil {
		t.Fatal(err)
	}
}

// interrupt is Ctrl-C, taken note of.
func (p process) interrupt(t testing.TB) {
	t.Helper()
	p.signal(t, syscall.SIGINT)
	servertest.Eventually(t, func() error {
		if !strings.Contains(p.out.String(), "Interrupt received") {
			return errors.New("terraform takes no notice of an interrupt")
		}
		return nil
	})
	time.Sleep(200 * time.Millisecond) // until it has told the provider, of which nothing can be seen
}

// wait gives what it said, and its exit code.
func (p process) wait(t testing.TB) (string, int) {
	t.Helper()
	err := p.cmd.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatal(err, p.out)
	} else if ok {
		return p.out.String(), exit.ExitCode()
	}
	return p.out.String(), 0
}

// run is a whole command, which must end like this.
func (w workspace) run(t testing.TB, code int, args ...string) string {
	t.Helper()
	out, got := w.start(t, args...).wait(t)
	if got != code {
		t.Fatalf("terraform %s: exit code %d, want %d\n%s", strings.Join(args, " "), got, code, out)
	}
	return out
}

var apply = []string{"apply", "-auto-approve", "-no-color"}

// settled fails the test unless there is nothing left to do.
func (w workspace) settled(t testing.TB) {
	t.Helper()
	w.run(t, 0, "plan", "-no-color", "-detailed-exitcode")
}

// stored is a resource in the state.
type storedResource struct {
	Address string
	Tainted bool
	Values  map[string]any
}

// state gives the resources in it, by their address.
func (w workspace) state(t testing.TB) map[string]storedResource {
	t.Helper()
	var shown struct {
		Values struct {
			RootModule struct{ Resources []storedResource } `json:"root_module"`
		}
	}
	out := w.run(t, 0, "show", "-json")
	if err := json.Unmarshal([]byte(out), &shown); err != nil {
		t.Fatal(err, out)
	}
	all := map[string]storedResource{}
	for _, r := range shown.Values.RootModule.Resources {
		all[r.Address] = r
	}
	return all
}

// output is what a process has said until now.
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

// frame is what terraform draws left of an error.
var frame = regexp.MustCompile(`(?m)^[│╷╵] ?`)

// prose is what terraform said, in one line.
func prose(out string) string {
	return strings.Join(strings.Fields(frame.ReplaceAllString(out, "")), " ")
}

// An error about what exists already: whose, and what to paste.
var existing = regexp.MustCompile(`(?s)\n  with ([^,\n]+),\n.*?\n(  import \{\n.*?\n  \}\n)`)

// imports gives the import blocks in the errors by the address of the resource.
func imports(out string) map[string]string {
	blocks := map[string]string{}
	for _, m := range existing.FindAllStringSubmatch(frame.ReplaceAllString(out, ""), -1) {
		blocks[m[1]] = toAddress.ReplaceAllString(m[2], "to = "+m[1]+"\n")
	}
	return blocks
}

var toAddress = regexp.MustCompile(`to = .*\n`)

func joined(blocks map[string]string) string {
	var all strings.Builder
	for block := range maps.Values(blocks) {
		all.WriteString(block)
	}
	return all.String()
}

// proxy stands between a provider and a server. It counts what the server did, and may keep the answer.
type proxy struct {
	URL string

	mu      sync.Mutex
	done    map[string]int                       // by method and address
	answers func(r *http.Request, nth int) error // before the answer goes on; an error breaks the connection
}

func newProxy(t testing.TB, s *servertest.Server) *proxy {
	t.Helper()
	target, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{done: map[string]int{}}
	server := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite:        func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport:      &http.Transport{MaxIdleConnsPerHost: 100},
		ModifyResponse: func(resp *http.Response) error { return p.answer(resp.Request) },
		ErrorHandler:   func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	})
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	p.URL = server.URL
	return p
}

func (p *proxy) answer(r *http.Request) error {
	p.mu.Lock()
	key := r.Method + " " + r.URL.RequestURI()
	p.done[key]++
	nth, answers := p.done[key], p.answers
	p.mu.Unlock()
	if answers == nil {
		return nil
	}
	return answers(r, nth)
}

// then sets what happens to answers from now on.
func (p *proxy) then(answers func(r *http.Request, nth int) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answers = answers
}

// count gives how many requests of this kind the server has done.
func (p *proxy) count(key string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.done[key]
}

// total gives how many requests the server has done, of all kinds.
func (p *proxy) total() (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, k := range p.done {
		n += k
	}
	return n
}

// dam keeps answers back.
type dam struct {
	held chan struct{} // one for each answer
	open chan struct{} // closed, it lets all go on
}

// hold keeps back the answers to this kind of request, after the first few.
func (p *proxy) hold(key string, after int) dam {
	d := dam{make(chan struct{}, 1000), make(chan struct{})}
	p.then(func(r *http.Request, nth int) error {
		if r.Method+" "+r.URL.RequestURI() != key || nth <= after {
			return nil
		}
		d.held <- struct{}{}
		select {
		case <-d.open:
			return nil
		case <-r.Context().Done(): // whoever asked has gone
			return r.Context().Err()
		}
	})
	return d
}

// wait returns when so many answers are kept back.
func (d dam) wait(t testing.TB, n int) {
	t.Helper()
	late := time.After(2 * time.Minute)
	for range n {
		select {
		case <-d.held:
		case <-late:
			t.Fatalf("not %d answers to hold", n)
		}
	}
}
