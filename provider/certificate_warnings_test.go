package provider_test

import (
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

const certificateType = "certctl_certificate"

// warningText returns the text of all diagnostics. An error fails the test.
func warningText(t *testing.T, diags []*tfprotov6.Diagnostic) string {
	t.Helper()
	var all strings.Builder
	for _, d := range diags {
		if d.Severity != tfprotov6.DiagnosticSeverityWarning {
			t.Errorf("%s: %s", d.Summary, d.Detail)
		}
		all.WriteString(d.Summary + "\n" + d.Detail + "\n")
	}
	return all.String()
}

// A warning about a waiting request names its approval, the approvers and the commands. A warning about a rejected request
// has the note.
func TestCertificate_Warns(t *testing.T) {
	t.Parallel()
	ctx, s := t.Context(), servertest.New(t)
	w := configuredProvider(t, s.URL, s.Key(t, "terraform"), nil)
	schemas, err := w.GetProviderSchema(ctx, &tfprotov6.GetProviderSchemaRequest{})
	if err != nil {
		t.Fatal(err)
	}
	kind := schemas.ResourceSchemas[certificateType].ValueType()
	config := newDynamicValue(t, kind, newObject(kind, map[string]tftypes.Value{
		"id": tftypes.NewValue(tftypes.String, "mc-www"), "profile_id": tftypes.NewValue(tftypes.String, s.CreateProfileAsOlga(t, true).ID),
		"csr_pem": tftypes.NewValue(tftypes.String, servertest.CSR(t)),
		"sans":    tftypes.NewValue(tftypes.Set{ElementType: tftypes.String}, []tftypes.Value{tftypes.NewValue(tftypes.String, www[0])}),
	}))
	plan := func(prior *tfprotov6.DynamicValue, private []byte) *tfprotov6.PlanResourceChangeResponse {
		t.Helper()
		proposed := prior
		if private == nil {
			proposed = config
		}
		resp, err := w.PlanResourceChange(ctx, &tfprotov6.PlanResourceChangeRequest{
			TypeName: certificateType, PriorState: prior, PriorPrivate: private, Config: config, ProposedNewState: proposed,
		})
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	nothing := newDynamicValue(t, kind, tftypes.NewValue(kind, nil))
	planned := plan(nothing, nil)
	applied, err := w.ApplyResourceChange(ctx, &tfprotov6.ApplyResourceChangeRequest{
		TypeName: certificateType, PriorState: nothing, PlannedState: planned.PlannedState, PlannedPrivate: planned.PlannedPrivate, Config: config,
	})
	if err != nil {
		t.Fatal(err)
	}
	a := newestApproval(t, s)
	mustSay(t, warningText(t, applied.Diagnostics), "A certificate awaits approval\nCertificate mc-www awaits approval "+a.ID, "Requested by:  terraform (accountable: alice)",
		"other than alice", s.URL+"/api/v1/approvals/"+a.ID+"/approve")

	if _, err := s.Client(t, "carol").RejectApproval(ctx, a.ID, api.Decision{Note: "wrong team"}); err != nil {
		t.Fatal(err)
	}
	read, err := w.ReadResource(ctx, &tfprotov6.ReadResourceRequest{TypeName: certificateType, CurrentState: applied.NewState, Private: applied.Private})
	if err != nil {
		t.Fatal(err)
	}
	mustSay(t, warningText(t, plan(read.NewState, read.Private).Diagnostics), "A certificate was rejected", "mc-www:\n\ncarol rejected approval "+a.ID, "wrong team", "renewal_triggers")
}
