package provider_test

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

const readPending = `
data "certctl_pending_approvals" "now" {}
`

// A failed read is an error that says what to check.
func TestProvider_ErrorsSayWhatToCheck(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	foreign := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{}`)
	}))
	t.Cleanup(foreign.Close)

	for name, tc := range map[string]struct{ configuration, want string }{
		"unreachable": {
			providerBlock("http://127.0.0.1:9", "ctl_a_b") + readPending,
			`(?s)Could not read the pending approvals.*No\s+answer\s+from\s+http://127.0.0.1:9:.*refused.*CERTCTL_ENDPOINT`,
		},
		"bad key": {
			providerBlock(s.URL, "ctl_a_b") + readPending,
			`(?s)server refuses the key.*api_key += .*CERTCTL_API_KEY.*Request id: \S`,
		},
		"missing role": {
			configurationAs(t, s, "vera", minimalProfile("CDN")),
			`(?s)Could not create certificate profile "CDN".*principal\s+"vera".*operator.*Request id: \S`,
		},
		"another server": {
			providerBlock(foreign.URL, "ctl_a_b") + readPending,
			`not\s+a\s+summary\s+of\s+approvals`,
		},
		"another server's profile": {
			providerBlock(foreign.URL, "ctl_a_b") + "import {\n  to = certctl_certificate_profile.this\n  id = \"p-cdn\"\n}\n" + minimalProfile("CDN"),
			`(?s)Could not read certificate profile p-cdn.*profile\s+of\s+id ""`,
		},
		"plain http": {
			providerBlock("http://certctl.test", "ctl_a_b") + readPending,
			`could\s+read\s+the\s+API\s+key`,
		},
		"no scheme": {
			providerBlock("localhost:8080", "ctl_a_b") + readPending,
			`(?s)Invalid endpoint \(CERTCTL_ENDPOINT\).*endpoint += "localhost:8080".*it\s+begins\s+with\s+https://`,
		},
		"address without a scheme": {
			providerBlock("127.0.0.1:8080", "ctl_a_b") + readPending,
			`(?s)Invalid endpoint \(CERTCTL_ENDPOINT\).*endpoint += "127.0.0.1:8080".*it\s+begins\s+with\s+https://`,
		},
		"key with a space": {
			providerBlock("https://certctl.test", "ctl a b") + readPending,
			`(?s)Invalid api_key \(CERTCTL_API_KEY\).*api_key +=.*contains\s+a\s+space`,
		},
		"missing CA file": {
			"provider \"certctl\" {\n  endpoint = \"https://certctl.test\"\n  api_key = \"ctl_a_b\"\n  ca_file = \"/nope\"\n}\n" + readPending,
			`(?s)Invalid ca_file \(CERTCTL_CA_FILE\).*ca_file = "/nope".*no\s+such\s+file`,
		},
		"negative timeout": {
			"provider \"certctl\" {\n  endpoint = \"https://certctl.test\"\n  api_key = \"ctl_a_b\"\n  request_timeout = \"-1s\"\n}\n" + readPending,
			`(?s)Invalid request_timeout.*request_timeout = "-1s".*not\s+a\s+positive\s+duration`,
		},
		"no timeout": {
			"provider \"certctl\" {\n  endpoint = \"https://certctl.test\"\n  api_key = \"ctl_a_b\"\n  request_timeout = \"soon\"\n}\n" + readPending,
			`(?s)Invalid request_timeout.*request_timeout = "soon".*"soon"\s+is\s+not\s+a\s+positive\s+duration,\s+like\s+45s\s+or\s+2m\.`,
		},
		"empty endpoint": {
			providerBlock("", "ctl_a_b") + readPending,
			`(?s)has no endpoint.*empty.*leave\s+it\s+out`,
		},
		"no settings": {
			"provider \"certctl\" {}\n" + readPending,
			`(?s)has no (endpoint|api_key).*has no (endpoint|api_key)`,
		},
		"unknown endpoint": {
			"resource \"terraform_data\" \"a\" {\n  input = \"x\"\n}\nprovider \"certctl\" {\n  endpoint = terraform_data.a.output\n}\n" + readPending,
			`needs endpoint before it can plan`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			runSteps(t, resource.TestStep{Config: tc.configuration, ExpectError: regexp.MustCompile(tc.want)})
		})
	}
}

// A wrong key is one error in all, also in a plan that only creates.
func TestProvider_WrongKeyIsOneError(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	many := "resource \"certctl_certificate_profile\" \"many\" {\n  count = 20\n  name = \"p${count.index}\"\n  requires_approval = true\n}\n"
	runSteps(t, resource.TestStep{
		Config: providerBlock(s.URL, "ctl_a_b") + many, PlanOnly: true,
		ExpectError: regexp.MustCompile(`Error: The certctl server refuses the key(?:[^E]|E[^r])*$`), // no second "Error"
	})
}

// The environment can set the reason and whether to ask again.
func TestProvider_ReadsReasonAndResubmitFromTheEnvironment(t *testing.T) {
	s := servertest.New(t)
	t.Setenv("CERTCTL_CHANGE_REASON", "from the environment")
	t.Setenv("CERTCTL_RESUBMIT_REJECTED", "yes")
	gated := strings.Replace(minimalProfile("CDN"), "= false", "= true", 1)
	edited := configurationAs(t, s, "terraform", strings.Replace(gated, "CDN", "CDN 2", 1))
	runSteps(t,
		resource.TestStep{Config: configurationAs(t, s, "terraform", gated), ExpectError: regexp.MustCompile(`CERTCTL_RESUBMIT_REJECTED(?s).*"yes" is neither true nor false`)},
		resource.TestStep{PreConfig: func() { t.Setenv("CERTCTL_RESUBMIT_REJECTED", "true") }, Config: configurationAs(t, s, "terraform", gated)},
		resource.TestStep{Config: edited, ExpectError: regexp.MustCompile(`Awaiting approval`)},
		resource.TestStep{
			PreConfig: func() {
				bob := s.Client(t, "bob")
				waiting, err := bob.GetApprovalSummary(t.Context(), client.GetApprovalSummaryOptions{})
				if err != nil || waiting.TotalCount != 1 || waiting.Approvals[0].Reason != "from the environment" {
					t.Fatalf("%+v, %v", waiting, err)
				}
				if _, err := bob.RejectApproval(t.Context(), waiting.Approvals[0].ID, api.Decision{}); err != nil {
					t.Fatal(err)
				}
			},
			Config: edited, ExpectError: regexp.MustCompile(`Awaiting approval`),
		},
		resource.TestStep{
			PreConfig: func() { t.Setenv("CERTCTL_CHANGE_REASON", strings.Repeat("ä", 501)) },
			Config:    edited, ExpectError: regexp.MustCompile(`change_reason \(CERTCTL_CHANGE_REASON\)(?s).*more than 500 characters`),
		},
		resource.TestStep{PreConfig: func() { t.Setenv("CERTCTL_CHANGE_REASON", strings.Repeat("ä", 500)) }, Config: edited, ExpectError: regexp.MustCompile(`Awaiting approval`)},
		resource.TestStep{Config: configurationAs(t, s, "terraform", gated)},
	)
}

// The authors in the environment may not approve the certificate that the change asks for.
func TestProvider_ExcludesTheAuthorsOfAChange(t *testing.T) {
	s := servertest.New(t)
	gated := s.CreateProfileAsOlga(t, true)
	config := configurationAs(t, s, "terraform", certificate(gated.ID, servertest.CSR(t), www, ""))
	t.Setenv("CERTCTL_CHANGE_AUTHORS", "Bob")
	runSteps(t,
		resource.TestStep{Config: config, ExpectError: regexp.MustCompile(`CERTCTL_CHANGE_AUTHORS(?s).*"Bob" is\s+no\s+handle`)},
		resource.TestStep{PreConfig: func() { t.Setenv("CERTCTL_CHANGE_AUTHORS", "bob, carol bob") }, Config: config, Check: func(*terraform.State) error {
			waiting, err := s.Client(t, "vera").GetApprovalSummary(t.Context(), client.GetApprovalSummaryOptions{})
			if err != nil || waiting.TotalCount != 1 || !slices.Equal(waiting.Approvals[0].AlsoExcluded, []string{"bob", "carol"}) {
				return fmt.Errorf("%w, %+v", err, waiting)
			}
			_, err = s.Client(t, "bob").ApproveApproval(t.Context(), waiting.Approvals[0].ID, api.Decision{})
			servertest.RequireProblem(t, err, api.CodeTwoPersonIntegrity)
			return nil
		}},
	)
}

// No file of Terraform or the provider has the key of the environment.
func TestProvider_WritesNoKeyToDisk(t *testing.T) {
	if os.Getenv("TF_ACC") == "" {
		t.Skip("needs Terraform: set TF_ACC=1")
	}
	s := servertest.New(t)
	key, dir := s.Key(t, "terraform"), t.TempDir()
	t.Setenv("CERTCTL_ENDPOINT", s.URL)
	t.Setenv("CERTCTL_API_KEY", key)
	t.Setenv("TF_ACC_TEMP_DIR", dir)
	t.Setenv("TF_ACC_LOG", "TRACE")
	t.Setenv("TF_ACC_LOG_PATH", filepath.Join(dir, "provider.log"))
	configuration := minimalProfile("CDN") + readPending
	planned := duringPlan(func(context.Context) error { return mustBeAbsent(dir, key, "tfplan") })
	runSteps(t, resource.TestStep{
		Config:           configuration,
		ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{planned}},
		Check:            func(*terraform.State) error { return mustBeAbsent(dir, key, "terraform.tfstate") },
	})
}

// mustBeAbsent fails if a file below dir has a text. It unzips plans. One file must have a given name.
func mustBeAbsent(dir, secret, wanted string) error {
	found := false
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() { // plugin-testing links the files beside the tests
			return err
		}
		found = found || filepath.Base(path) == wanted
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if bytes.Contains(unzip(content), []byte(secret)) {
			return fmt.Errorf("%s holds the API key", path)
		}
		return nil
	})
	if err == nil && !found {
		return errors.New("no file " + wanted + " below " + dir)
	}
	return err
}

func unzip(content []byte) []byte {
	archive, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		return content
	}
	var all []byte
	for _, f := range archive.File {
		r, err := f.Open()
		if err != nil {
			continue
		}
		part, _ := io.ReadAll(r)
		all = append(all, part...)
	}
	return all
}
