package provider_test

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
	signing "github.com/certctl/terraform-provider-certctl/server/gate"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

const certificateAddress = "certctl_certificate.this"

// certificate returns the configuration of a certificate, with additional lines.
func certificate(profileID, csr string, sans []string, more string) string {
	return fmt.Sprintf(`
resource "certctl_certificate" "this" {
  id         = "mc-www"
  profile_id = %q
  sans       = ["%s"]
  csr_pem    = %q
%s
}
`, profileID, strings.Join(sans, `", "`), csr, more)
}

func checkAttribute(attribute string, value knownvalue.Check) statecheck.StateCheck {
	return statecheck.ExpectKnownValue(certificateAddress, tfjsonpath.New(attribute), value)
}

func exactString(s string) knownvalue.Check { return knownvalue.StringExact(s) }

var www = []string{"www.example.com"}

// newestApproval returns the newest approval of the certificate.
func newestApproval(t *testing.T, s *servertest.Server) api.Approval {
	t.Helper()
	options := client.ListApprovalsOptions{ApprovalFilter: client.ApprovalFilter{CertificateID: "mc-www"}, Order: api.ApprovalsNewestFirst}
	for a, err := range s.Client(t, "bob").ListApprovals(t.Context(), options) {
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	t.Fatal("there is no approval")
	return api.Approval{}
}

func approveNewest(t *testing.T, s *servertest.Server) func() {
	return func() {
		t.Helper()
		a := newestApproval(t, s)
		if _, err := s.Client(t, "carol").ApproveApproval(t.Context(), a.ID, api.Decision{}); err != nil {
			t.Fatal(err)
		}
		s.WaitUntilFinalAsVera(t, *a.JobID)
	}
}

// Under a gated profile the state after an apply has the job and the approval. The plan is empty while the request waits.
// A read takes over the certificate. Labels ask for nothing; new names ask again.
func TestCertificate_WaitsForApproval(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	profile, key := s.CreateProfileAsOlga(t, true).ID, servertest.CSR(t)
	first := configurationAs(t, s, "terraform", certificate(profile, key, www, ""))
	labelled := configurationAs(t, s, "terraform", certificate(profile, key, www, `labels = { team = "shop" }`))
	renamed := configurationAs(t, s, "terraform", certificate(profile, key, []string{"www.example.com", "shop.example.com"}, `labels = { team = "shop" }`))
	var asked string
	runSteps(t,
		resource.TestStep{Config: first, ConfigStateChecks: []statecheck.StateCheck{
			checkAttribute("status", exactString("awaiting_approval")), checkAttribute("approval_state", exactString("pending")), checkAttribute("job_id", knownvalue.NotNull()),
			checkAttribute("approval_id", knownvalue.NotNull()), checkAttribute("certificate_pem", knownvalue.Null()), checkAttribute("ready_for_renewal", knownvalue.Bool(false)),
		}},
		resource.TestStep{PreConfig: func() { asked = newestApproval(t, s).ID }, Config: first, PlanOnly: true},
		resource.TestStep{
			PreConfig: approveNewest(t, s), Config: labelled,
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{
				plancheck.ExpectResourceAction(certificateAddress, plancheck.ResourceActionUpdate),
				plancheck.ExpectKnownValue(certificateAddress, tfjsonpath.New("serial_number"), knownvalue.NotNull()),
			}},
			ConfigStateChecks: []statecheck.StateCheck{
				checkAttribute("status", exactString("issued")), checkAttribute("certificate_pem", knownvalue.StringRegexp(regexp.MustCompile("BEGIN CERTIFICATE"))),
				checkAttribute("not_after", knownvalue.NotNull()), checkAttribute("renew_at", knownvalue.NotNull()), checkAttribute("chain_pem", knownvalue.NotNull()),
			},
		},
		resource.TestStep{
			PreConfig: func() {
				if newestApproval(t, s).ID != asked {
					t.Fatal("labels asked for issuance")
				}
			},
			Config: renamed,
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{
				plancheck.ExpectUnknownValue(certificateAddress, tfjsonpath.New("approval_id")),
				plancheck.ExpectKnownValue(certificateAddress, tfjsonpath.New("certificate_pem"), knownvalue.NotNull()),
			}},
			ConfigStateChecks: []statecheck.StateCheck{
				checkAttribute("status", exactString("awaiting_approval")), checkAttribute("serial_number", knownvalue.NotNull()), checkAttribute("up_to_date", knownvalue.Bool(false)),
			},
		},
		resource.TestStep{
			ResourceName: certificateAddress, ImportState: true, ImportStateId: "mc-www", ImportStateVerify: true,
		},
	)
}

// After a rejection the next plan is empty unless a trigger changes. After an expiry it is an update that asks again.
func TestCertificate_AsksAgain(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	profile, key := s.CreateProfileAsOlga(t, true).ID, servertest.CSR(t)
	triggered := func(n int) string {
		return configurationAs(t, s, "terraform", certificate(profile, key, www, fmt.Sprintf("renewal_triggers = { n = %d }", n)))
	}
	var asked string
	changes := func() {
		if a := newestApproval(t, s); a.ID == asked || a.State != api.ApprovalPending {
			t.Errorf("it did not ask again: %+v", a)
		}
	}
	runSteps(t,
		resource.TestStep{Config: triggered(1)},
		resource.TestStep{
			PreConfig: func() {
				asked = newestApproval(t, s).ID
				if _, err := s.Client(t, "carol").RejectApproval(t.Context(), asked, api.Decision{Note: "no"}); err != nil {
					t.Fatal(err)
				}
			},
			RefreshState: true,
		},
		resource.TestStep{Config: triggered(1), PlanOnly: true},
		resource.TestStep{Config: triggered(2), ConfigStateChecks: []statecheck.StateCheck{checkAttribute("status", exactString("awaiting_approval"))}},
		resource.TestStep{
			PreConfig: func() {
				changes()
				asked = newestApproval(t, s).ID
				s.Clock.Advance(200 * time.Hour)
				if err := s.App.Expire(t.Context()); err != nil {
					t.Fatal(err)
				}
			},
			Config: triggered(2),
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{
				plancheck.ExpectResourceAction(certificateAddress, plancheck.ResourceActionUpdate),
			}},
		},
		resource.TestStep{PreConfig: changes, Config: triggered(2), PlanOnly: true},
		// An open request counts as the renewal of the trigger.
		resource.TestStep{
			PreConfig: func() { asked = newestApproval(t, s).ID },
			Config:    triggered(3),
		},
		resource.TestStep{
			PreConfig: func() {
				if newestApproval(t, s).ID != asked {
					t.Error("a second request")
				}
			},
			Config: triggered(3), PlanOnly: true,
		},
	)
}

// With wait_for_issuance an apply waits. After the timeout it ends with a warning, and the next apply waits for the same
// request.
func TestCertificate_Waits(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	profile, key := s.CreateProfileAsOlga(t, true).ID, servertest.CSR(t)
	p := newProxy(t, s)
	patient := providerBlock(p.URL, s.Key(t, "terraform")) +
		certificate(profile, key, www, "wait_for_issuance = true\n  timeouts = { create = \"100ms\", update = \"5m\" }")
	var asked string
	approveOnce := sync.OnceFunc(func() {
		if _, err := s.Client(t, "carol").ApproveApproval(t.Context(), asked, api.Decision{}); err != nil {
			t.Error(err)
		}
	})
	approve := duringPlan(func(context.Context) error { // the approval comes while the apply waits
		p.onAnswer("GET /api/v1/certificates/mc-www", approveOnce)
		return nil
	})
	runSteps(t,
		resource.TestStep{Config: patient, ConfigStateChecks: []statecheck.StateCheck{checkAttribute("status", exactString("awaiting_approval"))}, ExpectNonEmptyPlan: true},
		resource.TestStep{
			PreConfig: func() { asked = newestApproval(t, s).ID },
			Config:    patient,
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{
				plancheck.ExpectResourceAction(certificateAddress, plancheck.ResourceActionUpdate), approve,
			}},
			ConfigStateChecks: []statecheck.StateCheck{checkAttribute("status", exactString("issued")), checkAttribute("serial_number", knownvalue.NotNull())},
		},
		resource.TestStep{
			PreConfig: func() {
				if newestApproval(t, s).ID != asked {
					t.Error("waiting asked a second time")
				}
			},
			Config: patient, PlanOnly: true,
		},
	)
}

// An apply that waits issues a certificate without a gate. A destroy archives it. A deleted certificate is created again.
func TestCertificate_Ungated(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	configuration := configurationAs(t, s, "terraform", certificate(s.CreateProfileAsOlga(t, false).ID, servertest.CSR(t), www, "common_name = \"www.example.com\"\n  wait_for_issuance = true"))
	runSteps(t,
		resource.TestStep{Config: configuration, ConfigStateChecks: []statecheck.StateCheck{
			checkAttribute("status", exactString("issued")), checkAttribute("approval_id", knownvalue.Null()), checkAttribute("certificate_pem", knownvalue.NotNull()),
		}},
		resource.TestStep{
			PreConfig: func() {
				if err := s.Client(t, "olga").DeleteCertificate(t.Context(), "mc-www"); err != nil {
					t.Fatal(err)
				}
			},
			Config: configuration,
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{
				plancheck.ExpectResourceAction(certificateAddress, plancheck.ResourceActionCreate),
			}},
		},
	)
}

// A private key is not sent. The error of a refusal is on its attribute.
func TestCertificate_Refusals(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	profile := s.CreateProfileAsOlga(t, true).ID
	const key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
	for name, tc := range map[string]struct{ configuration, want string }{
		"private key":        {certificate(profile, key, www, ""), `(?s)Not a certificate request.*private key`},
		"key behind the CSR": {certificate(profile, servertest.CSR(t)+key, www, ""), `(?s)Not a certificate request.*private key`},
		"two requests":       {certificate(profile, servertest.CSR(t)+servertest.CSR(t), www, ""), `more than one PEM block`},
		"not PEM":            {certificate(profile, "x", www, ""), `There is no PEM block`},
		"a name":             {certificate(profile, servertest.CSR(t), []string{"www.example.net"}, ""), `(?s)Could not create certificate mc-www.*sans:\s+the\s+DNS\s+name\s+"www.example.net"`},
		"no such profile":    {certificate("p-absent", servertest.CSR(t), www, ""), `(?s)Could not create certificate mc-www.*profile_id`},
	} {
		t.Run(name, func(t *testing.T) {
			runSteps(t, resource.TestStep{Config: configurationAs(t, s, "terraform", tc.configuration), ExpectError: regexp.MustCompile(tc.want)})
		})
	}
}

// pausedIssuer signs after its channel is closed.
type pausedIssuer struct {
	signing.Issuer
	open <-chan struct{}
}

func (h pausedIssuer) Sign(ctx context.Context, permit signing.Permit) (signing.Chain, error) {
	<-h.open
	return h.Issuer.Sign(ctx, permit)
}

// A destroy while the certificate is signed waits for the end of the job, at most until its timeout.
func TestCertificate_DestroyedWhileSigning(t *testing.T) {
	t.Parallel()
	open := make(chan struct{})
	release := sync.OnceFunc(func() { close(open) })
	s := servertest.New(t, servertest.Issuer(pausedIssuer{servertest.CA(t), open}))
	t.Cleanup(release) // before the server stops
	p := newProxy(t, s)
	profile, key := s.CreateProfileAsOlga(t, false).ID, servertest.CSR(t)
	with := func(patience string) string {
		return providerBlock(p.URL, s.Key(t, "terraform")) + certificate(profile, key, www, "timeouts = { create = \"1ms\", update = \"1ms\", delete = \""+patience+"\" }")
	}
	releaseWhenRefused := duringPlan(func(context.Context) error {
		p.onAnswer("DELETE /api/v1/certificates/mc-www", release)
		return nil
	})
	runSteps(t,
		resource.TestStep{Config: with("1ms"), ConfigStateChecks: []statecheck.StateCheck{checkAttribute("status", exactString("issuing"))}},
		resource.TestStep{Config: with("1ms"), Destroy: true, ExpectError: regexp.MustCompile(`(?s)Could not delete certificate mc-www.*In use by job job-`)},
		resource.TestStep{Config: with("5m")},
		resource.TestStep{
			Config: with("5m"), Destroy: true,
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{releaseWhenRefused}},
		},
	)
}

// A value of another resource is unknown in a plan, and is checked before it is sent. A private key is not sent.
func TestCertificate_UnknownWhilePlanning(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	profile := s.CreateProfileAsOlga(t, true).ID
	made := func(pem, name string) string {
		return configurationAs(t, s, "terraform", fmt.Sprintf(`
resource "terraform_data" "made" {
  input            = { pem = %q, name = %q }
  triggers_replace = [%[2]q]
}
resource "certctl_certificate" "this" {
  id         = "mc-www"
  profile_id = %[3]q
  sans       = [terraform_data.made.output.name]
  csr_pem    = terraform_data.made.output.pem
}
`, pem, name, profile))
	}
	csr := servertest.CSR(t)
	const key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
	runSteps(t,
		resource.TestStep{Config: made(key, "www.example.com"), ExpectError: regexp.MustCompile(`(?s)Not a certificate request.*private key`)},
		resource.TestStep{
			PreConfig: func() {
				_, err := s.Client(t, "vera").GetCertificate(t.Context(), "mc-www")
				servertest.RequireProblem(t, err, api.CodeNotFound)
			},
			Config:            made(csr, "www.example.com"),
			ConfigStateChecks: []statecheck.StateCheck{checkAttribute("status", exactString("awaiting_approval"))},
		},
		resource.TestStep{
			Config: made(csr, "shop.example.com"),
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{
				plancheck.ExpectResourceAction(certificateAddress, plancheck.ResourceActionUpdate),
				plancheck.ExpectUnknownValue(certificateAddress, tfjsonpath.New("approval_id")),
			}},
			ConfigStateChecks: []statecheck.StateCheck{checkAttribute("sans", knownvalue.SetExact([]knownvalue.Check{exactString("shop.example.com")}))},
		},
	)
}

// An existing certificate is not adopted, and the error says how to import it. A change by somebody else is not undone.
func TestCertificate_ChangedBySomebodyElse(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	profile, csr := s.CreateProfileAsOlga(t, true).ID, servertest.CSR(t)
	spec := api.DefaultCertificateSpec()
	spec.SANs, spec.ProfileID, spec.CSRPEM = www, profile, csr
	olga := s.Client(t, "olga")
	if _, err := olga.CreateCertificate(t.Context(), api.CreateCertificate{ID: "mc-www", CertificateSpec: spec}); err != nil {
		t.Fatal(err)
	}
	labelled := func(team string) string {
		return configurationAs(t, s, "terraform", certificate(profile, csr, www, fmt.Sprintf("labels = { team = %q }", team)))
	}
	changed := func(ctx context.Context) error {
		spec.Labels = map[string]string{"by": "olga"}
		_, err := olga.ReplaceCertificate(ctx, "mc-www", spec)
		return err
	}
	runSteps(t,
		resource.TestStep{Config: labelled("a"), ExpectError: regexp.MustCompile(`(?s)Nothing was adopted.*import.*mc-www`)},
		resource.TestStep{
			Config: labelled("a"), ResourceName: certificateAddress, ImportState: true, ImportStateId: "mc-www", ImportStatePersist: true,
		},
		resource.TestStep{Config: labelled("a"), ConfigStateChecks: []statecheck.StateCheck{checkAttribute("status", exactString("awaiting_approval"))}},
		resource.TestStep{
			Config:           labelled("b"),
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{duringPlan(changed)}},
			ExpectError:      regexp.MustCompile(`Somebody else changed the object`),
		},
		resource.TestStep{Config: labelled("b")},
	)
}
