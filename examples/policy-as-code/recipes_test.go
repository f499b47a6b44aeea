package policy_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var hclPolicy = regexp.MustCompile(`(?s)query\s+= "(.*?)"\s+enforcement_level = "(.*?)"`)

// HCP Terraform evaluates each query of policies.hcl on a bundle, and a policy has failed if the result has an element.
func TestRecipes_HCPTerraform(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("opa/policies.hcl")
	if err != nil {
		t.Fatal(err)
	}
	levels := map[string]string{}
	for _, m := range hclPolicy.FindAllStringSubmatch(string(content), -1) {
		levels[m[1]] = m[2]
		out := output(t, exec.CommandContext(t.Context(), tool(t, "opa"), "eval", "--bundle", "opa", "--input", planFile(t, "terraform/gate-off"), "--format", "raw", m[1]))
		var said []string
		if err := json.Unmarshal(out, &said); err != nil || len(said) != 1 {
			t.Errorf("%s: %v\n%s", m[1], err, out)
		}
	}
	if want := map[string]string{"data.certctl.deny": "mandatory", "data.certctl.warn": "advisory"}; !maps.Equal(levels, want) {
		t.Errorf("the policies are %v", levels)
	}
}

// Atlantis gives Conftest the path of the policies, the plan and the arguments of the guide.
func TestRecipes_Atlantis(t *testing.T) {
	t.Parallel()
	m := regexp.MustCompile(`extra_args: (\[.*\])`).FindStringSubmatch(recipe(t, "Atlantis", "yaml"))
	if m == nil {
		t.Fatal("the recipe has no arguments")
	}
	var extra []string
	decode(t, []byte(strings.ReplaceAll(m[1], "/policies/certctl/", "")), &extra)
	for plan, code := range map[string]int{"terraform/nothing-waits": 0, "terraform/gate-off": 1} {
		args := append([]string{"test", "-p", "opa", planFile(t, plan), "--no-color"}, extra...)
		if out, got := exitCode(t, exec.CommandContext(t.Context(), tool(t, "conftest"), args...)); got != code || strings.Contains(out, "0 tests") {
			t.Errorf("%s: exit code %d\n%s", plan, got, out)
		}
	}
}

// terragrunt stands for the program: plan writes the plans that the test prepared, and apply is recorded.
const terragrunt = `#!/bin/bash
case "${!#}" in
plan) cp -R units plans ;;
apply) touch applied ;;
*) exit 9 ;;
esac
`

// The commands of the guide check each plan that Terragrunt writes, by the name of its unit, and apply none if one is denied.
func TestRecipes_Terragrunt(t *testing.T) {
	t.Parallel()
	folder := policyFolder(t, "data.json", restricted(t, "payments", "edge/payments"))
	commands := strings.ReplaceAll(recipe(t, "Terragrunt", "shell"), "/policies/certctl/opa", folder)
	empty := build(t, "terraform", nil)
	good := build(t, "terraform", []part{reads(nil), keeps(aProfile())})
	bad := build(t, "terraform", []part{reads(nil), destroys(aProfile())})
	for name, tt := range map[string]struct {
		units map[string][]byte
		code  int
	}{
		"good":              {map[string][]byte{"network": empty, "payments": good, "edge/payments": good}, 0},
		"one is denied":     {map[string][]byte{"network": empty, "payments": good, "edge/payments": bad}, 2},
		"one has nothing":   {map[string][]byte{"network": empty, "payments": empty, "edge/payments": good}, 2},
		"elsewhere, denied": {map[string][]byte{"network": bad}, 2},
		"no plans":          {nil, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write(t, filepath.Join(dir, "units", "README"), nil)
			for unit, plan := range tt.units {
				write(t, filepath.Join(dir, "units", unit, "tfplan.json"), plan)
			}
			program := filepath.Join(dir, "bin", "terragrunt")
			write(t, program, []byte(terragrunt))
			if err := os.Chmod(program, 0o755); err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), "bash", "-c", commands)
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), fmt.Sprintf("PATH=%s:%s:%s", filepath.Dir(program), filepath.Dir(tool(t, "conftest")), os.Getenv("PATH")))
			out, code := exitCode(t, cmd)
			_, err := os.Stat(filepath.Join(dir, "applied"))
			if code != tt.code || (err == nil) != (tt.code == 0) {
				t.Errorf("exit code %d, applied: %v\n%s", code, err == nil, out)
			}
		})
	}
}

// restricted are the parameters of the folder, with names of root modules that must hold a reading.
func restricted(t testing.TB, names ...string) string {
	t.Helper()
	parameters := folderParameters(t)
	parameters["root_modules_with_reading"] = slices.Clone(names)
	text, err := json.Marshal(object{"certctl": object{"parameters": parameters}})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// recipe is the first block of code in a section of the guide.
func recipe(t testing.TB, section, language string) string {
	t.Helper()
	_, text, _ := strings.Cut(firstPage(t, "docs/guides/policy-as-code.md"), "\n### "+section+"\n")
	_, text, _ = strings.Cut(text, "```"+language+"\n")
	code, _, found := strings.Cut(text, "```")
	if !found {
		t.Fatalf("the guide has no recipe for %s", section)
	}
	return code
}
