package policy_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/certctl/terraform-provider-certctl/server/servertest/terraformtest"
)

// firstPages show a reading to people who do not know the policies yet.
var firstPages = []string{
	"README.md", "docs/index.md", "docs/guides/getting-started.md", "docs/guides/running-in-ci.md", "docs/guides/policy-as-code.md",
	"docs/data-sources/pending_approvals.md",
}

var (
	readingBlock = regexp.MustCompile(`(?m)^data "certctl_pending_approvals" (?s:.*?)\}\n`)
	hclBlock     = regexp.MustCompile("(?s)```(?:hcl|terraform)\n(.*?)```")
	settings     = regexp.MustCompile(`(?ms)^terraform \{.*?^\}\n`)
)

// The first pages show the same reading.
func TestFirstPages(t *testing.T) {
	t.Parallel()
	for _, page := range firstPages {
		blocks := readingBlock.FindAllString(firstPage(t, page), -1)
		if len(blocks) == 0 {
			t.Errorf("%s shows no reading", page)
		}
		for _, block := range blocks {
			if block != strings.TrimLeft(reading, "\n") {
				t.Errorf("%s shows another reading:\n%s", page, block)
			}
		}
	}
}

// Terraform plans each configuration of these pages that has a reading, and the policies accept the plan.
func TestFirstPages_AreAccepted(t *testing.T) {
	terraformtest.UseBinaries(t)
	t.Parallel()
	for _, page := range firstPages {
		for _, block := range hclBlock.FindAllStringSubmatch(firstPage(t, page), -1) {
			if !readingBlock.MatchString(block[1]) {
				continue
			}
			t.Run(page, func(t *testing.T) {
				t.Parallel()
				engine := engine(t)
				sc := scenario{then: settings.ReplaceAllString(block[1], "")}
				s := newScene(t, sc)
				f := fixture{normalised(t, s, sc.plan(t, s)), sc.parametersFor(t, engine)}
				if fault := sc.fault(engine, judge(t, "opa", map[string]fixture{"it": f})["it"]); fault != "" {
					t.Error(fault)
				}
			})
		}
	}
}

func firstPage(t testing.TB, page string) string {
	t.Helper()
	content, err := os.ReadFile("../../" + page)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
