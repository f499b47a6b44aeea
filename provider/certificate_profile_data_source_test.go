package provider_test

import (
	"fmt"
	"regexp"
	"slices"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

const profileData = `
data "certctl_certificate_profile" "by_id" {
  id = "p-cdn"
}
data "certctl_certificate_profile" "by_name" {
  name = "CDN, für <alle> & mehr"
}
data "certctl_certificate_profiles" "all" {}
data "certctl_certificate_profiles" "named" {
  name = "CDN, für <alle> & mehr"
}
data "certctl_certificate_profiles" "none" {
  name = "nobody"
}
`

// The data source has the same attributes as the resource, with the same values.
func TestCertificateProfileData_IsTheResources(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	other := s.CreateProfileAsOlga(t, true)
	all := "data.certctl_certificate_profiles.all"
	named := "data.certctl_certificate_profiles.named"
	runSteps(t,
		resource.TestStep{Config: configurationAs(t, s, "terraform", everyField)},
		resource.TestStep{Config: configurationAs(t, s, "terraform", everyField+profileData), Check: resource.ComposeAggregateTestCheckFunc(
			sameAttributes(profileAddress, "data.certctl_certificate_profile.by_id"),
			sameAttributes(profileAddress, "data.certctl_certificate_profile.by_name"),
			resource.TestCheckResourceAttr(all, "ids.#", "2"),
			resource.TestCheckTypeSetElemAttr(all, "ids.*", other.ID),
			resource.TestCheckResourceAttr(named, "ids.#", "1"),
			resource.TestCheckResourceAttr(named, "profiles.0.id", "p-cdn"),
			resource.TestCheckResourceAttr(named, "profiles.0.allowed_key_algorithms.#", "2"),
			resource.TestCheckTypeSetElemAttr(named, "profiles.0.subject_attributes.organization.*", "Example GmbH"),
			resource.TestCheckResourceAttr(named, "profiles.0.key_usages.#", "2"),
			resource.TestCheckResourceAttr(named, "profiles.0.csr_extras", "refuse"),
			resource.TestCheckResourceAttrPair(named, "profiles.0.created_at", profileAddress, "created_at"),
			resource.TestCheckResourceAttr("data.certctl_certificate_profiles.none", "profiles.#", "0"),
		)},
	)
}

// sameAttributes compares all attributes but those that only data sources have.
func sameAttributes(a, b string) resource.TestCheckFunc {
	return func(state *terraform.State) error {
		var checks []resource.TestCheckFunc
		for _, address := range []string{a, b} {
			for name := range state.RootModule().Resources[address].Primary.Attributes {
				if !slices.Contains([]string{"%", "undecidable"}, name) {
					checks = append(checks, resource.TestCheckResourceAttrPair(a, name, b, name))
				}
			}
		}
		return resource.ComposeAggregateTestCheckFunc(checks...)(state)
	}
}

// The data sources show the edit that waits, and whether anybody could decide.
func TestCertificateProfileData_ShowsTheWaitingEdit(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	profile := s.CreateProfileAsOlga(t, true)
	configuration := configurationAs(t, s, "vera", fmt.Sprintf(`
data "certctl_certificate_profile" "this" {
  id = %q
}
data "certctl_certificate_profiles" "all" {}
`, profile.ID))
	shows := func(pending knownvalue.Check, undecidable bool) (checks []statecheck.StateCheck) {
		for name, check := range map[string]knownvalue.Check{"pending_approval_id": pending, "undecidable": knownvalue.Bool(undecidable)} {
			checks = append(checks,
				statecheck.ExpectKnownValue("data.certctl_certificate_profile.this", tfjsonpath.New(name), check),
				statecheck.ExpectKnownValue("data.certctl_certificate_profiles.all", tfjsonpath.New("profiles").AtSliceIndex(0).AtMapKey(name), check))
		}
		return checks
	}
	runSteps(t, resource.TestStep{Config: configuration, ConfigStateChecks: shows(knownvalue.Null(), false)})
	wider := profile.ProfileSpec
	wider.MaxSANs++
	waiting := edit(t, s.Client(t, "olga"), profile.ID, wider)
	runSteps(t, resource.TestStep{Config: configuration, ConfigStateChecks: shows(knownvalue.StringExact(waiting.ID), false)})
	disableApprovers(t, s)
	runSteps(t, resource.TestStep{Config: configuration, ConfigStateChecks: shows(knownvalue.StringExact(waiting.ID), true)})
}

// disableApprovers leaves nobody who could decide.
func disableApprovers(t *testing.T, s *servertest.Server) {
	t.Helper()
	for _, id := range []string{"alice", "bob", "carol"} {
		s.Disable(t, id)
	}
}

// A list of several pages is complete.
func TestCertificateProfileData_AllPages(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	c := s.Client(t, "alice")
	for i := range 501 {
		p := api.CreateProfile{ProfileSpec: api.DefaultProfileSpec()}
		p.Name = fmt.Sprint("profile ", i)
		if _, err := c.CreateProfile(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	runSteps(t, resource.TestStep{
		Config: configurationAs(t, s, "vera", `data "certctl_certificate_profiles" "all" {}`),
		Check:  resource.TestCheckResourceAttr("data.certctl_certificate_profiles.all", "profiles.#", "501"),
	})
}

func TestCertificateProfileData_Errors(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	for arguments, words := range map[string]string{
		`id = "p-none"`:                    `(?s)Could not read certificate profile p-none.*no\s+certificate\s+profile\s+with\s+this\s+id`,
		`name = "none"`:                    `(?s)Could not read certificate profile "none".*no\s+certificate\s+profile\s+with\s+the\s+name\s+"none"`,
		``:                                 `Exactly one of these attributes must be configured: \[id,name\]`,
		"id = \"p-none\"\nname = \"none\"": `Exactly one of these attributes must be configured: \[id,name\]`,
		`name = ""`:                        `string length must be at least 1`,
	} {
		runSteps(t, resource.TestStep{
			Config:      configurationAs(t, s, "vera", "data \"certctl_certificate_profile\" \"this\" {\n"+arguments+"\n}\n"),
			ExpectError: regexp.MustCompile(words),
		})
	}
}
