package rest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/commands"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// TestMain runs the command itself if the environment says so: the examples call certctl.
func TestMain(m *testing.M) {
	if os.Getenv("CERTCTL_RUN_MAIN") == "1" {
		_ = os.Unsetenv("CERTCTL_RUN_MAIN")
		commands.Main("test")
		os.Exit(0)
	}
	os.Exit(m.Run())
}

const (
	apiPage = "../../../docs/server/api.md"
	csrPage = "../../../docs/server/csr-sources.md"
	dayPage = "../../../docs/server/day-two.md"
)

// Every example of the API's page runs as written and prints what the page shows. Every operation has an example.
func TestPages_API_ShowsWhatItsExamplesPrint(t *testing.T) {
	stored := readText(t, apiPage)
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		checkExamples(t, s, apiPage, stored, t.TempDir())
		routes := listAnsweredRoutes(t, s)
		for _, op := range listOperations(t) {
			if !slices.Contains(routes, op.method+" "+op.path) {
				t.Errorf("%s has no example", op.id)
			}
		}
	})
}

// Every example of the page about CSRs runs as written and prints what the page shows. The files of the tools that no test
// can run are those of the manifest.
func TestPages_CSRSources_ShowsWhatItsExamplesPrint(t *testing.T) {
	stored := readText(t, csrPage)
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS("../../../rules/testdata/csr")); err != nil {
			t.Fatal(err)
		}
		checkExamples(t, s, csrPage, stored, dir)
	})
}

// Every example of the page about a small team runs as written and prints what the page shows. The commands run on the
// server's database.
func TestPages_DayTwo_ShowsWhatItsExamplesPrint(t *testing.T) {
	stored := readText(t, dayPage)
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		checkExamples(t, s, dayPage, stored, t.TempDir())
	}, servertest.RenewalInterval(100*time.Millisecond))
}

// checkExamples runs the examples of a page in a directory and compares what they print. With -update it writes the page.
func checkExamples(t *testing.T, s *servertest.Server, path, stored, dir string) {
	t.Helper()
	page := readPage(stored)
	n := normalizer{epoch: s.Clock.Now(), numbers: map[string]string{}, counts: map[string]int{}}
	for i, output := range runShellIn(t, s, dir, page.commands()) {
		page.parts[page.examples[i]].output = n.normalize(output)
	}
	page.checkStored(t, path, stored, *update && s.Store.IsSQLite())
}

// checkStored compares a page with the stored text, or writes it.
func (p *page) checkStored(t *testing.T, path, stored string, write bool) {
	t.Helper()
	generated := p.String()
	if write {
		if err := os.WriteFile(path, []byte(generated), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if generated != stored && !*update {
		t.Errorf("%s does not show what its examples print: run make generate\n%s", path, findDifference(stored, generated))
	}
}

func readText(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The commands of the README run as written. Only the placeholder of the approval id is replaced.
func TestPages_README_HasCommandsThatWork(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) { checkPlaybook(t, s) })
}

// checkPlaybook runs the commands of the README, with more variables.
func checkPlaybook(t *testing.T, s *servertest.Server, env ...string) {
	t.Helper()
	_, section, _ := strings.Cut(readText(t, "../../../README.md"), "## Decide on requests")
	block, query := examplePattern.FindStringSubmatch(section), productionQuery.FindStringSubmatch(section)
	if block == nil || query == nil {
		t.Fatal("the README has no commands to decide with")
	}
	waiting, approval := createPlaybookRequest(t, s)
	steps := strings.Split(strings.TrimSpace(strings.ReplaceAll(block[1], "ar-abc123", approval)), "\n")
	outputs := runShellWith(t, s, steps[:4], env...)
	s.WaitUntilFinalAsVera(t, waiting.ID)
	outputs = append(outputs, runShellWith(t, s, steps[4:], env...)...)
	for i, want := range [][]string{
		{approval, `"state": "pending"`},
		{approval, `"common_name": "foo.example.com"`, `"sans": [`, `"requested_by": "terraform"`},
		{`"state":"approved"`, `"decided_by":"bob"`, `"note":"approved per ticket SECOPS-12345"`},
		{`"id": "` + waiting.ID + `"`, `"type": "Issuance"`, `"status": "`},
		{`"status":"AwaitingApproval"`, `"type":"Renewal"`, `"certificate_id":"mc-foo"`},
		{`"name":"Production CDN"`, `"requires_approval":true`, `"version":2`},
	} {
		for _, words := range want {
			if !strings.Contains(outputs[i], words) {
				t.Errorf("%s\nprints no %s: %s", steps[i], words, outputs[i])
			}
		}
	}
	bypassed := -1
	if s.Query(t, &bypassed, query[1]); bypassed != 0 {
		t.Errorf("the production check says %d", bypassed)
	}
}

var productionQuery = regexp.MustCompile("(?s)```sql\n(.*?);\n```")

// createPlaybookRequest makes the objects of the commands: a waiting request for mc-foo, and a profile without a gate.
func createPlaybookRequest(t *testing.T, s *servertest.Server) (waiting api.Job, approvalID string) {
	t.Helper()
	gated := s.CreateProfileAsOlga(t, true)
	for _, call := range []struct{ path, body string }{
		{"/api/v1/profiles", `{"id":"p-prod-cdn","name":"CDN","allowed_dns_names":["**.example.com"]}`},
		{"/api/v1/certificates", toJSON(map[string]any{
			"id": "mc-foo", "profile_id": gated.ID, "common_name": "foo.example.com", "sans": []string{"foo.example.com"}, "csr_pem": servertest.CSR(t),
		})},
	} {
		decodeSuccess[any](t, send(t, s, "terraform", "POST", call.path, call.body), 201)
	}
	waiting = decodeSuccess[api.Job](t, send(t, s, "terraform", "POST", "/api/v1/certificates/mc-foo/renew", ""), 202)
	return waiting, *waiting.ApprovalID
}

// The script of the operator's page writes each event, in the order of the trail, and goes on after it was killed.
func TestPages_Operating_ScriptFollowsTheAuditTrail(t *testing.T) {
	script := regexp.MustCompile("(?s)```bash\n(#!/usr/bin/env bash\n# follow.sh.*?)```").FindStringSubmatch(readText(t, "../../../docs/server/operating.md"))
	if script == nil {
		t.Fatal("the page has no script")
	}
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		dir := t.TempDir()
		s.Key(t, "audrey")
		for range 3 {
			s.CreateProfileAsOlga(t, false)
			var trail []string
			s.Query(t, &trail, "SELECT id FROM audit_events ORDER BY position, id")
			ctx, stop := context.WithCancel(t.Context())
			cmd := exec.CommandContext(ctx, "bash", "-c", "sleep() { command sleep 0.05; }\n"+strings.Replace(script[1], "limit=500", "limit=4", 1))
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "URL="+s.URL, "AUDITOR_API_KEY="+s.Key(t, "audrey"))
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) } // with curl and jq
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			servertest.WaitUntil(t, func() error { return compareEvents(t, filepath.Join(dir, "events.ndjson"), trail) })
			stop()
			_ = cmd.Wait() // an error, since it was stopped
		}
	}, servertest.NoWorkers())
}

// compareEvents compares the ids in a file of events with the trail. A killed script may repeat events.
func compareEvents(t *testing.T, path string, trail []string) error {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	var ids []string
	for line := range strings.Lines(string(text)) {
		var e struct{ ID, Source string }
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			return fmt.Errorf("%s: %w", line, err) // it is being written
		}
		if e.Source == "certctl" && !slices.Contains(ids, e.ID) {
			ids = append(ids, e.ID)
		}
	}
	if !slices.Equal(ids, trail) {
		return fmt.Errorf("the script wrote %v of %v", ids, trail)
	}
	return nil
}

// page is a Markdown text. Its examples are blocks of bash. A block of output may follow an example.
type page struct {
	parts    []part
	examples []int // the parts that are examples
}

type part struct{ text, output string }

var examplePattern = regexp.MustCompile("(?s)```bash\n(.*?)```\n(?:\n```(?:json|text)\n.*?```\n)?")

func readPage(text string) *page {
	p := &page{}
	for text != "" {
		at := examplePattern.FindStringSubmatchIndex(text)
		if at == nil {
			break
		}
		p.parts = append(p.parts, part{text: text[:at[0]]}, part{text: text[at[2]:at[3]]})
		p.examples = append(p.examples, len(p.parts)-1)
		text = text[at[1]:]
	}
	p.parts = append(p.parts, part{text: text})
	return p
}

func (p *page) commands() []string {
	commands := make([]string, len(p.examples))
	for i, at := range p.examples {
		commands[i] = p.parts[at].text
	}
	return commands
}

func (p *page) String() string {
	var b strings.Builder
	for i, part := range p.parts {
		switch {
		case !slices.Contains(p.examples, i):
			b.WriteString(part.text)
		case part.output == "":
			fmt.Fprintf(&b, "```bash\n%s```\n", part.text)
		default:
			language := "text"
			if strings.HasPrefix(part.output, "{") || strings.HasPrefix(part.output, "[") {
				language = "json"
			}
			fmt.Fprintf(&b, "```bash\n%s```\n\n```%s\n%s\n```\n", part.text, language, part.output)
		}
	}
	return b.String()
}

// runShellWith is runShellIn a new directory, with more variables.
func runShellWith(t *testing.T, s *servertest.Server, commands []string, env ...string) []string {
	t.Helper()
	return runShellIn(t, s, t.TempDir(), commands, env...)
}

// certctlFunction is the command as the examples call it: this program, on the server's database. Without GORACE the race
// detector sleeps for a second before the program exits.
const certctlFunction = `certctl() { CERTCTL_RUN_MAIN=1 GORACE=atexit_sleep_ms=0 "$TEST_PROGRAM" "$@"; }
`

// databaseVariables are the environment of a command on the server's database.
func databaseVariables(s *servertest.Server) []string {
	if database := s.Database(); database.URL != "" {
		return []string{"CERTCTL_DATABASE_URL=" + database.URL}
	}
	return []string{"CERTCTL_DATA_DIR=" + filepath.Dir(s.Database().Path)}
}

// runShellIn runs commands in one bash and returns the output of each. It sets URL, the keys of four people, and certctl.
func runShellIn(t *testing.T, s *servertest.Server, dir string, commands []string, env ...string) []string {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	variables := append(databaseVariables(s), "URL="+s.URL,
		"API_KEY="+s.Key(t, "alice"), "APPROVER_API_KEY="+s.Key(t, "bob"), "AUDITOR_API_KEY="+s.Key(t, "audrey"),
		"ADMIN_API_KEY="+s.Key(t, "adam"), "TEST_PROGRAM="+program)
	return runBash(t, dir, append(variables, env...), commands)
}

// runBash runs commands in one bash, which has certctl, and returns the output of each.
func runBash(t *testing.T, dir string, env, commands []string) []string {
	t.Helper()
	const end = "==== end of the example ===="
	script := "set -euo pipefail\n" + certctlFunction
	for _, command := range commands {
		script += command + "\necho '" + end + "'\n"
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute) // an example may wait for what never comes
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", script)
	cmd.Dir, cmd.WaitDelay = dir, time.Second
	cmd.Env = append(os.Environ(), env...)
	var failure bytes.Buffer
	cmd.Stderr = &failure
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("bash or a command of the page: %v\n%s\n%s", err, out, failure.String())
	}
	outputs := strings.Split(string(out), end+"\n")
	for i, output := range outputs {
		outputs[i] = strings.TrimSpace(output)
	}
	return outputs[:len(commands)]
}

// normalizer makes output the same in every run: times count from one day, and random ids become numbers.
type normalizer struct {
	epoch   time.Time
	numbers map[string]string // by id
	counts  map[string]int    // by prefix
}

var (
	instant    = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`)
	randomID   = regexp.MustCompile(`\b(ar-|job-|ev-|req-)(?:[0-9a-f]{30}|[a-z2-7]{16})\b`)
	keyID      = regexp.MustCompile(`"(key_id|id)": "[a-z2-7]{16}"`)
	keyIDs     = regexp.MustCompile(`(keys revoked: \d+) \([a-z2-7, ]+\)`)
	digits     = regexp.MustCompile(`\b([0-9a-f]{64}|[0-9a-f]{32})\b`)
	armour     = regexp.MustCompile(`(?s)(-----BEGIN [A-Z ]+-----)(\\n|\n).*?(-----END)`)
	cursor     = regexp.MustCompile(`after=[\w%-]+`)
	exampleDay = time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
)

func (r *normalizer) normalize(output string) string {
	output = instant.ReplaceAllStringFunc(output, func(text string) string {
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return text
		}
		return exampleDay.Add(at.Sub(r.epoch).Round(time.Hour)).Format(time.RFC3339)
	})
	output = randomID.ReplaceAllStringFunc(output, r.number)
	output = keyID.ReplaceAllString(output, `"$1": "<key id>"`)
	output = keyIDs.ReplaceAllString(output, "$1 (<key ids>)")
	output = armour.ReplaceAllString(output, "$1$2…$2$3")
	output = cursor.ReplaceAllString(output, "after=…")
	return digits.ReplaceAllStringFunc(output, func(hex string) string { return fmt.Sprintf("<%d hex digits>", len(hex)) })
}

func (r *normalizer) number(id string) string {
	if _, seen := r.numbers[id]; !seen {
		prefix, _, _ := strings.Cut(id, "-")
		r.counts[prefix]++
		r.numbers[id] = fmt.Sprintf("%s-%d", prefix, r.counts[prefix])
	}
	return r.numbers[id]
}

func findDifference(stored, generated string) string {
	a, b := strings.Split(stored, "\n"), strings.Split(generated, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("line %d\n-%s\n+%s", i+1, a[i], b[i])
		}
	}
	return fmt.Sprintf("%d and %d lines", len(a), len(b))
}

// listAnsweredRoutes returns the routes that the server answered with success, as "METHOD /template".
func listAnsweredRoutes(t *testing.T, s *servertest.Server) []string {
	t.Helper()
	families, err := s.App.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var routes []string
	for _, family := range families {
		if family.GetName() != "certctl_http_request_duration_seconds" {
			continue
		}
		for _, metric := range family.GetMetric() {
			labels := prometheus.Labels{}
			for _, pair := range metric.GetLabel() {
				labels[pair.GetName()] = pair.GetValue()
			}
			if strings.HasPrefix(labels["status"], "2") {
				routes = append(routes, labels["method"]+" "+labels["route"])
			}
		}
	}
	return routes
}
