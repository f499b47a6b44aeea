package policy_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// evasions are what authors try, who may edit every .tf file but not the policy, to hide an approval that has waited
// too long; and the scenario in which they do.
var evasions = []struct{ how, scenario string }{
	{"remove the data source", "no-reading"},
	{"remove it after it was read once", "reading-removed"},
	{"`count = 0`", "reading-of-none"},
	{"`count = 0` on a module around it", "module-of-none"},
	{"narrow its filter", "filtered"},
	{"narrow it in an override file", "overridden"},
	{"defer it by an argument that is not known yet", "deferred-argument"},
	{"defer it by `depends_on`", "deferred-dependent"},
	{"defer it after it was read once", "deferred-after-one-that-was-read"},
	{"put it into a `check` block", "in-a-check"},
	{"let it fail in a `check` block", "failed-in-a-check"},
	{"wrap it in a module", "in-a-module"},
	{"read another server by a provider alias", "other-server"},
	{"take the provider from another address", "fork"},
	{"list fewer with `limit`", "truncated-and-many"},
	{"give another resource the looks of a reading", "forged"},
	{"`-target` something else", "targeted-beside"},
	{"`-refresh=false`", "not-refreshed"},
}

// Each is a plan that is denied, and the guide says so. TestFixtures or TestPolicies_OfTerraform has Terraform make the plan.
func TestEvasions(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile("../../docs/guides/policy-as-code.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range evasions {
		sc := planned()[e.scenario]
		if sc.waits == nil {
			t.Errorf("%s: there is nothing to hide", e.scenario)
		}
		if len(sc.denied) == 0 {
			t.Errorf("%s gets past the policy", e.how)
		}
		if line := fmt.Sprintf("| %s | ", e.how); !strings.Contains(string(guide), line) {
			t.Errorf("the guide does not have: %s", line)
		}
	}
}
