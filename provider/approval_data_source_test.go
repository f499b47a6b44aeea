package provider_test

import (
	"errors"
	"io"
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
		"context_json":         knownvalue.StringRegexp(regexp.MustCompile(`"request":"first"`)),
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
			"kind":                 knownvalue.StringExact("profile_edit"),
			"context_json":         knownvalue.Null(),
			"certificate_id":       knownvalue.Null(),
			"common_name":          knownvalue.Null(),
			"job_id":               knownvalue.Null(),
			"reason":               knownvalue.StringExact("SECOPS-1"),
			"previous_approval_id": knownvalue.StringExact(first.ID),
			"subject_json":         knownvalue.StringExact(compact(t, second.Subject)),
		}),
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
