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

// certificate is a configuration of one, with more lines of its own.
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

func is(attribute string, value knownvalue.Check) statecheck.StateCheck {
	return statecheck.ExpectKnownValue(certificateAddress, tfjsonpath.New(attribute), value)
}

func text(s string) knownvalue.Check { return knownvalue.StringExact(s) }

var www = []string{"www.example.com"}

// newest is the certificate's newest approval.
func newest(t *testing.T, s *servertest.Server) api.Approval {
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
		a := newest(t, s)
		if _, err := s.Client(t, "carol").ApproveApproval(t.Context(), a.ID, api.Decision{}); err != nil {
			t.Fatal(err)
		}
		s.Ended(t, *a.JobID)
	}
}

// Under a gated profile: an apply ends with state that knows its job and approval, the plan is clean while it waits,
// and Read picks up the certificate. Labels move nothing else; new names ask again.
func TestCertificate_SurvivesAHuman(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	profile, key := s.Profile(t, true).ID, servertest.CSR(t)
	first := as(t, s, "terraform", certificate(profile, key, www, ""))
	labelled := as(t, s, "terraform", certificate(profile, key, www, `labels = { team = "shop" }`))
	renamed := as(t, s, "terraform", certificate(profile, key, []string{"www.example.com", "shop.example.com"}, `labels = { team = "shop" }`))
	var asked string
	run(t,
		resource.TestStep{Config: first, ConfigStateChecks: []statecheck.StateCheck{
			is("status", text("awaiting_approval")), is("approval_state", text("pending")), is("job_id", knownvalue.NotNull()),
			is("approval_id", knownvalue.NotNull()), is("certificate_pem", knownvalue.Null()), is("ready_for_renewal", knownvalue.Bool(false)),
		}},
		resource.TestStep{PreConfig: func() { asked = newest(t, s).ID }, Config: first, PlanOnly: true},
		resource.TestStep{
			PreConfig: approveNewest(t, s), Config: labelled,
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{
				plancheck.ExpectResourceAction(certificateAddress, plancheck.ResourceActionUpdate),
				plancheck.ExpectKnownValue(certificateAddress, tfjsonpath.New("serial_number"), knownvalue.NotNull()),
			}},
			ConfigStateChecks: []statecheck.StateCheck{
				is("status", text("issued")), is("certificate_pem", knownvalue.StringRegexp(regexp.MustCompile("BEGIN CERTIFICATE"))),
				is("not_after", knownvalue.NotNull()), is("renew_at", knownvalue.NotNull()), is("chain_pem", knownvalue.NotNull()),
			},
		},
		resource.TestStep{
			PreConfig: func() {
				if newest(t, s).ID != asked {
					t.Fatal("labels asked for issuance")
				}
			},
			Config: renamed,
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{
				plancheck.ExpectUnknownValue(certificateAddress, tfjsonpath.New("certificate_pem")),
			}},
			ConfigStateChecks: []statecheck.StateCheck{is("status", text("awaiting_approval")), is("serial_number", knownvalue.NotNull())},
		},
		resource.TestStep{
			ResourceName: certificateAddress, ImportState: true, ImportStateId: "mc-www", ImportStateVerify: true,
		},
	)
}

// What became of a request decides what the next plan does: nothing after a rejection, unless a trigger changes; an
// update that asks again after it expired.
func TestCertificate_AsksAgain(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	profile, key := s.Profile(t, true).ID, servertest.CSR(t)
	triggered := func(n int) string {
		return as(t, s, "terraform", certificate(profile, key, www, fmt.Sprintf("renewal_triggers = { n = %d }", n)))
	}
	var asked string
	changes := func() {
		if a := newest(t, s); a.ID == asked || a.State != api.ApprovalPending {
			t.Errorf("it did not ask again: %+v", a)
		}
	}
	run(t,
		resource.TestStep{Config: triggered(1)},
		resource.TestStep{
			PreConfig: func() {
				asked = newest(t, s).ID
				if _, err := s.Client(t, "carol").RejectApproval(t.Context(), asked, api.Decision{Note: "no"}); err != nil {
					t.Fatal(err)
				}
			},
			RefreshState: true,
		},
		resource.TestStep{Config: triggered(1), PlanOnly: true},
		resource.TestStep{Config: triggered(2), ConfigStateChecks: []statecheck.StateCheck{is("status", text("awaiting_approval"))}},
		resource.TestStep{
			PreConfig: func() {
				changes()
				asked = newest(t, s).ID
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
		// Asked for already: the trigger takes that request for its own.
		resource.TestStep{
			PreConfig: func() { asked = newest(t, s).ID },
			Config:    triggered(3),
		},
		resource.TestStep{
			PreConfig: func() {
				if newest(t, s).ID != asked {
					t.Error("a second request")
				}
			},
			Config: triggered(3), PlanOnly: true,
		},
	)
}

// With wait_for_issuance an apply waits; where the time is over it ends with what it has, and the next one waits for
// the same request.
func TestCertificate_Waits(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	profile, key := s.Profile(t, true).ID, servertest.CSR(t)
	p := newProxy(t, s)
	patient := providerBlock(p.URL, s.Key(t, "terraform")) +
		certificate(profile, key, www, "wait_for_issuance = true\n  timeouts = { create = \"100ms\", update = \"5m\" }")
	var asked string
	approveOnce := sync.OnceFunc(func() {
		if _, err := s.Client(t, "carol").ApproveApproval(t.Context(), asked, api.Decision{}); err != nil {
			t.Error(err)
		}
	})
	approve := duringPlan(func(context.Context) error { // it comes while the apply waits
		p.onAnswer("GET /api/v1/certificates/mc-www", approveOnce)
		return nil
	})
	run(t,
		resource.TestStep{Config: patient, ConfigStateChecks: []statecheck.StateCheck{is("status", text("awaiting_approval"))}, ExpectNonEmptyPlan: true},
		resource.TestStep{
			PreConfig: func() { asked = newest(t, s).ID },
			Config:    patient,
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{
				plancheck.ExpectResourceAction(certificateAddress, plancheck.ResourceActionUpdate), approve,
			}},
			ConfigStateChecks: []statecheck.StateCheck{is("status", text("issued")), is("serial_number", knownvalue.NotNull())},
		},
		resource.TestStep{
			PreConfig: func() {
				if newest(t, s).ID != asked {
					t.Error("waiting asked a second time")
				}
			},
			Config: patient, PlanOnly: true,
		},
	)
}

// A certificate that is not gated is issued by one apply that waits, and archived by a destroy; one that is gone is
// made again.
func TestCertificate_Ungated(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	configuration := as(t, s, "terraform", certificate(s.Profile(t, false).ID, servertest.CSR(t), www, "common_name = \"www.example.com\"\n  wait_for_issuance = true"))
	run(t,
		resource.TestStep{Config: configuration, ConfigStateChecks: []statecheck.StateCheck{
			is("status", text("issued")), is("approval_id", knownvalue.Null()), is("certificate_pem", knownvalue.NotNull()),
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

// A private key never leaves the machine, and what the server refuses stands on its attribute.
func TestCertificate_Refusals(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	profile := s.Profile(t, true).ID
	const key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
	for name, tc := range map[string]struct{ configuration, want string }{
		"private key":        {certificate(profile, key, www, ""), `(?s)Not a certificate request.*private key`},
		"key behind the CSR": {certificate(profile, servertest.CSR(t)+key, www, ""), `(?s)Not a certificate request.*private key`},
		"two requests":       {certificate(profile, servertest.CSR(t)+servertest.CSR(t), www, ""), `more than one PEM block`},
		"not PEM":            {certificate(profile, "x", www, ""), `There is no PEM block`},
		"a name":             {certificate(profile, servertest.CSR(t), []string{"www.example.net"}, ""), `(?s)Could not create certificate mc-www.*sans, element\s+"www.example.net"`},
		"no such profile":    {certificate("p-absent", servertest.CSR(t), www, ""), `(?s)Could not create certificate mc-www.*profile_id`},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, resource.TestStep{Config: as(t, s, "terraform", tc.configuration), ExpectError: regexp.MustCompile(tc.want)})
		})
	}
}

// held signs once it may.
type held struct {
	signing.Issuer
	open <-chan struct{}
}

func (h held) Sign(ctx context.Context, permit signing.Permit) (signing.Chain, error) {
	<-h.open
	return h.Issuer.Sign(ctx, permit)
}

// A destroy comes while the certificate is being signed: it waits for the end of that, and no longer than it may.
func TestCertificate_DestroyedWhileSigning(t *testing.T) {
	t.Parallel()
	open := make(chan struct{})
	release := sync.OnceFunc(func() { close(open) })
	s := servertest.New(t, servertest.Issuer(held{servertest.CA(t), open}))
	t.Cleanup(release) // before the server stops
	p := newProxy(t, s)
	profile, key := s.Profile(t, false).ID, servertest.CSR(t)
	with := func(patience string) string {
		return providerBlock(p.URL, s.Key(t, "terraform")) + certificate(profile, key, www, "timeouts = { delete = \""+patience+"\" }")
	}
	releaseWhenRefused := duringPlan(func(context.Context) error {
		p.onAnswer("DELETE /api/v1/certificates/mc-www", release)
		return nil
	})
	run(t,
		resource.TestStep{Config: with("1ms"), ConfigStateChecks: []statecheck.StateCheck{is("status", text("issuing"))}},
		resource.TestStep{Config: with("1ms"), Destroy: true, ExpectError: regexp.MustCompile(`(?s)Could not delete certificate mc-www.*In use by job job-`)},
		resource.TestStep{Config: with("5m")},
		resource.TestStep{
			Config: with("5m"), Destroy: true,
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{releaseWhenRefused}},
		},
	)
}

// What another resource makes is unknown while planning, and checked when it is known: a private key is not sent even
// then.
func TestCertificate_UnknownWhilePlanning(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	profile := s.Profile(t, true).ID
	made := func(pem, name string) string {
		return as(t, s, "terraform", fmt.Sprintf(`
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
	run(t,
		resource.TestStep{Config: made(key, "www.example.com"), ExpectError: regexp.MustCompile(`(?s)Not a certificate request.*private key`)},
		resource.TestStep{
			PreConfig: func() {
				_, err := s.Client(t, "vera").GetCertificate(t.Context(), "mc-www")
				servertest.RefusedWith(t, err, api.CodeNotFound)
			},
			Config:            made(csr, "www.example.com"),
			ConfigStateChecks: []statecheck.StateCheck{is("status", text("awaiting_approval"))},
		},
		resource.TestStep{
			Config: made(csr, "shop.example.com"),
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{
				plancheck.ExpectResourceAction(certificateAddress, plancheck.ResourceActionUpdate),
				plancheck.ExpectUnknownValue(certificateAddress, tfjsonpath.New("approval_id")),
			}},
			ConfigStateChecks: []statecheck.StateCheck{is("sans", knownvalue.SetExact([]knownvalue.Check{text("shop.example.com")}))},
		},
	)
}

// What exists already is not adopted; the error says how to import it. What somebody else changed is not undone.
func TestCertificate_OthersAtWork(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	profile, csr := s.Profile(t, true).ID, servertest.CSR(t)
	spec := api.DefaultCertificateSpec()
	spec.SANs, spec.ProfileID, spec.CSRPEM = www, profile, csr
	olga := s.Client(t, "olga")
	if _, err := olga.CreateCertificate(t.Context(), api.CreateCertificate{ID: "mc-www", CertificateSpec: spec}); err != nil {
		t.Fatal(err)
	}
	labelled := func(team string) string {
		return as(t, s, "terraform", certificate(profile, csr, www, fmt.Sprintf("labels = { team = %q }", team)))
	}
	changed := func(ctx context.Context) error {
		spec.Labels = map[string]string{"by": "olga"}
		_, err := olga.ReplaceCertificate(ctx, "mc-www", spec)
		return err
	}
	run(t,
		resource.TestStep{Config: labelled("a"), ExpectError: regexp.MustCompile(`(?s)Nothing was adopted.*import.*mc-www`)},
		resource.TestStep{
			Config: labelled("a"), ResourceName: certificateAddress, ImportState: true, ImportStateId: "mc-www", ImportStatePersist: true,
		},
		resource.TestStep{Config: labelled("a"), ConfigStateChecks: []statecheck.StateCheck{is("status", text("awaiting_approval"))}},
		resource.TestStep{
			Config:           labelled("b"),
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{duringPlan(changed)}},
			ExpectError:      regexp.MustCompile(`Somebody else changed the object`),
		},
		resource.TestStep{Config: labelled("b")},
	)
}
