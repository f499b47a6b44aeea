package provider_test

import (
	"crypto/x509/pkix"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

const (
	certificateData  = "data.certctl_certificate.this"
	certificatesData = "data.certctl_certificates.this"
)

func readCertificate(id string) string {
	return "data \"certctl_certificate\" \"this\" {\n  id = \"" + id + "\"\n}\n"
}

func readCertificates(arguments string) string {
	return "data \"certctl_certificates\" \"this\" {\n" + arguments + "\n}\n"
}

// Both data sources show what the resource shows, with the same values.
func TestCertificateData_IsTheResources(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	profile := s.CreateProfileAsOlga(t, false)
	made := certificate(profile.ID, servertest.CSR(t), www, "  wait_for_issuance = true\n  common_name = \"www.example.com\"\n  labels = { team = \"edge\" }")
	runSteps(t,
		resource.TestStep{Config: configurationAs(t, s, "terraform", made)},
		resource.TestStep{Config: configurationAs(t, s, "terraform", made+readCertificate("mc-www")+readCertificates("")), Check: resource.ComposeAggregateTestCheckFunc(
			ownAttributes(certificateAddress, certificateData, ""),
			ownAttributes(certificateAddress, certificatesData, "certificates.0."),
			resource.TestCheckResourceAttr(certificatesData, "ids.#", "1"),
			resource.TestCheckResourceAttr(certificateData, "status", "issued"),
		)},
	)
}

// ownAttributes checks that a data source has every attribute of a resource, below a prefix, but for those that only Terraform
// has.
func ownAttributes(address, data, prefix string) resource.TestCheckFunc {
	local := regexp.MustCompile(`^(%|wait_for_issuance|(renewal_triggers|timeouts)\..*)$`)
	return func(state *terraform.State) error {
		var checks []resource.TestCheckFunc
		for name := range state.RootModule().Resources[address].Primary.Attributes {
			if !local.MatchString(name) {
				checks = append(checks, resource.TestCheckResourceAttrPair(address, name, data, prefix+name))
			}
		}
		return resource.ComposeAggregateTestCheckFunc(checks...)(state)
	}
}

// The data source shows the current leaf, the newest job and the next renewal.
func TestCertificateData_ShowsALeaf(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	c := issueUnder(t, s, s.CreateProfileAsOlga(t, false).ID)
	runSteps(t, resource.TestStep{
		Config: configurationAs(t, s, "vera", readCertificate(c.ID)),
		ConfigStateChecks: expectOf(certificateData, map[string]knownvalue.Check{
			"profile_id":         knownvalue.StringExact(c.ProfileID),
			"common_name":        knownvalue.StringExact(c.CommonName),
			"sans":               knownvalue.SetExact(exactStrings(c.CommonName)),
			"up_to_date":         knownvalue.Bool(true),
			"serial_number":      knownvalue.StringExact(c.Current.SerialNumber),
			"not_before":         knownvalue.StringExact(timeText(c.Current.NotBefore)),
			"not_after":          knownvalue.StringExact(timeText(c.Current.NotAfter)),
			"fingerprint_sha256": knownvalue.StringExact(c.Current.FingerprintSHA256),
			"spki_sha256":        knownvalue.StringExact(c.Current.SPKISHA256),
			"signed_sans":        knownvalue.SetExact(exactStrings(c.CommonName)),
			"issuer_id":          knownvalue.StringExact("iss-local"),
			"full_chain_pem":     knownvalue.StringExact(c.Current.CertificatePEM + c.Current.ChainPEM),
			"renew_at":           knownvalue.StringExact(timeText(*c.RenewAt)),
			"ready_for_renewal":  knownvalue.Bool(false),
			"renewal": knownvalue.ObjectExact(map[string]knownvalue.Check{
				"due_at": knownvalue.StringExact(timeText(*c.Renewal.DueAt)), "blocked_by": knownvalue.Null(), "since": knownvalue.Null(), "detail": knownvalue.StringExact(""),
			}),
			"job": knownvalue.ObjectExact(map[string]knownvalue.Check{
				"id": knownvalue.StringExact(c.Job.ID), "status": knownvalue.StringExact("Completed"), "type": knownvalue.StringExact("Issuance"),
				"cause": knownvalue.Null(), "error_message": knownvalue.StringExact(""),
			}),
			"job_id":         knownvalue.StringExact(c.Job.ID),
			"open_job_id":    knownvalue.Null(),
			"approval_id":    knownvalue.Null(),
			"approval_state": knownvalue.Null(),
			"created_at":     knownvalue.StringExact(timeText(c.CreatedAt)),
			"updated_at":     knownvalue.StringExact(timeText(c.UpdatedAt)),
		}),
	})
}

// Without a leaf its attributes are null. The request and its approval are there before and after the decision.
func TestCertificateData_ShowsTheRequest(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	waiting := openRenewal(t, s, "mc-a", "a.example.com")
	configuration := configurationAs(t, s, "vera", readCertificate("mc-a"))
	reject := func() {
		if _, err := s.Client(t, "bob").RejectApproval(t.Context(), waiting.ID, api.Decision{Note: "not this week"}); err != nil {
			t.Error(err)
		}
	}
	without := map[string]knownvalue.Check{"approval_id": knownvalue.StringExact(waiting.ID), "up_to_date": knownvalue.Bool(false)}
	for _, name := range []string{
		"serial_number", "not_before", "not_after", "fingerprint_sha256", "spki_sha256", "signed_sans", "issuer_id", "certificate_pem", "chain_pem",
		"full_chain_pem", "renew_at",
	} {
		without[name] = knownvalue.Null()
	}
	job := func(status string, cause knownvalue.Check) knownvalue.Check {
		return knownvalue.ObjectPartial(map[string]knownvalue.Check{
			"id": knownvalue.StringExact(*waiting.JobID), "status": knownvalue.StringExact(status), "cause": cause,
		})
	}
	runSteps(t,
		resource.TestStep{Config: configuration, ConfigStateChecks: append(expectOf(certificateData, without), expectOf(certificateData, map[string]knownvalue.Check{
			"status":         knownvalue.StringExact("awaiting_approval"),
			"approval_state": knownvalue.StringExact("pending"),
			"open_job_id":    knownvalue.StringExact(*waiting.JobID),
			"job":            job("AwaitingApproval", knownvalue.Null()),
		})...)},
		resource.TestStep{PreConfig: reject, Config: configuration, ConfigStateChecks: append(expectOf(certificateData, without), expectOf(certificateData, map[string]knownvalue.Check{
			"status":         knownvalue.StringExact("rejected"),
			"approval_state": knownvalue.StringExact("rejected"),
			"open_job_id":    knownvalue.Null(),
			"job":            job("Cancelled", knownvalue.StringExact("approval_rejected")),
		})...)},
	)
}

// Parts of the CSR that are not signed are listed.
func TestCertificateData_ListsWhatIsIgnored(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	spec := api.DefaultCertificateSpec()
	spec.ProfileID, spec.SANs, spec.CSRPEM = s.CreateProfileAsOlga(t, true).ID, www, csrOf(t, pkix.Name{Organization: []string{"Example"}})
	c, err := s.Client(t, "olga").CreateCertificate(t.Context(), api.CreateCertificate{CertificateSpec: spec}, client.IssueOptions{})
	if err != nil {
		t.Fatal(err)
	}
	runSteps(t, resource.TestStep{
		Config: configurationAs(t, s, "vera", readCertificate(c.ID)),
		ConfigStateChecks: expectOf(certificateData, map[string]knownvalue.Check{"csr_ignored": knownvalue.ListExact([]knownvalue.Check{
			knownvalue.ObjectExact(map[string]knownvalue.Check{"what": knownvalue.StringExact("organizationName (2.5.4.10)"), "value": knownvalue.StringExact("Example")}),
		})}),
	})
}

func TestCertificateData_ErrorsNameTheID(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	archived := s.CreateCertificateAsOlga(t, s.CreateProfileAsOlga(t, true).ID)
	if err := s.Client(t, "olga").DeleteCertificate(t.Context(), archived.ID); err != nil {
		t.Fatal(err)
	}
	for id, words := range map[string]string{
		"mc-none":   `(?s)Could not read certificate mc-none.*with data\.certctl_certificate\.this.*id = "mc-none".*no\s+certificate\s+with\s+this\s+id`,
		archived.ID: `(?s)Could not read certificate ` + archived.ID + `.*archived\s+certificate\s+counts\s+as\s+absent`,
		"www":       `(?s)Could not read certificate www`,
		"":          `Attribute id string length must be at least 1`,
	} {
		runSteps(t, resource.TestStep{Config: configurationAs(t, s, "vera", readCertificate(id)), ExpectError: regexp.MustCompile(words)})
	}
}

// A condition on the data source stops the plan until the certificate is up to date.
func TestCertificateData_BlocksAPlan(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	waiting := openRenewal(t, s, "mc-a", "a.example.com")
	configuration := configurationAs(t, s, "terraform", strings.Replace(readCertificate("mc-a"), "\n}\n", `
  lifecycle {
    postcondition {
      condition     = self.up_to_date
      error_message = "Certificate ${self.id} is ${self.status}."
    }
  }
}
`, 1))
	approve := func() {
		if _, err := s.Client(t, "bob").ApproveApproval(t.Context(), waiting.ID, api.Decision{Digest: waiting.Digest}); err != nil {
			t.Error(err)
		}
		nothingOpen(t, s)
	}
	runSteps(t,
		resource.TestStep{Config: configuration, PlanOnly: true, ExpectError: regexp.MustCompile(`Certificate mc-a is awaiting_approval`)},
		resource.TestStep{PreConfig: approve, Config: configuration},
	)
}

// Each argument selects exactly the certificates that it describes.
func TestCertificates_Filters(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	openRenewal(t, s, "mc-a", "a.example.com")
	c := issueUnder(t, s, s.CreateProfileAsOlga(t, false).ID)
	later := timeText(c.Current.NotAfter.AddDate(0, 0, 1))
	var configuration strings.Builder
	var checks []statecheck.StateCheck
	for i, filter := range []struct {
		arguments string
		want      []string
	}{
		{``, []string{"mc-a", c.ID}},
		{`profile_id = "p-cdn"`, []string{"mc-a"}},
		{`common_name = "a.example.com"`, []string{"mc-a"}},
		{`san = "a.example.com"`, []string{"mc-a"}},
		{`status = "awaiting_approval"`, []string{"mc-a"}},
		{`status = "issued"`, []string{c.ID}},
		{fmt.Sprintf("serial_number = %q", c.Current.SerialNumber), []string{c.ID}},
		{fmt.Sprintf("fingerprint_sha256 = %q", c.Current.FingerprintSHA256), []string{c.ID}},
		{fmt.Sprintf("spki_sha256 = %q", c.Current.SPKISHA256), []string{c.ID}},
		{fmt.Sprintf("expires_before = %q", later), []string{c.ID}},
		{fmt.Sprintf("expires_before = %q", timeText(c.Current.NotBefore)), nil},
		{fmt.Sprintf("expires_before = %q\nstatus = \"awaiting_approval\"", later), nil},
	} {
		name := fmt.Sprint("filter", i)
		configuration.WriteString(strings.Replace(readCertificates(filter.arguments), `"this"`, strconv.Quote(name), 1))
		checks = append(checks, expectOf("data.certctl_certificates."+name, map[string]knownvalue.Check{
			"ids":          knownvalue.ListExact(exactStrings(filter.want...)),
			"certificates": knownvalue.ListSizeExact(len(filter.want)),
		})...)
	}
	runSteps(t, resource.TestStep{Config: configurationAs(t, s, "vera", configuration.String()), ConfigStateChecks: checks})
}

func TestCertificates_Errors(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	for arguments, words := range map[string]string{
		`status = "good"`:             `(?s)Attribute status value must be one of: .*"unissued".*got: "good"`,
		`renewal = "due"`:             `(?s)Attribute renewal value must be one of: \["blocked"\]`,
		`san = ""`:                    `Attribute san string length must be at least 1`,
		`expires_before = "tomorrow"`: `(?s)expires_before.*RFC ?3339`,
	} {
		runSteps(t, resource.TestStep{Config: configurationAs(t, s, "vera", readCertificates(arguments)), ExpectError: regexp.MustCompile(words)})
	}
	runSteps(t, resource.TestStep{
		Config:      providerBlock("http://127.0.0.1:9", "ctl_a_b") + readCertificates(""),
		ExpectError: regexp.MustCompile(`Could not read the certificates`),
	})
}

// A condition on the data source stops the plan while the server cannot renew a certificate.
func TestCertificates_BlockedRenewals(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	profile := s.CreateProfileAsOlga(t, false)
	c := issueUnder(t, s, profile.ID)
	issueUnder(t, s, s.CreateProfileAsOlga(t, false).ID)
	enable := func(enabled bool) func() {
		return func() {
			profile.Enabled = enabled
			if _, err := s.Client(t, "olga").ReplaceProfile(t.Context(), profile.ID, profile.ProfileSpec); err != nil {
				t.Error(err)
			}
			if err := s.App.CheckRenewals(t.Context()); err != nil {
				t.Error(err)
			}
		}
	}
	blocked := configurationAs(t, s, "vera", readCertificates(`renewal = "blocked"`))
	guarded := blocked + `
resource "terraform_data" "release" {
  lifecycle {
    precondition {
      condition     = length(data.certctl_certificates.this.ids) == 0
      error_message = join(", ", [for c in data.certctl_certificates.this.certificates : "${c.id}: ${c.renewal.blocked_by}"])
    }
  }
}
`
	runSteps(t,
		resource.TestStep{Config: guarded},
		resource.TestStep{PreConfig: enable(false), Config: guarded, PlanOnly: true, ExpectError: regexp.MustCompile(c.ID + `: profile_disabled`)},
		resource.TestStep{Config: blocked, ConfigStateChecks: append(
			expectOf(certificatesData, map[string]knownvalue.Check{"ids": knownvalue.ListExact(exactStrings(c.ID))}),
			statecheck.ExpectKnownValue(certificatesData, tfjsonpath.New("certificates").AtSliceIndex(0).AtMapKey("renewal"), knownvalue.ObjectExact(map[string]knownvalue.Check{
				"due_at": knownvalue.NotNull(), "blocked_by": knownvalue.StringExact("profile_disabled"), "since": knownvalue.NotNull(),
				"detail": knownvalue.StringRegexp(regexp.MustCompile("disabled")),
			})),
		)},
		resource.TestStep{PreConfig: enable(true), Config: guarded},
	)
}

// A list of several pages is complete.
func TestCertificates_AllPages(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	spec := api.DefaultCertificateSpec()
	spec.ProfileID, spec.SANs, spec.CSRPEM = s.CreateProfileAsOlga(t, true).ID, www, servertest.CSR(t)
	olga := s.Client(t, "olga")
	for range 501 {
		if _, err := olga.CreateCertificate(t.Context(), api.CreateCertificate{CertificateSpec: spec}); err != nil {
			t.Fatal(err)
		}
	}
	runSteps(t, resource.TestStep{
		Config: configurationAs(t, s, "vera", readCertificates("")),
		Check:  resource.TestCheckResourceAttr(certificatesData, "certificates.#", "501"),
	})
}

// issueUnder makes a certificate under an ungated profile, and waits for the leaf.
func issueUnder(t *testing.T, s *servertest.Server, profileID string) api.Certificate {
	t.Helper()
	c := s.CreateCertificateAsOlga(t, profileID)
	job, err := s.Client(t, "olga").RenewCertificate(t.Context(), c.ID, api.Renew{})
	if err != nil {
		t.Fatal(err)
	}
	s.WaitUntilFinalAsVera(t, job.ID)
	if c, err = s.Client(t, "vera").GetCertificate(t.Context(), c.ID); err != nil || c.Current == nil {
		t.Fatalf("no leaf: %v, %+v", err, c)
	}
	return c
}

func timeText(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

func expectOf(address string, checks map[string]knownvalue.Check) (out []statecheck.StateCheck) {
	for attribute, check := range checks {
		out = append(out, statecheck.ExpectKnownValue(address, tfjsonpath.New(attribute), check))
	}
	return out
}
