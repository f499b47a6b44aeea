package provider_test

import (
	"fmt"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"

	"github.com/certctl/terraform-provider-certctl/provider"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
	"github.com/certctl/terraform-provider-certctl/server/servertest/terraformtest"
)

func TestMain(m *testing.M) { terraformtest.RunMain(m) }

var factories = map[string]func() (tfprotov6.ProviderServer, error){
	"certctl": providerserver.NewProtocol6WithError(provider.New("test")()),
}

// runSteps runs real Terraform against real servers.
func runSteps(t *testing.T, steps ...resource.TestStep) {
	t.Helper()
	resource.Test(t, resource.TestCase{ProtoV6ProviderFactories: factories, Steps: steps})
}

// configurationAs returns a configuration whose provider acts as a principal.
func configurationAs(t *testing.T, s *servertest.Server, principal, configuration string) string {
	return providerBlock(s.URL, s.Key(t, principal)) + configuration
}

func providerBlock(endpoint, key string) string {
	return fmt.Sprintf("provider \"certctl\" {\n  endpoint    = %q\n  api_key     = %q\n  max_retries = 0\n}\n", endpoint, key)
}
