package provider_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// A name that another profile has is an error on the name.
func TestCertificateProfile_TakenNameIsMarked(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	p := s.CreateProfileAsOlga(t, false)
	runSteps(t,
		resource.TestStep{
			Config:      configurationAs(t, s, "terraform", minimalProfile(p.Name)),
			ExpectError: regexp.MustCompile(fmt.Sprintf(`(?s)name +=  *"%s".*Nothing was adopted.*id = "%s".*create_before_destroy`, p.Name, p.ID)),
		},
		resource.TestStep{
			Config:      configurationAs(t, s, "terraform", strings.Replace(minimalProfile("other"), "p-cdn", p.ID, 1)),
			ExpectError: regexp.MustCompile(fmt.Sprintf(`(?s)id +=  *"%s".*Nothing was adopted`, p.ID)),
		},
	)
}

const profileAddress = "certctl_certificate_profile.this"

func minimalProfile(name string) string {
	return fmt.Sprintf(`
resource "certctl_certificate_profile" "this" {
  id                = "p-cdn"
  name              = %q
  requires_approval = false
}
`, name)
}

// firstFields has the fields that every version of the provider knows, without the closing brace.
const firstFields = `
resource "certctl_certificate_profile" "this" {
  id                = "p-cdn"
  name              = "CDN, für <alle> & mehr"
  description       = "line one\nline two"
  enabled           = false
  requires_approval = false
  issuer_id         = "iss-local"
  allowed_key_algorithms = [
    { algorithm = "Ed25519" },
    { algorithm = "ECDSA", min_size = 384 },
  ]
  allowed_ekus          = ["emailProtection", "clientAuth"]
  allowed_dns_names     = ["**.example.com", "*.example.org", "example.net"]
  allow_wildcard_names  = true
  allowed_ip_ranges     = ["10.0.0.0/8", "2001:db8::/32"]
  allowed_uris          = ["spiffe://example.com/ns/*/sa/**"]
  allowed_email_domains = ["example.com"]
  max_sans              = 7
  max_ttl_seconds       = 86400
  labels                = { team = "edge", "example.com/tier" = "1" }
`

const everyField = firstFields + `
  subject_attributes = {
    organization        = ["Example GmbH", "Example"]
    organizational_unit = ["Edge"]
    country             = ["DE"]
    province            = ["Bavaria"]
    locality            = ["Zürich"]
    street_address      = ["1 High Street"]
    postal_code         = ["80331"]
  }
  allowed_common_names = ["node-*", "app_*"]
  key_usages           = ["digitalSignature", "contentCommitment"]
  allow_underscores    = true
  csr_extras           = "refuse"
}
`

// Another order of a set is no change.
const everyFieldShuffled = `
resource "certctl_certificate_profile" "this" {
  id                = "p-cdn"
  name              = "CDN, für <alle> & mehr"
  description       = "line one\nline two"
  enabled           = false
  requires_approval = false
  allowed_key_algorithms = [
    { algorithm = "ECDSA", min_size = 384 },
    { algorithm = "Ed25519" },
  ]
  allowed_ekus          = ["clientAuth", "emailProtection"]
  allowed_dns_names     = ["example.net", "**.example.com", "*.example.org"]
  allow_wildcard_names  = true
  allowed_ip_ranges     = ["2001:db8::/32", "10.0.0.0/8"]
  allowed_uris          = ["spiffe://example.com/ns/*/sa/**"]
  allowed_email_domains = ["example.com"]
  max_sans              = 7
  max_ttl_seconds       = 86400
  labels                = { "example.com/tier" = "1", team = "edge" }
  subject_attributes = {
    postal_code         = ["80331"]
    street_address      = ["1 High Street"]
    locality            = ["Zürich"]
    province            = ["Bavaria"]
    country             = ["DE"]
    organizational_unit = ["Edge"]
    organization        = ["Example", "Example GmbH"]
  }
  allowed_common_names = ["app_*", "node-*"]
  key_usages           = ["contentCommitment", "digitalSignature"]
  allow_underscores    = true
  csr_extras           = "refuse"
}
`

func everyFieldSpec() api.ProfileSpec {
	return api.ProfileSpec{
		Name:        "CDN, für <alle> & mehr",
		Description: "line one\nline two",
		IssuerID:    "iss-local",
		AllowedKeyAlgorithms: []api.KeyAlgorithm{
			{Algorithm: api.AlgorithmEd25519}, {Algorithm: api.AlgorithmECDSA, MinSize: 384},
		},
		AllowedEKUs:         []string{"emailProtection", "clientAuth"},
		AllowedDNSNames:     []string{"**.example.com", "*.example.org", "example.net"},
		AllowWildcardNames:  true,
		AllowedIPRanges:     []string{"10.0.0.0/8", "2001:db8::/32"},
		AllowedURIs:         []string{"spiffe://example.com/ns/*/sa/**"},
		AllowedEmailDomains: []string{"example.com"},
		MaxSANs:             7,
		MaxTTLSeconds:       86400,
		SubjectAttributes: api.SubjectAttributes{
			Organization: []string{"Example GmbH", "Example"}, OrganizationalUnit: []string{"Edge"}, Country: []string{"DE"}, Province: []string{"Bavaria"},
			Locality: []string{"Zürich"}, StreetAddress: []string{"1 High Street"}, PostalCode: []string{"80331"},
		},
		AllowedCommonNames: []string{"node-*", "app_*"},
		KeyUsages:          []string{"digitalSignature", "contentCommitment"},
		AllowUnderscores:   true,
		CSRExtras:          api.CSRExtrasRefuse,
		Labels:             map[string]string{"team": "edge", "example.com/tier": "1"},
	}
}

// Each step of plugin-testing plans again after its apply, and fails if that plan is not empty.
func TestCertificateProfile_Lifecycle(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	c := s.Client(t, "alice")
	defaults := api.DefaultProfileSpec()
	defaults.Name = "CDN"
	update := resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{plancheck.ExpectResourceAction(profileAddress, plancheck.ResourceActionUpdate)}}

	runSteps(t,
		resource.TestStep{Config: configurationAs(t, s, "terraform", minimalProfile("CDN")), Check: checkStored(t, c, defaults)},
		resource.TestStep{Config: configurationAs(t, s, "terraform", everyField), ConfigPlanChecks: update, Check: checkStored(t, c, everyFieldSpec())},
		resource.TestStep{Config: configurationAs(t, s, "terraform", everyFieldShuffled), PlanOnly: true},
		resource.TestStep{Config: configurationAs(t, s, "terraform", everyField), ResourceName: profileAddress, ImportState: true, ImportStateVerify: true},
		// An update after an import has the version.
		resource.TestStep{Config: configurationAs(t, s, "terraform", minimalProfile("CDN")), ConfigPlanChecks: update, Check: checkStored(t, c, defaults)},
	)
	if _, err := c.GetProfile(t.Context(), "p-cdn"); !isCode(err, api.CodeNotFound) {
		t.Errorf("after destroy: %v", err)
	}
}

// A configuration without optional attributes equals a request without optional fields.
func TestCertificateProfile_DefaultsOfTheServer(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	c := s.Client(t, "alice")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/api/v1/profiles",
		strings.NewReader(`{"id":"p-cdn","name":"CDN","requires_approval":false}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.Key(t, "alice"))
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if resp.Body.Close(); resp.StatusCode != http.StatusCreated {
		t.Fatalf("POST answered %s", resp.Status)
	}
	spec := api.DefaultProfileSpec()
	spec.Name = "CDN"
	if err := checkStored(t, c, spec)(nil); err != nil {
		t.Error(err)
	}
}

func TestCertificateProfile_ServerMakesTheID(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	configuration := configurationAs(t, s, "terraform", `
resource "certctl_certificate_profile" "this" {
  name              = "CDN"
  requires_approval = true
}
`)
	runSteps(t, resource.TestStep{Config: configuration, Check: resource.ComposeAggregateTestCheckFunc(
		resource.TestMatchResourceAttr(profileAddress, "id", regexp.MustCompile(`^p-.`)),
		resource.TestMatchResourceAttr(profileAddress, "created_at", regexp.MustCompile(`Z$`)),
	)})
}

// The error has the server's words at the line of the attribute, and names the element of a set.
func TestCertificateProfile_FaultIsOnTheAttribute(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	configuration := configurationAs(t, s, "terraform", `
resource "certctl_certificate_profile" "this" {
  name              = "CDN"
  requires_approval = true
  allowed_dns_names = ["ok.example.com", "WWW.example.com"]
}
`)
	runSteps(t, resource.TestStep{
		Config: configuration,
		ExpectError: regexp.MustCompile(`(?s)The server would refuse a certificate profile.*` +
			`allowed_dns_names = \["ok.example.com", "WWW.example.com"\].*` +
			`allowed_dns_names:\s+"WWW.example.com".*Request id: \S`),
	})
}

// The apply of an older plan does not undo the edit of somebody else.
func TestCertificateProfile_StaleVersion(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	c := s.Client(t, "alice")
	theirs := api.DefaultProfileSpec()
	theirs.Name = "theirs"
	edit := duringPlan(func(ctx context.Context) error {
		_, err := c.ReplaceProfile(ctx, "p-cdn", theirs)
		return err
	})
	runSteps(t,
		resource.TestStep{Config: configurationAs(t, s, "terraform", minimalProfile("CDN"))},
		resource.TestStep{
			Config:           configurationAs(t, s, "terraform", minimalProfile("ours")),
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{edit}},
			ExpectError:      regexp.MustCompile(`(?s)Could not update certificate profile p-cdn.*Somebody\s+else\s+changed\s+the\s+object`),
		},
		resource.TestStep{
			PreConfig: func() {
				if err := checkStored(t, c, theirs)(nil); err != nil {
					t.Error(err)
				}
			},
			Config: configurationAs(t, s, "terraform", minimalProfile("ours")),
		},
	)
}

type duringPlan func(context.Context) error

// CheckPlan runs between plan and apply.
func (f duringPlan) CheckPlan(ctx context.Context, _ plancheck.CheckPlanRequest, resp *plancheck.CheckPlanResponse) {
	resp.Error = f(ctx)
}

func TestCertificateProfile_DeletedIsCreatedAgain(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	c := s.Client(t, "alice")
	create := plancheck.ExpectResourceAction(profileAddress, plancheck.ResourceActionCreate)
	runSteps(t,
		resource.TestStep{Config: configurationAs(t, s, "terraform", minimalProfile("CDN"))},
		resource.TestStep{
			PreConfig: func() {
				if err := c.DeleteProfile(t.Context(), "p-cdn"); err != nil {
					t.Error(err)
				}
			},
			Config:           configurationAs(t, s, "terraform", minimalProfile("CDN")),
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{create}},
		},
		// The destroy of a deleted profile succeeds.
		resource.TestStep{
			Config:           configurationAs(t, s, "terraform", minimalProfile("CDN")),
			Destroy:          true,
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{duringPlan(func(ctx context.Context) error { return c.DeleteProfile(ctx, "p-cdn") })}},
		},
	)
}

// An edit of a gated profile waits: the error names the approval, the state stays, and another apply finds the same
// approval. A rejection says why. After the approval nothing is left to do.
func TestCertificateProfile_GatedEditWaits(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	gated := func(gate bool, description string) string {
		return configurationAs(t, s, "terraform", fmt.Sprintf("resource \"certctl_certificate_profile\" \"this\" {\n  name = \"CDN\"\n  requires_approval = %t\n  description = %q\n}\n", gate, description))
	}
	again := func(configuration string) string {
		return strings.Replace(configuration, "{\n", "{\n  change_reason = \"SECOPS-7: as agreed\"\n  resubmit_rejected = true\n", 1)
	}
	var waiting []string
	pending := func() {
		for a, err := range s.Client(t, "bob").ListApprovals(t.Context(), client.ListApprovalsOptions{ApprovalFilter: client.ApprovalFilter{States: []api.ApprovalState{api.ApprovalPending}}}) {
			if err != nil {
				t.Error(err)
			}
			waiting = append(waiting, a.ID)
		}
	}
	awaits := regexp.MustCompile(`(?s)Awaiting approval ar-.*Requested by:  terraform \(accountable: alice\).*/approve"`)
	runSteps(t,
		resource.TestStep{Config: gated(true, "")},
		resource.TestStep{Config: gated(false, ""), ExpectError: awaits},
		resource.TestStep{PreConfig: pending, Config: gated(false, ""), ExpectError: awaits},
		resource.TestStep{
			PreConfig: func() {
				if pending(); len(waiting) != 2 || waiting[0] != waiting[1] {
					t.Fatalf("applying again made another approval: %v", waiting)
				}
				if _, err := s.Client(t, "bob").RejectApproval(t.Context(), waiting[0], api.Decision{Note: "not on a Friday"}); err != nil {
					t.Fatal(err)
				}
			},
			Config:      gated(false, ""),
			ExpectError: regexp.MustCompile(`(?s)Edit rejected by bob.*did not change.*not on a Friday.*CERTCTL_RESUBMIT_REJECTED`),
		},
		resource.TestStep{Config: again(gated(false, "")), ExpectError: awaits},
		resource.TestStep{
			PreConfig: func() {
				waiting = nil
				pending()
				a, err := s.Client(t, "bob").GetApproval(t.Context(), waiting[0])
				if err != nil || a.Reason != "SECOPS-7: as agreed" || a.PreviousApprovalID == nil {
					t.Fatalf("it was asked for again as %+v, %v", a, err)
				}
			},
			Config: again(gated(false, "")), ExpectError: awaits,
		},
		resource.TestStep{Config: gated(true, ""), PlanOnly: true},
		resource.TestStep{Config: gated(false, "without a gate"), ExpectError: awaits},
		resource.TestStep{
			PreConfig: func() {
				waiting = nil
				if pending(); len(waiting) != 1 {
					t.Fatalf("waiting: %v", waiting)
				}
				if _, err := s.Client(t, "bob").ApproveApproval(t.Context(), waiting[0], api.Decision{}); err != nil {
					t.Fatal(err)
				}
			},
			Config:           gated(false, "without a gate"),
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()}},
		},
	)
}

// A configuration without requires_approval is refused, and validation finds simple mistakes without the server.
func TestCertificateProfile_PlanTimeErrors(t *testing.T) {
	t.Parallel()
	for attributes, want := range map[string]string{
		`name = "a"`:                   `argument "requires_approval" is required`,
		`name = ""` + requiresApproval: `name UTF-8 character count must be between 1`,
		`name = "a"` + "\nallowed_ekus = []" + requiresApproval:                                  `allowed_ekus set must contain at least 1`,
		`name = "a"` + "\nmax_ttl_seconds = 60" + requiresApproval:                               `max_ttl_seconds value must be between 3600`,
		`name = "a"` + "\nallowed_key_algorithms = [{ algorithm = \"DSA\" }]" + requiresApproval: `value must be one of`,
		`name = "a"` + "\nsubject_attributes = { country = [\"de\"] }" + requiresApproval:        `subject_attributes.country: "de" is not a country code`,
		`name = "a"` + "\nallowed_common_names = [\"a\"]" + requiresApproval:                     `allowed_common_names: a profile with serverAuth allows only`,
		`name = "a"` + "\nkey_usages = []" + requiresApproval:                                    `key_usages: the list is empty; leave it out`,
		`name = "a"` + "\nmax_ttl_seconds = 90*24*3600/7" + requiresApproval:                     `max_ttl_seconds must be a whole number`,
		`name = "a"` + "\nkey_usages = [\"cRLSign\"]" + requiresApproval:                         `key_usages, element "cRLSign": cRLSign is for CA certificates`,
		`name = "a"` + "\nkey_usages = [null]" + requiresApproval:                                `contains a null value`,
		`name = "a"` + "\ncsr_extras = \"ignore\"" + requiresApproval:                            `csr_extras: "ignore" is neither list nor refuse`,
	} {
		runSteps(t, resource.TestStep{
			Config:      providerBlock("http://127.0.0.1:9", "ctl_a_b") + "resource \"certctl_certificate_profile\" \"this\" {\n" + attributes + "\n}\n",
			PlanOnly:    true,
			ExpectError: regexp.MustCompile(want),
		})
	}
}

const requiresApproval = "\nrequires_approval = true"

// checkStored compares the server's profile.
func checkStored(t *testing.T, c *client.Client, want api.ProfileSpec) func(*terraform.State) error {
	return func(*terraform.State) error {
		p, err := c.GetProfile(t.Context(), "p-cdn")
		if err != nil {
			return err
		}
		sorted := []cmp.Option{
			cmpopts.SortSlices(func(a, b string) bool { return a < b }),
			cmpopts.SortSlices(func(a, b api.KeyAlgorithm) bool { return a.Algorithm < b.Algorithm }),
		}
		if diff := cmp.Diff(want, p.ProfileSpec, sorted...); diff != "" {
			return fmt.Errorf("the server holds something else:\n%s", diff)
		}
		return nil
	}
}

func isCode(err error, code api.Code) bool {
	p, ok := errors.AsType[*api.Problem](err)
	return ok && p.Code() == code
}
