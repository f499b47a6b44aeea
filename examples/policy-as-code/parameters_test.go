package policy_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// misplaced are files of parameters in which the policies find none. The first is no file at all.
func misplaced(t testing.TB) map[string]string {
	t.Helper()
	nested := func(keys ...string) string {
		var v any = folderParameters(t)
		for _, key := range keys {
			v = map[string]any{key: v}
		}
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	return map[string]string{
		"no file":                "",
		"an empty object":        "{}",
		"a flat file":            nested(),
		"no outer level":         nested("parameters"),
		"no inner level":         nested("certctl"),
		"empty parameters":       `{"certctl": {"parameters": {}}}`,
		"parameters that are []": `{"certctl": {"parameters": []}}`,
	}
}

// policyFolder is a copy of opa/ with this text as a data file, or with none.
func policyFolder(t testing.TB, name, text string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("opa")); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "data.json")); err != nil {
		t.Fatal(err)
	}
	if text != "" {
		write(t, filepath.Join(dir, name), []byte(text))
	}
	return dir
}

// planFile is a file with the plan of a fixture.
func planFile(t testing.TB, name string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "plan.json")
	write(t, file, fixtures(t)[name].Plan)
	return file
}

// exitCode runs a command that may fail.
func exitCode(t testing.TB, cmd *exec.Cmd) (out string, code int) {
	t.Helper()
	said, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return string(said), cmd.ProcessState.ExitCode()
}

// Without their parameters the policies deny each plan, and say which parameters are missing. The commands are those of the
// guide; HCP Terraform loads the folder as a bundle.
func TestPolicies_WithoutParameters(t *testing.T) {
	t.Parallel()
	plan := planFile(t, "terraform/nothing-waits")
	for name, text := range misplaced(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := policyFolder(t, "data.json", text)
			for _, load := range []string{"--data", "--bundle"} {
				run := func(args ...string) (string, int) {
					return exitCode(t, exec.CommandContext(t.Context(), tool(t, "opa"), append([]string{"eval", load, dir, "--input", plan}, args...)...))
				}
				if out, _ := run("--format", "raw", "data.certctl.deny"); !saysNoParameters(out) {
					t.Errorf("opa eval %s: %s", load, out)
				}
				if out, code := run("--fail", "data.certctl.deny = set()"); code == 0 {
					t.Errorf("opa eval %s --fail goes on: %s", load, out)
				}
				if out, code := run("--fail-defined", "data.certctl.deny[_]"); code == 0 {
					t.Errorf("opa eval %s --fail-defined goes on: %s", load, out)
				}
			}
			args := []string{"test", "--policy", dir, "--namespace", "certctl"}
			if text != "" {
				args = append(args, "--data", filepath.Join(dir, "data.json"))
			}
			if out, code := exitCode(t, exec.CommandContext(t.Context(), tool(t, "conftest"), append(args, plan)...)); code != 1 || !saysNoParameters(out) {
				t.Errorf("conftest ends with %d: %s", code, out)
			}
		})
	}
}

func saysNoParameters(out string) bool {
	for name := range mustParameters {
		if !strings.Contains(out, name) {
			return false
		}
	}
	return strings.Contains(out, "The policies have no parameters") && strings.Contains(out, "data.json")
}

// mustParameters are the names that the message has to have.
var mustParameters = map[string]bool{
	"endpoints": true, "max_pending_hours": true, "ungated_profiles": true, "max_pending": true, "max_minutes_apart": true,
	"allowed_filters": true, "provider_addresses": true, "removable_profiles": true, "root_modules_with_reading": true, "accept_unknown_completeness": true,
}

// No plan gets past policies that have no parameters.
func TestPolicies_WithoutParametersDenyAll(t *testing.T) {
	t.Parallel()
	all := fixtures(t)
	for name, f := range all {
		f.Parameters = map[string]any{}
		all[name] = f
	}
	for name, v := range judge(t, "opa", all) {
		if !saysNoParameters(strings.Join(v.Deny, "\n")) {
			t.Errorf("%s: %q", name, v.Deny)
		}
	}
}

// The folder as it is works as a bundle, and a bundle takes parameters from data.json alone.
func TestPolicies_Bundle(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("opa/data.json")
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := policyFolder(t, "parameters.json", string(content))
	below := policyFolder(t, "certctl/data.json", string(content))
	above := t.TempDir()
	if err := os.CopyFS(filepath.Join(above, "opa"), os.DirFS("opa")); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ folder, plan, says string }{
		{"opa", "hcp-terraform", "[]"},
		{"opa", "waits-too-long-in-hcp", "waited 30 hours"},
		{"opa", "look-alike", "No reading"},
		{"opa", "ungated-production", "is not gated"},
		{elsewhere, "hcp-terraform", "The policies have no parameters"},
		{below, "hcp-terraform", "The policies have no parameters"},
		{above, "hcp-terraform", "The policies have no parameters"},
	} {
		plan := planFile(t, "terraform/"+tt.plan)
		out := output(t, exec.CommandContext(t.Context(), tool(t, "opa"), "eval", "--bundle", tt.folder, "--input", plan, "--format", "raw", "data.certctl.deny"))
		if !strings.Contains(string(out), tt.says) || strings.Count(string(out), `","`) > 0 {
			t.Errorf("%s of %s: %s", tt.plan, tt.folder, out)
		}
	}
}
