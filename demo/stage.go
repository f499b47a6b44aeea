package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
)

// stage has a temporary directory, a server, and the results that later steps need.
type stage struct {
	out  *screen
	dir  string
	keys map[string]string // by principal

	certctlPath, terraformPath string

	url        string // of the API
	metricsURL string
	server     *exec.Cmd
	stopped    chan error

	certificateID string
	names         []string
	publicKey     *ecdsa.PublicKey
	profileID     string
	jobID         string
	approvalID    string
	subject       api.IssuanceSubject
	rejectedID    string // the approval of the first edit
	editID        string // and of the newest
}

func newStage(certctl, provider, terraform string) (*stage, error) {
	s := &stage{
		out:           &screen{to: os.Stdout},
		keys:          map[string]string{},
		stopped:       make(chan error, 1),
		certificateID: "mc-shop",
		names:         []string{"shop.example.com", "www.shop.example.com"},
	}
	s.out.stage = s
	var err error
	if s.certctlPath, err = filepath.Abs(certctl); err != nil {
		return nil, err
	}
	if s.terraformPath, err = exec.LookPath(terraform); err != nil {
		return nil, err
	}
	if s.terraformPath, err = filepath.Abs(s.terraformPath); err != nil {
		return nil, err
	}
	if s.url, s.metricsURL, err = freeAddresses(); err != nil {
		return nil, err
	}
	if s.dir, err = os.MkdirTemp("", "certctl-demo-"); err != nil {
		return nil, err
	}
	if err := errors.Join(
		os.Mkdir(s.keyDir(), 0o700),
		os.Mkdir(s.terraformDir(), 0o700),
		s.installProvider(provider),
	); err != nil {
		return nil, errors.Join(err, s.strike())
	}
	return s, nil
}

// freeAddresses returns two free addresses. Both are taken at the same time, so they differ.
func freeAddresses() (first, second string, err error) {
	a, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", "", err
	}
	b, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", "", errors.Join(err, a.Close())
	}
	return "http://" + a.Addr().String(), "http://" + b.Addr().String(), errors.Join(a.Close(), b.Close())
}

func (s *stage) keyDir() string       { return filepath.Join(s.dir, "keys") }
func (s *stage) dataDir() string      { return filepath.Join(s.dir, "data") }
func (s *stage) terraformDir() string { return filepath.Join(s.dir, "terraform") }
func (s *stage) logFile() string      { return filepath.Join(s.dir, "server.log") }
func (s *stage) terraformRC() string  { return filepath.Join(s.dir, "terraform.rc") }

// environ is this machine's environment without variables of certctl or Terraform.
func environ(more ...string) []string {
	var env []string
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "CERTCTL_") && !strings.HasPrefix(e, "TF_") {
			env = append(env, e)
		}
	}
	return append(env, more...)
}

func (s *stage) serverEnv() []string {
	return environ(
		"CERTCTL_DATA_DIR="+s.dataDir(),
		"CERTCTL_LISTEN="+strings.TrimPrefix(s.url, "http://"),
		"CERTCTL_METRICS_LISTEN="+strings.TrimPrefix(s.metricsURL, "http://"),
	)
}

// certctl runs a command of the server's program and shows it.
func (s *stage) certctl(ctx context.Context, args ...string) (string, error) {
	s.command("certctl %s", quoted(args))
	out, err := s.quietly(ctx, args...)
	s.say("%s", strings.TrimSpace(out))
	return out, err
}

// quoted writes arguments for a shell. Patterns are quoted, because a shell would expand them.
func quoted(args []string) string {
	words := make([]string, len(args))
	for i, arg := range args {
		if words[i] = arg; strings.Contains(arg, "*") {
			words[i] = "'" + arg + "'"
		}
	}
	return strings.Join(words, " ")
}

func (s *stage) quietly(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, s.certctlPath, args...)
	cmd.Env = s.serverEnv()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("certctl %s: %w\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out), nil
}

// createKey keeps a principal's key in memory and in a file that only this user can read.
func (s *stage) createKey(ctx context.Context, principal string) error {
	s.command("certctl key create %s > keys/%s", principal, principal)
	out, err := s.quietly(ctx, "key", "create", principal)
	if err != nil {
		return err
	}
	key := strings.TrimSuffix(out, "\n")
	if !regexp.MustCompile(`^ctl_[^_\s]+_\S{32,}$`).MatchString(key) {
		return errors.New("expected: the key, alone, on standard output")
	}
	s.keys[principal] = key
	return os.WriteFile(filepath.Join(s.keyDir(), principal), []byte(key+"\n"), 0o600)
}

func (s *stage) hasKey(content []byte) bool {
	for _, key := range s.keys {
		if bytes.Contains(content, []byte(key)) {
			return true
		}
	}
	return false
}

// serve starts the server and waits until it is ready.
func (s *stage) serve(ctx context.Context) error {
	s.command("certctl serve &")
	log, err := os.Create(s.logFile())
	if err != nil {
		return err
	}
	defer log.Close()
	// Not bound to ctx: strike stops the server, and with KEEP=1 the server outlives the demo.
	s.server = exec.Command(s.certctlPath, "serve")
	s.server.Env = s.serverEnv()
	s.server.Stdout, s.server.Stderr = log, log
	began := time.Now()
	if err := s.server.Start(); err != nil {
		s.server = nil
		return err
	}
	go func() { s.stopped <- s.server.Wait() }()

	probe, err := client.New(s.url, "", client.WithRetries(0), client.WithTimeout(time.Second))
	if err != nil {
		return err
	}
	for time.Since(began) < 20*time.Second {
		select {
		case err := <-s.stopped:
			s.server = nil
			return fmt.Errorf("the server stopped: %w", err)
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
		if probe.GetReady(ctx) == nil {
			s.command("curl $URL/readyz")
			s.say("200 OK, %d ms after the start", time.Since(began).Milliseconds())
			return nil
		}
	}
	return errors.New("the server is not ready after 20 s")
}

// strike stops the server and removes the stage.
func (s *stage) strike() error {
	var err error
	if s.server != nil {
		err = s.server.Process.Signal(os.Interrupt)
		select {
		case stopped := <-s.stopped:
			err = errors.Join(err, stopped)
		case <-time.After(20 * time.Second):
			err = errors.Join(errors.New("the server did not stop within 20 s"), s.server.Process.Kill())
		}
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}

// logged shows the lines of the server's log with these words in them.
func (s *stage) logged(words ...string) (n int, err error) {
	s.command("grep '%s' server.log", words[0])
	content, err := os.ReadFile(s.logFile())
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(content)) {
		if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(line, w) }) {
			s.say("%s", line)
			n++
		}
	}
	return n, nil
}

// showLog prints the last lines that the server logged.
func (s *stage) showLog() {
	content, err := os.ReadFile(s.logFile())
	if err != nil {
		return
	}
	lines := strings.Split(strings.TrimSpace(string(content)), "\n")
	fmt.Fprintln(s.out, "\nThe last lines of the server's log:")
	for _, line := range lines[max(0, len(lines)-20):] {
		s.say("%s", line)
	}
}

// explain says how to reach the server that KEEP=1 left running. The server is for this demo alone, so its keys are shown.
func (s *stage) explain() {
	fmt.Printf(`
The server is still running (KEEP=1). A request waits for Bob. Open the console:

    %[1]s/

    Bob's key, who may decide:        %[9]s
    Alice's key, who requested it:    %[10]s

On the command line:

    export URL=%[1]s
    export API_KEY=$(cat %[2]s/alice) APPROVER_API_KEY=$(cat %[2]s/bob)
    CERTCTL_ENDPOINT=$URL CERTCTL_API_KEY=$APPROVER_API_KEY %[11]s approvals list
    curl -s "$URL/api/v1/approvals?state=pending" -H "Authorization: Bearer $API_KEY"
    curl -s "$URL/api/v1/audit-events" -H "Authorization: Bearer $(cat %[2]s/audrey)"
    curl -s %[8]s/metrics

Terraform:

    export CERTCTL_ENDPOINT=%[1]s CERTCTL_API_KEY=$(cat %[2]s/terraform)
    export TF_CLI_CONFIG_FILE=%[3]s
    cd %[4]s

The log is %[5]s. To stop the server and remove everything:

    kill %[6]d && rm -r %[7]s
`, s.url, s.keyDir(), s.terraformRC(), s.terraformDir(), s.logFile(), s.server.Process.Pid, s.dir, s.metricsURL, s.keys["bob"], s.keys["alice"], s.certctlPath)
}

// leaveRequest leaves a request for the console. One of its new names looks like a name of the certificate.
func (s *stage) leaveRequest(ctx context.Context) error {
	alice := s.newClient("alice", http.DefaultClient)
	c, err := alice.GetCertificate(ctx, s.certificateID)
	if err != nil {
		return err
	}
	c.SANs = append(c.SANs, "news.shop.example.com", "wvvw.shop.example.com")
	if _, err := alice.ReplaceCertificate(ctx, c.ID, c.CertificateSpec); err != nil {
		return err
	}
	_, err = alice.RenewCertificate(ctx, c.ID, api.Renew{Reason: "Names for the campaign."})
	return err
}

// openBrowser opens the console if there is a desktop. It fails silently: the address is printed anyway.
func (s *stage) openBrowser(ctx context.Context) {
	opener := "xdg-open"
	if runtime.GOOS == "darwin" {
		opener = "open"
	} else if os.Getenv("DISPLAY")+os.Getenv("WAYLAND_DISPLAY") == "" {
		return
	}
	_ = exec.CommandContext(ctx, opener, s.url+"/").Run()
}

// as returns a client with the key of a principal. Each request is shown.
func (s *stage) as(principal string) *client.Client {
	return s.newClient(principal, &http.Client{Transport: shown{s, principal}})
}

func (s *stage) newClient(principal string, h *http.Client) *client.Client {
	c, err := client.New(s.url, s.keys[principal], client.WithHTTPClient(h), client.WithRetries(0))
	if err != nil {
		panic(err) // freeAddresses made the address
	}
	return c
}

// awaitJob waits until the job is finished, and shows the last request only.
func (s *stage) awaitJob(ctx context.Context) (api.Job, error) {
	quiet := s.newClient("alice", http.DefaultClient)
	began := time.Now()
	for {
		job, err := quiet.GetJob(ctx, s.jobID)
		switch {
		case err != nil:
			return api.Job{}, err
		case job.FinishedAt != nil:
			s.say("the job finished within %d ms", time.Since(began).Milliseconds())
			return s.as("alice").GetJob(ctx, s.jobID)
		case time.Since(began) > 20*time.Second:
			return api.Job{}, fmt.Errorf("the job is still %s after 20 s", job.Status)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// shown prints each request as a curl command.
type shown struct {
	stage *stage
	who   string
}

// RoundTrip prints the request and the status of the answer.
func (t shown) RoundTrip(req *http.Request) (*http.Response, error) {
	curl := "curl"
	if req.Method != http.MethodGet {
		curl += " -X " + req.Method
	}
	curl += fmt.Sprintf(` "$URL%s" -H "Authorization: Bearer $%s_API_KEY"`, req.URL.RequestURI(), strings.ToUpper(t.who))
	if req.Body != nil {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		req.Body = io.NopCloser(bytes.NewReader(body))
		if len(body) > 0 {
			curl += fmt.Sprintf(` -H "Content-Type: application/json" -d '%s'`, shorten(body))
		}
	}
	t.stage.command("%s", curl)
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err == nil {
		t.stage.say("%d %s", resp.StatusCode, http.StatusText(resp.StatusCode))
	}
	return resp, err
}

// shorten cuts long texts in a body, such as a CSR, and leaves out what is empty or the default.
func shorten(body []byte) string {
	return regexp.MustCompile(`\\n[^"]{60,}"`).ReplaceAllString(string(body), `..."`)
}

// show prints some fields of an answer.
func (s *stage) show(answer any, fields ...string) {
	b, err := json.Marshal(answer)
	if err != nil {
		panic(err) // the answer was JSON
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(b, &all); err != nil {
		panic(err)
	}
	for _, f := range fields {
		s.say("  %-20s %s", f, all[f])
	}
}

func (s *stage) command(format string, args ...any) {
	fmt.Fprintf(s.out, "\n$ "+format+"\n", args...)
}

func (s *stage) say(format string, args ...any) {
	for line := range strings.Lines(strings.TrimRight(fmt.Sprintf(format, args...), "\n")) {
		fmt.Fprintln(s.out, strings.TrimRight("  "+line, " \n"))
	}
}

// screen is the standard output. If an API key is written to it, the key is not printed and the demo fails.
type screen struct {
	to     io.Writer
	stage  *stage
	leaked bool
}

// Write prints p.
func (w *screen) Write(p []byte) (int, error) {
	text := string(p)
	for _, key := range w.stage.keys {
		text = strings.ReplaceAll(text, key, "[API key]")
	}
	w.leaked = w.leaked || text != string(p)
	if _, err := io.WriteString(w.to, text); err != nil {
		return 0, err
	}
	return len(p), nil
}

// databaseFile is the SQLite file that the server made.
func (s *stage) databaseFile() string { return filepath.Join(s.dataDir(), "certctl.db") }

// ca is the certificate of the CA that the server made.
func (s *stage) ca() (*x509.Certificate, error) {
	content, err := os.ReadFile(filepath.Join(s.dataDir(), "ca.pem"))
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(content)
	if block == nil {
		return nil, errors.New("expected: a PEM block in ca.pem")
	}
	return x509.ParseCertificate(block.Bytes)
}
