package policy_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/certctl/terraform-provider-certctl/server/servertest"
	"github.com/certctl/terraform-provider-certctl/server/servertest/terraformtest"
)

var update = flag.Bool("update", false, "write the plans anew")

func TestMain(m *testing.M) { terraformtest.RunMain(m) }

// fixture is a plan that Terraform made, and the parameters with which it is judged.
type fixture struct {
	Plan       json.RawMessage `json:"plan"`
	Parameters map[string]any  `json:"parameters,omitempty"`
}

// engine is where the plans of the Terraform at hand are kept: OpenTofu writes others.
func engine(t testing.TB) string {
	t.Helper()
	if strings.Contains(terraformtest.New(t, "", "").Run(t, 0, "version"), "OpenTofu") {
		return "opentofu"
	}
	return "terraform"
}

// keptFor are the engines whose plan of a scenario is in testdata.
func keptFor(name string) []string { return scenarios()[name].kept }

func keptFile(engine, name string) string { return filepath.Join("testdata", engine, name+".json") }

func keptPlan(t testing.TB, engine, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(keptFile(engine, name))
	if err != nil {
		t.Fatalf("%v: run make fixtures", err)
	}
	return content
}

// The plans that are kept are those that Terraform makes today, but for ids and times. With -update they are written anew.
func TestFixtures(t *testing.T) {
	terraformtest.UseBinaries(t)
	t.Parallel()
	engine := engine(t)
	for name, sc := range planned() {
		if !slices.Contains(sc.kept, engine) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, sc)
			plan := normalised(t, s, sc.plan(t, s))
			if *update {
				write(t, keptFile(engine, name), plan)
			}
			if diff := cmp.Diff(string(keptPlan(t, engine, name)), string(plan)); diff != "" {
				t.Errorf("Terraform makes another plan now: run make fixtures, and look at what changed.\n%s", diff)
			}
		})
	}
}

func newScene(t testing.TB, sc scenario) *scene {
	t.Helper()
	s := servertest.New(t, sc.options...)
	return &scene{s, strings.Replace(s.URL, "127.0.0.1", "localhost", 1)}
}

// plan makes it, as terraform show -json shows it.
func (sc scenario) plan(t testing.TB, s *scene) []byte {
	t.Helper()
	w := terraformtest.New(t, s.URL, s.Key(t, "terraform"))
	w.Env = append(w.Env, "TF_VAR_other="+s.other)
	w.Write(t, "www.csr", servertest.CSR(t))
	w.Write(t, "provider.tf", required)
	if sc.first != "" {
		w.Write(t, "main.tf", sc.first+variables)
		w.Run(t, 0, terraformtest.Apply...)
	}
	if sc.waits != nil {
		sc.waits(t, s)
	}
	w.Write(t, "main.tf", sc.then+variables)
	for name, text := range sc.files {
		if err := os.MkdirAll(filepath.Join(w.Dir, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		w.Write(t, name, text)
	}
	if strings.Contains(sc.then, "module ") {
		w.Run(t, 0, "get")
	}
	w.Run(t, 0, append([]string{"plan", "-no-color", "-out=plan"}, sc.args...)...)
	return []byte(w.Run(t, 0, "show", "-json", "plan"))
}

// madeAt is when each plan was made, after normalising.
var madeAt = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

var (
	aTime    = regexp.MustCompile(`"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z"`)
	anAge    = regexp.MustCompile(`"((?:oldest_)?age_seconds)": (\d+)`)
	anID     = regexp.MustCompile(`\b(ar|job|p|mc)-[a-z2-7]{16}\b`)
	aHash    = regexp.MustCompile(`\b[0-9a-f]{64}\b`)
	aUUID    = regexp.MustCompile(`\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b`)
	aCSR     = regexp.MustCompile(`-----BEGIN CERTIFICATE REQUEST-----[^"]*`)
	aVersion = regexp.MustCompile(`"(terraform_version|server_version)": "[^"]*"`)
)

// normalised returns a plan that is the same in every run. All times are moved together, so that the plan was made at
// madeAt, and are whole minutes. So the policies compare the same intervals.
func normalised(t testing.TB, s *scene, plan []byte) []byte {
	t.Helper()
	var v object
	decode(t, plan, &v)
	made := timestamp(t, v)
	prune(v)
	var indented bytes.Buffer
	encoder := json.NewEncoder(&indented)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(v); err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer(s.URL, "https://certctl.example.com", s.other, "https://other.example.com").Replace(indented.String())
	text = aTime.ReplaceAllStringFunc(text, func(quoted string) string {
		at, err := time.Parse(time.RFC3339, strings.Trim(quoted, `"`))
		if err != nil {
			t.Fatal(err)
		}
		return madeAt.Add(at.Sub(made).Round(time.Minute)).Format(`"` + time.RFC3339 + `"`)
	})
	text = anAge.ReplaceAllStringFunc(text, func(member string) string {
		m := anAge.FindStringSubmatch(member)
		age, err := time.ParseDuration(m[2] + "s")
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf(`"%s": %d`, m[1], int(age.Truncate(time.Minute).Seconds()))
	})
	text = numbered(text, anID, func(id string, n int) string {
		kind, _, _ := strings.Cut(id, "-")
		return fmt.Sprintf("%s-%d", kind, n)
	})
	text = numbered(text, aHash, func(_ string, n int) string { return fmt.Sprintf("%064d", n) })
	text = numbered(text, aUUID, func(_ string, n int) string { return fmt.Sprintf("00000000-0000-0000-0000-%012d", n) })
	text = aCSR.ReplaceAllString(text, `-----BEGIN CERTIFICATE REQUEST-----`)
	return []byte(aVersion.ReplaceAllString(text, `"$1": ""`))
}

func timestamp(t testing.TB, plan object) time.Time {
	t.Helper()
	text, _ := plan["timestamp"].(string)
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// unread are members that no policy reads and no guide shows.
var unread = []string{
	"configuration", "variables", "format_version", "terraform_version", "applyable", "relevant_attributes", "output_changes", "resource_drift",
	"checks", "sensitive_values", "before_sensitive", "after_sensitive", "schema_version", "identity", "identity_schema_version",
	"before_identity", "after_identity",
}

// prune takes them out of a plan. The values of resources stay as they are.
func prune(v any) {
	switch v := v.(type) {
	case object:
		for _, name := range unread {
			delete(v, name)
		}
		for name, member := range v {
			if name != "values" || v["type"] == nil {
				prune(member)
			}
		}
	case []any:
		for _, element := range v {
			prune(element)
		}
	}
}

// numbered replaces each different match by its number.
func numbered(text string, what *regexp.Regexp, name func(was string, n int) string) string {
	names := map[string]string{}
	return what.ReplaceAllStringFunc(text, func(was string) string {
		if names[was] == "" {
			names[was] = name(was, len(names)+1)
		}
		return names[was]
	})
}

func write(t testing.TB, file string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
