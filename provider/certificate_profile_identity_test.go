package provider_test

import (
	"regexp"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"

	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// An import accepts a name. An unknown name is an error.
func TestCertificateProfile_ImportByName(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	configuration := configurationAs(t, s, "terraform", everyField)
	missing := func(id, words string) resource.TestStep {
		return resource.TestStep{Config: configuration, ResourceName: profileAddress, ImportState: true, ImportStateId: id, ExpectError: regexp.MustCompile(words)}
	}
	runSteps(t,
		resource.TestStep{Config: configuration},
		resource.TestStep{
			Config: configuration, ResourceName: profileAddress, ImportState: true, ImportStateVerify: true,
			ImportStateId: "name:CDN, für <alle> & mehr",
		},
		missing("name:cdn", `(?s)Could not import name:cdn.*no\s+certificate\s+profile\s+with\s+the\s+name\s+"cdn"`),
		missing("name:", `The name is empty`),
	)
}
