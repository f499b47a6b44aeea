package policy_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/certctl/terraform-provider-certctl/server/servertest/terraformtest"
)

// tool is a program that tools/policy pins.
func tool(t testing.TB, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("..", "..", "bin", "tools", name))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%s is missing: run make bin/tools/%s", name, name)
	}
	return path
}

// engines are the programs whose plans differ.
var engines = []string{"terraform", "opentofu"}

// fixtures are the plans that are kept and those that are built, for each engine, with the parameters to judge them by.
func fixtures(t testing.TB) map[string]fixture {
	t.Helper()
	all := map[string]fixture{}
	for name, sc := range scenarios() {
		for _, engine := range sc.kept {
			all[engine+"/"+name] = fixture{keptPlan(t, engine, name), sc.parametersFor(t, engine)}
		}
		for _, engine := range engines {
			if sc.parts != nil {
				all[engine+"/"+name] = fixture{build(t, engine, sc.parts), sc.parametersFor(t, engine)}
			}
		}
	}
	return all
}

// parametersFor are those of the folder, and those that the scenario sets. A parameter that is nil is left out.
func (sc scenario) parametersFor(t testing.TB, engine string) map[string]any {
	t.Helper()
	parameters := folderParameters(t)
	if engine == "opentofu" {
		parameters["accept_unknown_completeness"] = true
	}
	for name, value := range sc.parameters {
		parameters[name] = value
		if value == nil {
			delete(parameters, name)
		}
	}
	return parameters
}

func folderParameters(t testing.TB) map[string]any {
	t.Helper()
	content, err := os.ReadFile("opa/data.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Certctl struct{ Parameters map[string]any }
	}
	if err := json.Unmarshal(content, &file); err != nil {
		t.Fatal(err)
	}
	return file.Certctl.Parameters
}

// verdict is what a policy says of a plan.
type verdict struct {
	Deny []string `json:"deny"`
	Warn []string `json:"warn"`
}

// judge has OPA evaluate a policy folder on every fixture.
func judge(t testing.TB, folder string, all map[string]fixture) map[string]verdict {
	t.Helper()
	data, err := json.Marshal(map[string]any{"fixtures": all})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "fixtures.json")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	const query = `{name: {"deny": deny, "warn": warn} |
		some name, f in data.fixtures
		plan := f.plan
		parameters := f.parameters
		deny := data.certctl.deny with input as plan with data.certctl.parameters as parameters
		warn := data.certctl.warn with input as plan with data.certctl.parameters as parameters
	}`
	var result struct {
		Result []struct {
			Expressions []struct{ Value map[string]verdict }
		}
	}
	out := output(t, exec.CommandContext(t.Context(), tool(t, "opa"), "eval", "--data", folder, "--data", file, "--format", "json", query))
	if err := json.Unmarshal(out, &result); err != nil || len(result.Result) != 1 {
		t.Fatalf("%v\n%s", err, out)
	}
	return result.Result[0].Expressions[0].Value
}

func output(t testing.TB, cmd *exec.Cmd) []byte {
	t.Helper()
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", cmd, err, out, said.String())
	}
	return out
}

// scenarioOf is the scenario that a fixture is of.
func scenarioOf(name string) scenario { return scenarios()[filepath.Base(name)] }

// fault says how a verdict is another than the scenario wants.
func (sc scenario) fault(engine string, v verdict) string {
	denied := slices.Clone(sc.denied)
	if engine == "terraform" && sc.incomplete {
		denied = append(denied, "may cover a part")
	}
	if f := differs(denied, v.Deny); f != "" {
		return "denied: " + f
	}
	if f := differs(sc.warned, v.Warn); f != "" {
		return "warned: " + f
	}
	return ""
}

// differs finds each of the words in one message, and no message without.
func differs(words, messages []string) string {
	left := slices.Clone(messages)
	for _, w := range words {
		i := slices.IndexFunc(left, func(m string) bool { return strings.Contains(m, w) })
		if i < 0 {
			return fmt.Sprintf("nobody says %q, but %q", w, messages)
		}
		left = slices.Delete(left, i, i+1)
	}
	if len(left) > 0 {
		return fmt.Sprintf("nobody expected %q", left)
	}
	return ""
}

// The policies say of each plan what its scenario wants.
func TestPolicies(t *testing.T) {
	t.Parallel()
	for name, v := range judge(t, "opa", fixtures(t)) {
		if fault := scenarioOf(name).fault(filepath.Dir(name), v); fault != "" {
			t.Errorf("%s: %s", name, fault)
		}
	}
}

// The policies say the same of the other plans, which Terraform makes now.
func TestPolicies_OfTerraform(t *testing.T) {
	terraformtest.UseBinaries(t)
	t.Parallel()
	engine := engine(t)
	for name, sc := range planned() {
		if slices.Contains(sc.kept, engine) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, sc)
			f := fixture{normalised(t, s, sc.plan(t, s)), sc.parametersFor(t, engine)}
			if fault := sc.fault(engine, judge(t, "opa", map[string]fixture{"it": f})["it"]); fault != "" {
				t.Error(fault)
			}
		})
	}
}

// Conftest comes to the same verdicts as OPA, with the command that the guide shows.
func TestPolicies_Conftest(t *testing.T) {
	t.Parallel()
	all := fixtures(t)
	want := judge(t, "opa", all)
	for name, f := range all {
		if filepath.Dir(name) != "terraform" || scenarioOf(name).parameters != nil {
			continue
		}
		t.Run(name, func(t *testing.T) {
			plan := filepath.Join(t.TempDir(), "plan.json")
			if err := os.WriteFile(plan, f.Plan, 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), tool(t, "conftest"), "test", "--policy", "opa", "--data", "opa/data.json", "--namespace", "certctl", "--output", "json", plan)
			out, _ := cmd.Output() // 1 when something is denied
			var results []struct {
				Failures, Warnings []struct{ Msg string }
			}
			if err := json.Unmarshal(out, &results); err != nil || len(results) != 1 {
				t.Fatalf("%v\n%s", err, out)
			}
			if got := len(results[0].Failures); got != len(want[name].Deny) || cmd.ProcessState.ExitCode() != min(1, got) {
				t.Errorf("exit code %d, %s", cmd.ProcessState.ExitCode(), out)
			}
			for _, f := range results[0].Failures {
				if !slices.Contains(want[name].Deny, f.Msg) {
					t.Errorf("only Conftest says %q", f.Msg)
				}
			}
		})
	}
}

// Older programs read the policies, too: Conftest before 0.60 and OPA before 1.0 read Rego v0, in which "if" is no keyword.
func TestPolicies_RegoV0(t *testing.T) {
	t.Parallel()
	output(t, exec.CommandContext(t.Context(), tool(t, "opa"), "check", "--strict", "--v0-compatible", "opa"))
	const plan = "testdata/terraform/gate-off.json"
	for _, args := range [][]string{
		{"opa", "eval", "--v0-compatible", "--data", "opa", "--input", plan, "data.certctl.deny"},
		{"conftest", "test", "--rego-version", "v0", "--policy", "opa", "--data", "opa/data.json", "--namespace", "certctl", plan},
	} {
		out, _ := exitCode(t, exec.CommandContext(t.Context(), tool(t, args[0]), args[1:]...))
		if !strings.Contains(out, "turns requires_approval off") {
			t.Errorf("%s: %s", args, out)
		}
	}
}

// The policies are well-formed, and their own tests reach every line.
func TestPolicies_Clean(t *testing.T) {
	t.Parallel()
	opa := tool(t, "opa")
	output(t, exec.CommandContext(t.Context(), opa, "check", "--strict", "opa"))
	if unformatted := output(t, exec.CommandContext(t.Context(), opa, "fmt", "--list", "opa")); len(unformatted) > 0 {
		t.Errorf("run opa fmt -w on %s", unformatted)
	}
	out := output(t, exec.CommandContext(t.Context(), opa, "test", "--timeout", "10m", "--coverage", "--format", "json", "opa"))
	var report struct{ Coverage float64 }
	if err := json.Unmarshal(out, &report); err != nil || report.Coverage != 100 {
		t.Errorf("the unit tests reach %v %%: %v", report.Coverage, err)
	}
}
