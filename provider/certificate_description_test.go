package provider_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"regexp"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// Null, an empty object, an empty set and no attribute are the same, also if the server stores an empty list.
func TestCertificateProfile_EmptySubjectAttributes(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	c := s.Client(t, "alice")
	with := func(subject, description string) string {
		return configurationAs(t, s, "terraform", fmt.Sprintf(`
resource "certctl_certificate_profile" "this" {
  id                 = "p-cdn"
  name               = "CDN"
  description        = %q
  requires_approval  = false
  subject_attributes = %s
}
`, description, subject))
	}
	want, stored := api.DefaultProfileSpec(), api.DefaultProfileSpec()
	want.Name, stored.Name = "CDN", "CDN"
	stored.SubjectAttributes.Organization = []string{}
	storeEmptyList := func() {
		full := stored
		full.SubjectAttributes.Organization = []string{"Example"}
		for _, spec := range []api.ProfileSpec{full, stored} {
			if _, err := c.ReplaceProfile(t.Context(), "p-cdn", spec); err != nil {
				t.Fatal(err)
			}
		}
		if err := checkStored(t, c, stored)(nil); err != nil {
			t.Fatal(err)
		}
	}
	described := stored
	described.Description = "new"
	set := want
	set.SubjectAttributes.Organization = []string{"Example"}
	runSteps(t,
		resource.TestStep{Config: with(`{ organization = [], country = null }`, ""), Check: checkStored(t, c, want)},
		resource.TestStep{Config: with(`{}`, ""), PlanOnly: true},
		resource.TestStep{Config: with(`null`, ""), PlanOnly: true},
		resource.TestStep{PreConfig: storeEmptyList, Config: with(`null`, ""), PlanOnly: true},
		resource.TestStep{Config: with(`{}`, "new")},
		resource.TestStep{Config: with(`{ organization = ["Example"] }`, ""), Check: checkStored(t, c, set)},
		resource.TestStep{Config: with(`{ organization = [] }`, ""), Check: checkStored(t, c, want)},
	)
}

// A value that is unknown in the plan is checked during the apply. The error names the attribute and the element.
func TestCertificateProfile_UnknownSubjectAttribute(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	with := func(country string) string {
		return configurationAs(t, s, "terraform", fmt.Sprintf(`
resource "terraform_data" "made" {
  input = %q
}
resource "certctl_certificate_profile" "this" {
  name               = "CDN"
  requires_approval  = true
  subject_attributes = { country = [terraform_data.made.output], organization = ["Example"] }
}
`, country))
	}
	runSteps(t,
		resource.TestStep{
			Config:      with("de"),
			ExpectError: regexp.MustCompile(`subject_attributes\.country:\s+"de"\s+is\s+not\s+a\s+country\s+code`),
		},
		resource.TestStep{Config: with("DE")},
	)
}

// csrOf makes a CSR with a subject.
func csrOf(t *testing.T, subject pkix.Name) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: subject}, key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
}

// createClientProfile makes a gated profile for the common names node-*.
func createClientProfile(t *testing.T, s *servertest.Server) api.ProfileSpec {
	t.Helper()
	spec := api.DefaultProfileSpec()
	spec.Name, spec.RequiresApproval = "Nodes", true
	spec.AllowedEKUs, spec.AllowedCommonNames, spec.AllowedDNSNames = []string{"clientAuth"}, []string{"node-*"}, []string{"**.example.com"}
	if _, err := s.Client(t, "olga").CreateProfile(t.Context(), api.CreateProfile{ID: "p-nodes", ProfileSpec: spec}); err != nil {
		t.Fatal(err)
	}
	return spec
}

func nodeCertificate(csr, names string) string {
	return fmt.Sprintf("resource \"certctl_certificate\" \"this\" {\n  id = \"mc-www\"\n  profile_id = \"p-nodes\"\n  csr_pem = %q\n  %s\n}\n", csr, names)
}

// A certificate may have a common name alone. SANs can be added and removed.
func TestCertificate_CommonNameAlone(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	createClientProfile(t, s)
	csr := servertest.CSR(t)
	with := func(names string) string { return configurationAs(t, s, "terraform", nodeCertificate(csr, names)) }
	sans := func(names ...knownvalue.Check) []statecheck.StateCheck {
		return []statecheck.StateCheck{checkAttribute("sans", knownvalue.SetExact(names))}
	}
	update := resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{plancheck.ExpectResourceAction(certificateAddress, plancheck.ResourceActionUpdate)}}
	runSteps(t,
		resource.TestStep{Config: with(`common_name = "node-1"`), ConfigStateChecks: append(sans(), checkAttribute("status", exactString("awaiting_approval")))},
		resource.TestStep{PreConfig: approveNewest(t, s), Config: with(`common_name = "node-1"`), ConfigStateChecks: []statecheck.StateCheck{checkAttribute("status", exactString("issued"))}},
		resource.TestStep{Config: with("common_name = \"node-1\"\n  sans = []"), PlanOnly: true},
		resource.TestStep{ResourceName: certificateAddress, ImportState: true, ImportStateId: "mc-www", ImportStateVerify: true},
		resource.TestStep{Config: with("common_name = \"node-1\"\n  sans = [\"n.example.com\"]"), ConfigPlanChecks: update, ConfigStateChecks: sans(exactString("n.example.com"))},
		resource.TestStep{Config: with(`common_name = "node-1"`), ConfigPlanChecks: update, ConfigStateChecks: sans()},
		resource.TestStep{Config: with(`common_name = "pod-1"`), ExpectError: regexp.MustCompile(`(?s)Could not update certificate mc-www.*common_name: .*allowed_common_names`)},
	)
}

// A configuration without any name is refused before a request is sent. An empty set that is unknown in the plan is refused
// during the apply.
func TestCertificate_WithoutNames(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	createClientProfile(t, s)
	for _, names := range []string{"", "sans = []", "common_name = \"\"", "sans = null\n  common_name = null"} {
		runSteps(t, resource.TestStep{
			Config: providerBlock("http://127.0.0.1:9", "ctl_a_b") + nodeCertificate(servertest.CSR(t), names), PlanOnly: true,
			ExpectError: regexp.MustCompile(`(?s)The certificate has no name.*sans is empty, and common_name is not set\. Give sans`),
		})
	}
	runSteps(t, resource.TestStep{
		Config: configurationAs(t, s, "terraform", nodeCertificate(servertest.CSR(t), "sans = terraform_data.none.output")+
			"resource \"terraform_data\" \"none\" {\n  input = toset([])\n}\n"),
		ExpectError: regexp.MustCompile(`The certificate has no name`),
	})
}

// csr_ignored lists what is not signed. A plan that changes other attributes keeps it, also if it requests a certificate.
// Other names make it unknown. An edit of the profile shows at the next refresh.
func TestCertificate_ShowsWhatIsIgnored(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	spec := createClientProfile(t, s)
	csr := csrOf(t, pkix.Name{CommonName: "node-1", Organization: []string{"Example"}})
	with := func(names string) string { return configurationAs(t, s, "terraform", nodeCertificate(csr, names)) }
	part := func(what, value string) knownvalue.Check {
		return knownvalue.ObjectExact(map[string]knownvalue.Check{"what": knownvalue.StringExact(what), "value": knownvalue.StringExact(value)})
	}
	organization, commonName := part("organizationName (2.5.4.10)", "Example"), part("common name", "node-1")
	lists := func(parts ...knownvalue.Check) []statecheck.StateCheck {
		return []statecheck.StateCheck{checkAttribute("csr_ignored", knownvalue.ListExact(parts))}
	}
	keeps := resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{
		plancheck.ExpectKnownValue(certificateAddress, tfjsonpath.New("csr_ignored"), knownvalue.ListExact([]knownvalue.Check{organization})),
	}}
	unknown := resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{plancheck.ExpectUnknownValue(certificateAddress, tfjsonpath.New("csr_ignored"))}}
	edit := func(context.Context) error {
		spec.SubjectAttributes.Organization = []string{"Example"}
		_, err := s.Client(t, "olga").ReplaceProfile(t.Context(), "p-nodes", spec)
		_, err = s.Client(t, "bob").ApproveApproval(t.Context(), awaitedApproval(t, err), api.Decision{})
		return err
	}
	runSteps(t,
		resource.TestStep{Config: with(`common_name = "node-1"`), ConfigStateChecks: lists(organization)},
		resource.TestStep{Config: with("common_name = \"node-1\"\n  labels = { a = \"1\" }"), ConfigPlanChecks: keeps, ConfigStateChecks: lists(organization)},
		resource.TestStep{Config: with("common_name = \"node-1\"\n  renewal_triggers = { a = \"1\" }"), ConfigPlanChecks: keeps, ConfigStateChecks: lists(organization)},
		resource.TestStep{Config: with(`common_name = "node-2"`), ConfigPlanChecks: unknown, ConfigStateChecks: lists(commonName, organization)},
		resource.TestStep{Config: with(`common_name = "node-1"`), ConfigPlanChecks: unknown, ConfigStateChecks: lists(organization)},
		resource.TestStep{
			Config: with("common_name = \"node-1\"\n  labels = { a = \"2\" }"), ConfigStateChecks: lists(organization),
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{duringPlan(edit)}},
		},
		resource.TestStep{RefreshState: true},
		resource.TestStep{Config: with("common_name = \"node-1\"\n  labels = { a = \"2\" }"), ConfigStateChecks: lists()},
	)
}
