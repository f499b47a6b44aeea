package main

import (
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/certctl/terraform-provider-certctl"

// maxDepth bounds the longest chain of imports inside the module. Someone who reads from the top passes that many
// packages at most.
const maxDepth = 12

func TestImports_AreAtMostTwelveDeep(t *testing.T) {
	t.Parallel()
	imports := listImports(t)
	for name := range imports {
		if isHelper(name) {
			continue
		}
		if chain := longestChain(imports, name); len(chain) > maxDepth {
			t.Errorf("a chain of %d packages, at most %d are allowed: %s", len(chain), maxDepth, strings.Join(chain, " -> "))
		}
	}
}

// isHelper reports whether a package is for tests, or for the demo.
func isHelper(name string) bool {
	for _, helper := range []string{"rules/rulestest", "server/servertest", "server/faults", "demo"} {
		if strings.HasPrefix(name, module+"/"+helper) {
			return true
		}
	}
	return false
}

// listImports returns the packages of the module, each with those that it imports.
func listImports(t *testing.T) map[string][]string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	imports := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		names := strings.Fields(line)
		imports[names[0]] = nil
		for _, name := range names[1:] {
			if strings.HasPrefix(name, module) {
				imports[names[0]] = append(imports[names[0]], name)
			}
		}
	}
	if len(imports) < 20 {
		t.Fatalf("found %d packages", len(imports))
	}
	return imports
}

// longestChain returns the longest chain of imports that starts at a package.
func longestChain(imports map[string][]string, name string) []string {
	var longest []string
	for _, imported := range imports[name] {
		if chain := longestChain(imports, imported); len(chain) > len(longest) {
			longest = chain
		}
	}
	return append([]string{name}, longest...)
}
