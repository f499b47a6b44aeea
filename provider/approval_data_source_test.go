package provider_test

import (
	"crypto/x509/pkix"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

func readApproval(id string) string {
	return "data \"certctl_approval\" \"this\" {\n  id = \"" + id + "\"\n}\n"
}

// The data source shows an approval before and after its decision.
func TestApproval_ShowsItsOutcome(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	waiting := openRenewal(t, s, "mc-a", "a.example.com")
	configuration := configurationAs(t, s, "vera", readApproval(waiting.ID))
	reject := func() {
		if _, err := s.Client(t, "bob").RejectApproval(t.Context(), waiting.ID, api.Decision{Note: "not this week"}); err != nil {
			t.Error(err)
		}
	}
	always := map[string]knownvalue.Check{
		"id":                   knownvalue.StringExact(waiting.ID),
		"kind":                 knownvalue.StringExact("issuance"),
		"profile_id":           knownvalue.StringExact("p-cdn"),
		"profile_name":         knownvalue.StringExact("CDN"),
		"certificate_id":       knownvalue.StringExact("mc-a"),
		"common_name":          knownvalue.StringExact("a.example.com"),
		"job_id":               knownvalue.StringExact(*waiting.JobID),
		"requested_by":         knownvalue.StringExact("terraform"),
		"accountable":          knownvalue.StringExact("alice"),
		"excluded":             knownvalue.SetExact(exactStrings("alice")),
		"reason":               knownvalue.StringExact(""),
		"also_excluded":        knownvalue.SetExact(nil),
		"stands_for":           knownvalue.SetExact(nil),
		"undecidable":          knownvalue.Bool(false),
		"context":              firstContext("a.example.com"),
		"effects":              knownvalue.Null(),
		"csr_ignored":          knownvalue.ListExact(nil),
		"previous":             knownvalue.Null(),
		"rejections":           knownvalue.ListExact(nil),
		"cause":                knownvalue.Null(),
		"closed_by":            knownvalue.Null(),
		"closed_at":            knownvalue.Null(),
		"previous_approval_id": knownvalue.Null(),
		"subject_json":         knownvalue.StringExact(compact(t, waiting.Subject)),
		"digest":               knownvalue.StringExact(waiting.Digest),
		"created_at":           knownvalue.NotNull(),
		"expires_at":           knownvalue.NotNull(),
		"updated_at":           knownvalue.NotNull(),
	}
	runSteps(t,
		resource.TestStep{Config: configuration, ConfigStateChecks: append(expectApproval(always), expectApproval(map[string]knownvalue.Check{
			"state":      knownvalue.StringExact("pending"),
			"decided_by": knownvalue.Null(),
			"decided_at": knownvalue.Null(),
			"note":       knownvalue.StringExact(""),
		})...)},
		resource.TestStep{PreConfig: reject, Config: configuration, ConfigStateChecks: append(expectApproval(always), expectApproval(map[string]knownvalue.Check{
			"state":      knownvalue.StringExact("rejected"),
			"decided_by": knownvalue.StringExact("bob"),
			"decided_at": knownvalue.NotNull(),
			"note":       knownvalue.StringExact("not this week"),
		})...)},
	)
}

// The approval of an edit has neither certificate nor job. It names the earlier approval of the same edit.
func TestApproval_OfAnEdit(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	c := s.Client(t, "terraform")
	gated := s.CreateProfileAsOlga(t, true)
	spec := gated.ProfileSpec
	spec.AllowedDNSNames = []string{"**"}
	first := edit(t, c, gated.ID, spec)
	if _, err := c.WithdrawApproval(t.Context(), first.ID, api.Withdrawal{}); err != nil {
		t.Fatal(err)
	}
	second := edit(t, c, gated.ID, spec)

	runSteps(t, resource.TestStep{
		Config: configurationAs(t, s, "vera", readApproval(first.ID)),
		ConfigStateChecks: expectApproval(map[string]knownvalue.Check{
			"state":      knownvalue.StringExact("cancelled"),
			"decided_by": knownvalue.Null(),
			"cause":      knownvalue.StringExact("approval_withdrawn"),
			"closed_by":  knownvalue.StringExact("terraform"),
			"closed_at":  knownvalue.NotNull(),
		}),
	}, resource.TestStep{
		Config: configurationAs(t, s, "vera", readApproval(second.ID)),
		ConfigStateChecks: expectApproval(map[string]knownvalue.Check{
			"kind":        knownvalue.StringExact("profile_edit"),
			"context":     knownvalue.Null(),
			"csr_ignored": knownvalue.ListExact(nil),
			"rejections":  knownvalue.ListExact(nil),
			"effects":     knownvalue.ObjectExact(map[string]knownvalue.Check{"jobs_cancelled": knownvalue.Int64Exact(0), "renewals_blocked": knownvalue.Int64Exact(0)}),
			"previous": knownvalue.ObjectExact(map[string]knownvalue.Check{
				"state": knownvalue.StringExact("cancelled"), "decided_by": knownvalue.Null(), "decided_at": knownvalue.Null(), "note": knownvalue.StringExact(""),
			}),
			"certificate_id":       knownvalue.Null(),
			"common_name":          knownvalue.Null(),
			"job_id":               knownvalue.Null(),
			"reason":               knownvalue.StringExact("SECOPS-1"),
			"previous_approval_id": knownvalue.StringExact(first.ID),
			"subject_json":         knownvalue.StringExact(compact(t, second.Subject)),
		}),
	})
}

// The approval of another certificate for approved names shows each difference, its author, and what was rejected before.
func TestApproval_ShowsTheContext(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	bob, olga, terraform := s.Client(t, "bob"), s.Client(t, "olga"), s.Client(t, "terraform")
	first := openRenewal(t, s, "mc-a", "a.example.com")
	if _, err := bob.ApproveApproval(t.Context(), first.ID, api.Decision{}); err != nil {
		t.Fatal(err)
	}
	nothingOpen(t, s)
	leaf := changeAsOlga(t, s, "mc-a", func(spec *api.CertificateSpec) {
		spec.CommonName, spec.SANs, spec.CSRPEM = "b.example.com", []string{"b.example.com"}, csrOf(t, pkix.Name{Organization: []string{"Example"}})
	}).Current
	rejected, err := olga.RenewCertificate(t.Context(), "mc-a", api.Renew{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bob.RejectApproval(t.Context(), *rejected.ApprovalID, api.Decision{Note: "wrong team"}); err != nil {
		t.Fatal(err)
	}
	same := api.DefaultCertificateSpec()
	same.SANs, same.ProfileID, same.CSRPEM = []string{"b.example.com"}, "p-cdn", csr(t)
	if _, err := olga.CreateCertificate(t.Context(), api.CreateCertificate{ID: "mc-same", CertificateSpec: same}); err != nil {
		t.Fatal(err)
	}
	waiting, err := terraform.RenewCertificate(t.Context(), "mc-a", api.Renew{})
	if err != nil {
		t.Fatal(err)
	}
	text := knownvalue.StringExact
	decided := map[string]knownvalue.Check{"decided_by": text("bob"), "decided_at": knownvalue.NotNull(), "note": text("wrong team")}
	runSteps(t, resource.TestStep{
		Config: configurationAs(t, s, "vera", readApproval(*waiting.ApprovalID)),
		ConfigStateChecks: expectApproval(map[string]knownvalue.Check{
			"context": knownvalue.ObjectExact(map[string]knownvalue.Check{
				"request": text("reissue"),
				"current": knownvalue.ObjectExact(map[string]knownvalue.Check{
					"serial_number": text(leaf.SerialNumber), "not_after": text(timeText(leaf.NotAfter)), "sans": knownvalue.SetExact(exactStrings("a.example.com")),
					"key": knownvalue.ObjectExact(map[string]knownvalue.Check{
						"algorithm": text("ECDSA"), "size": knownvalue.Int64Exact(256), "spki_sha256": text(leaf.SPKISHA256),
					}),
					"approved": knownvalue.Bool(true),
				}),
				"names_added":   knownvalue.SetExact(exactStrings("b.example.com")),
				"names_removed": knownvalue.SetExact(exactStrings("a.example.com")),
				"key_changed":   knownvalue.Bool(true),
				"other_changes": knownvalue.ListExact([]knownvalue.Check{knownvalue.ObjectExact(map[string]knownvalue.Check{
					"pointer": text("/common_name"), "before_json": text(`"a.example.com"`), "after_json": text(`"b.example.com"`),
				})}),
				"changed_by": knownvalue.ListExact([]knownvalue.Check{knownvalue.ObjectExact(map[string]knownvalue.Check{
					"by": text("olga"), "accountable": text("olga"), "at": knownvalue.NotNull(),
					"fields": knownvalue.SetExact(exactStrings("common_name", "key", "sans")), "seen_by": knownvalue.Null(),
				})}),
				"other_certificates": knownvalue.ObjectExact(map[string]knownvalue.Check{
					"count": knownvalue.Int64Exact(1), "ids": knownvalue.ListExact(exactStrings("mc-same")),
				}),
			}),
			"csr_ignored": knownvalue.ListExact([]knownvalue.Check{knownvalue.ObjectExact(map[string]knownvalue.Check{
				"what": text("organizationName (2.5.4.10)"), "value": text("Example"),
			})}),
			"previous_approval_id": text(*rejected.ApprovalID),
			"previous":             knownvalue.ObjectExact(with(decided, "state", text("rejected"))),
			"rejections": knownvalue.ListExact([]knownvalue.Check{
				knownvalue.ObjectExact(with(with(decided, "approval_id", text(*rejected.ApprovalID)), "certificate_id", text("mc-a"))),
			}),
		}),
	})
}

// A request that nobody can decide says so, also in the list of those that wait.
func TestApproval_ShowsThatNobodyCanDecide(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	waiting := openRenewal(t, s, "mc-a", "a.example.com")
	for _, id := range []string{"bob", "carol"} {
		s.Disable(t, id)
	}
	runSteps(t, resource.TestStep{
		Config: configurationAs(t, s, "vera", readApproval(waiting.ID)+"data \"certctl_pending_approvals\" \"all\" {}\n"),
		ConfigStateChecks: append(expectApproval(map[string]knownvalue.Check{"undecidable": knownvalue.Bool(true)}),
			statecheck.ExpectKnownValue("data.certctl_pending_approvals.all", tfjsonpath.New("approvals").AtSliceIndex(0).AtMapKey("undecidable"), knownvalue.Bool(true))),
	})
}

// changeAsOlga changes a certificate without a request.
func changeAsOlga(t *testing.T, s *servertest.Server, id string, change func(*api.CertificateSpec)) api.Certificate {
	t.Helper()
	olga := s.Client(t, "olga")
	c, err := olga.GetCertificate(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	change(&c.CertificateSpec)
	if c, err = olga.ReplaceCertificate(t.Context(), id, c.CertificateSpec); err != nil {
		t.Fatal(err)
	}
	return c
}

// with returns the checks and one more.
func with(checks map[string]knownvalue.Check, name string, check knownvalue.Check) map[string]knownvalue.Check {
	all := maps.Clone(checks)
	all[name] = check
	return all
}

// firstContext is the context of the first request for a certificate with one name, which the service terraform made.
func firstContext(name string) knownvalue.Check {
	return knownvalue.ObjectExact(map[string]knownvalue.Check{
		"request":       knownvalue.StringExact("first"),
		"current":       knownvalue.Null(),
		"names_added":   knownvalue.SetExact(exactStrings(name)),
		"names_removed": knownvalue.SetExact(nil),
		"key_changed":   knownvalue.Bool(true),
		"other_changes": knownvalue.NotNull(),
		"changed_by": knownvalue.ListPartial(map[int]knownvalue.Check{0: knownvalue.ObjectPartial(map[string]knownvalue.Check{
			"by": knownvalue.StringExact("terraform"), "accountable": knownvalue.StringExact("alice"), "seen_by": knownvalue.Null(),
		})}),
		"other_certificates": knownvalue.ObjectExact(map[string]knownvalue.Check{"count": knownvalue.Int64Exact(0), "ids": knownvalue.ListExact(nil)}),
	})
}

func TestApproval_ErrorsNameTheID(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	foreign := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"state":"approved"}`)
	}))
	t.Cleanup(foreign.Close)
	runSteps(t,
		resource.TestStep{Config: configurationAs(t, s, "vera", readApproval("ar-none")), ExpectError: regexp.MustCompile(`(?s)Could not read approval ar-none.*no\s+approval\s+"ar-none"`)},
		resource.TestStep{Config: configurationAs(t, s, "vera", readApproval("summary")), ExpectError: regexp.MustCompile(`(?s)Could not read approval summary`)},
		resource.TestStep{Config: configurationAs(t, s, "vera", readApproval("")), ExpectError: regexp.MustCompile(`(?s)Attribute id string length must be at least 1`)},
		resource.TestStep{Config: providerBlock(foreign.URL, "ctl_a_b") + readApproval("ar-a"), ExpectError: regexp.MustCompile(`approval\s+of\s+id\s+""`)},
	)
}

// edit requests a change of a gated profile, and returns the approval.
func edit(t *testing.T, c *client.Client, id string, spec api.ProfileSpec) api.Approval {
	t.Helper()
	_, err := c.ReplaceProfile(t.Context(), id, spec, client.EditOptions{Reason: "SECOPS-1"})
	waits, ok := errors.AsType[*client.AwaitingApprovalError](err)
	if !ok {
		t.Fatalf("the edit does not wait: %v", err)
	}
	return waits.Approval
}

func expectApproval(checks map[string]knownvalue.Check) (out []statecheck.StateCheck) {
	for attribute, check := range checks {
		out = append(out, statecheck.ExpectKnownValue("data.certctl_approval.this", tfjsonpath.New(attribute), check))
	}
	return out
}
