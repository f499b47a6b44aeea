package provider_test

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"

	"github.com/certctl/terraform-provider-certctl/provider"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// TestMain makes a missing Terraform a failure that says what to do: plugin-testing would try to download one.
func TestMain(m *testing.M) {
	if err := prepare(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func prepare() error {
	if os.Getenv("TF_ACC") == "" {
		if os.Getenv("CI") != "" {
			return fmt.Errorf("TF_ACC is not set: in CI the acceptance tests must run; use make test")
		}
		return nil
	}
	if os.Getenv("TF_ACC_TERRAFORM_PATH") == "" {
		terraform, err := exec.LookPath("terraform")
		if err != nil {
			return fmt.Errorf("the acceptance tests need Terraform: put terraform into PATH, or set TF_ACC_TERRAFORM_PATH: %w", err)
		}
		if err := os.Setenv("TF_ACC_TERRAFORM_PATH", terraform); err != nil {
			return err
		}
	}
	return ignoreUserConfiguration()
}

// ignoreUserConfiguration keeps mirrors, overrides, missing files and servers of the user out of the tests.
func ignoreUserConfiguration() error {
	for _, name := range []string{"CERTCTL_ENDPOINT", "CERTCTL_API_KEY", "CERTCTL_CA_FILE", "CERTCTL_CHANGE_REASON", "CERTCTL_RESUBMIT_REJECTED"} {
		if err := os.Unsetenv(name); err != nil {
			return err
		}
	}
	return os.Setenv("TF_CLI_CONFIG_FILE", os.DevNull)
}

var factories = map[string]func() (tfprotov6.ProviderServer, error){
	"certctl": providerserver.NewProtocol6WithError(provider.New("test")()),
}

// run is a test of real Terraform against real servers.
func run(t *testing.T, steps ...resource.TestStep) {
	t.Helper()
	resource.Test(t, resource.TestCase{ProtoV6ProviderFactories: factories, Steps: steps})
}

// as is the provider acting as this principal, followed by the configuration.
func as(t *testing.T, s *servertest.Server, principal, configuration string) string {
	return providerBlock(s.URL, s.Key(t, principal)) + configuration
}

func providerBlock(endpoint, key string) string {
	return fmt.Sprintf("provider \"certctl\" {\n  endpoint    = %q\n  api_key     = %q\n  max_retries = 0\n}\n", endpoint, key)
}
