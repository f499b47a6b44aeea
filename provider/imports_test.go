package provider_test

import (
	"os/exec"
	"strings"
	"testing"
)

// The provider imports no package of the server.
func TestImports_NothingOfTheServer(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	const module = "github.com/certctl/terraform-provider-certctl/"
	if !strings.Contains(string(out), module+"rules\n") {
		t.Errorf("go list names no package of this module:\n%s", out)
	}
	for name := range strings.Lines(string(out)) {
		if strings.HasPrefix(name, module+"server") {
			t.Errorf("the provider imports %s", name)
		}
	}
}
