package provider_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
	"pgregory.net/rapid"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// drawnStep is an edit of the configuration, which an apply follows, or an event on the server.
type drawnStep struct {
	what  string
	value int
}

var steps = rapid.Custom(func(t *rapid.T) drawnStep {
	edits := []string{"sans", "key", "trigger", "label", "wait"}
	events := []string{"approve", "approve", "reject", "withdraw", "expire", "renew"}
	return drawnStep{rapid.SampledFrom(slices.Concat(edits, events)).Draw(t, "what"), rapid.IntRange(0, 2).Draw(t, "value")}
})

// In every drawn sequence of edits and events, the plan after an apply is empty, unless the apply waits for a person. An apply
// keeps the values of its plan. A consumer of certificate_pem is replaced at most once for each leaf.
func TestCertificate_EverySequence(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	keys := []string{servertest.CSR(t), servertest.CSR(t), servertest.CSR(t)}
	for seed := range 12 {
		drawn := rapid.SliceOfN(steps, 8, 12).Example(seed)
		t.Run(fmt.Sprintf("%d %v", seed, drawn), func(t *testing.T) {
			sim := newSimulation(t, newScenario(t, s, fmt.Sprintf("mc-%d", seed), seed%4 != 0, keys))
			sim.apply(t)
			for _, each := range drawn {
				sim.take(t, each)
				sim.apply(t)
			}
			sim.expectReplacements(t, sim.replaced)
		})
	}
}

// scenario is one certificate on the server, and the values of its configuration.
type scenario struct {
	s       *servertest.Server
	id      string
	isGated bool
	profile string
	keys    []string
	config  map[string]int // the values of the edits
}

func newScenario(t *testing.T, s *servertest.Server, id string, isGated bool, keys []string) scenario {
	t.Helper()
	return scenario{s: s, id: id, isGated: isGated, profile: s.CreateProfileAsOlga(t, isGated).ID, keys: keys, config: map[string]int{}}
}

// expectReplacements expects that the consumer was replaced at most once for each leaf.
func (sc scenario) expectReplacements(t *testing.T, n int) {
	t.Helper()
	leaves, err := client.Collect(sc.s.Client(t, "vera").ListCertificateVersions(t.Context(), sc.id, client.Page{}))
	if err != nil || n > len(leaves) {
		t.Errorf("the consumer was replaced %d times for %d leaves: %v", n, len(leaves), err)
	}
}

// simulation does what Terraform does with one certificate and one consumer of its certificate_pem.
type simulation struct {
	scenario
	w        wire
	kind     tftypes.Type
	state    *tfprotov6.DynamicValue
	private  []byte
	consumer *tftypes.Value // the certificate_pem that the consumer was made with; nil without a consumer
	replaced int
}

func newSimulation(t *testing.T, sc scenario) *simulation {
	t.Helper()
	w := configuredProvider(t, sc.s.URL, sc.s.Key(t, "terraform"), nil)
	schemas, err := w.GetProviderSchema(t.Context(), &tfprotov6.GetProviderSchemaRequest{})
	if err != nil {
		t.Fatal(err)
	}
	kind := schemas.ResourceSchemas[certificateType].ValueType()
	return &simulation{scenario: sc, w: w, kind: kind, state: newDynamicValue(t, kind, tftypes.NewValue(kind, nil))}
}

// take edits the configuration, or lets something happen on the server.
func (sc scenario) take(t *testing.T, each drawnStep) {
	t.Helper()
	ctx := t.Context()
	switch each.what {
	case "expire":
		expireAll(t, sc.s)
	case "renew":
		j, err := sc.s.Client(t, "olga").RenewCertificate(ctx, sc.id, api.Renew{})
		if err == nil && j.Status != api.JobAwaitingApproval {
			sc.s.WaitUntilFinalAsVera(t, j.ID)
		}
		if err != nil && !api.Is(err, api.CodeJobAlreadyOpen) {
			t.Fatal(err)
		}
	case "approve", "reject", "withdraw":
		sc.decide(t, each.what)
	default:
		sc.config[each.what] = each.value
	}
}

// decide ends the pending request, if there is one.
func (sc scenario) decide(t *testing.T, how string) {
	t.Helper()
	c, err := sc.s.Client(t, "vera").GetCertificate(t.Context(), sc.id)
	if err != nil {
		t.Fatal(err)
	}
	if c.Status != api.CertificateAwaitingApproval {
		return
	}
	switch how {
	case "approve":
		if _, err = sc.s.Client(t, "carol").ApproveApproval(t.Context(), *c.ApprovalID, api.Decision{}); err == nil {
			sc.s.WaitUntilFinalAsVera(t, *c.OpenJobID)
		}
	case "reject":
		_, err = sc.s.Client(t, "carol").RejectApproval(t.Context(), *c.ApprovalID, api.Decision{Note: "no"})
	default:
		_, err = sc.s.Client(t, "olga").WithdrawApproval(t.Context(), *c.ApprovalID, api.Withdrawal{})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// attributes returns the configuration. An apply that waits gives up at once.
func (sim *simulation) attributes() map[string]tftypes.Value {
	text := func(s string) tftypes.Value { return tftypes.NewValue(tftypes.String, s) }
	names := []tftypes.Value{text("www.example.com"), text("a.example.com"), text("b.example.com")}
	all := map[string]tftypes.Value{
		"id": text(sim.id), "profile_id": text(sim.profile), "csr_pem": text(sim.keys[sim.config["key"]]),
		"sans":              tftypes.NewValue(tftypes.Set{ElementType: tftypes.String}, names[:1+sim.config["sans"]]),
		"labels":            sim.number("label"),
		"wait_for_issuance": tftypes.NewValue(tftypes.Bool, sim.config["wait"] > 0),
	}
	if sim.config["trigger"] > 0 {
		all["renewal_triggers"] = sim.number("trigger")
	}
	if sim.isGated {
		timeouts := sim.kind.(tftypes.Object).AttributeTypes["timeouts"]
		all["timeouts"] = newObject(timeouts, map[string]tftypes.Value{"create": text("1ms"), "update": text("1ms")})
	}
	return all
}

func (sim *simulation) number(of string) tftypes.Value {
	return tftypes.NewValue(tftypes.Map{ElementType: tftypes.String}, map[string]tftypes.Value{"n": tftypes.NewValue(tftypes.String, fmt.Sprint(sim.config[of]))})
}

// isLocal are the attributes without a value in the configuration that do not keep their value.
var isLocal = map[string]bool{"renewal_triggers": true, "timeouts": true, "renew_before_seconds": true}

// plan returns the planned attributes.
func (sim *simulation) plan(t *testing.T) (map[string]tftypes.Value, *tfprotov6.PlanResourceChangeResponse) {
	t.Helper()
	config := newObject(sim.kind, sim.attributes())
	proposed := config
	if prior := sim.members(t, sim.state); prior != nil {
		for name := range isLocal {
			prior[name] = tftypes.NewValue(sim.kind.(tftypes.Object).AttributeTypes[name], nil)
		}
		maps.Copy(prior, sim.attributes())
		proposed = tftypes.NewValue(sim.kind, prior)
	}
	resp, err := sim.w.PlanResourceChange(t.Context(), &tfprotov6.PlanResourceChangeRequest{
		TypeName: certificateType, PriorState: sim.state, PriorPrivate: sim.private,
		Config: newDynamicValue(t, sim.kind, config), ProposedNewState: newDynamicValue(t, sim.kind, proposed),
	})
	if err != nil || len(resp.RequiresReplace) > 0 {
		t.Fatal(err, resp)
	}
	warningText(t, resp.Diagnostics)
	return sim.members(t, resp.PlannedState), resp
}

// members returns the attributes of an object; nil for no object.
func (sim *simulation) members(t *testing.T, v *tfprotov6.DynamicValue) (members map[string]tftypes.Value) {
	t.Helper()
	object, err := v.Unmarshal(sim.kind)
	if err == nil && !object.IsNull() {
		err = object.As(&members)
	}
	if err != nil {
		t.Fatal(err)
	}
	return members
}

func (sim *simulation) refresh(t *testing.T) map[string]tftypes.Value {
	t.Helper()
	if sim.members(t, sim.state) == nil {
		return nil
	}
	resp, err := sim.w.ReadResource(t.Context(), &tfprotov6.ReadResourceRequest{TypeName: certificateType, CurrentState: sim.state, Private: sim.private})
	if err != nil {
		t.Fatal(err)
	}
	warningText(t, resp.Diagnostics)
	sim.state, sim.private = resp.NewState, resp.Private
	return sim.members(t, sim.state)
}

// apply refreshes, plans and applies, and expects that nothing is left to do.
func (sim *simulation) apply(t *testing.T) {
	t.Helper()
	prior := sim.refresh(t)
	planned, resp := sim.plan(t)
	leaf := planned["certificate_pem"]
	replaces := sim.consumer != nil && (!leaf.IsKnown() || !leaf.Equal(*sim.consumer))
	if differences(prior, planned) != nil {
		applied, err := sim.w.ApplyResourceChange(t.Context(), &tfprotov6.ApplyResourceChangeRequest{
			TypeName: certificateType, PriorState: sim.state, PlannedState: resp.PlannedState, PlannedPrivate: resp.PlannedPrivate,
			Config: newDynamicValue(t, sim.kind, newObject(sim.kind, sim.attributes())),
		})
		if err != nil {
			t.Fatal(err)
		}
		sim.state, sim.private = applied.NewState, applied.Private
		if hasError(applied.Diagnostics) {
			if sim.config["wait"] == 0 || !sim.isGated {
				t.Fatalf("the apply fails: %s", applied.Diagnostics[0].Detail)
			}
			return // what depends on the certificate is not applied
		}
	}
	after := sim.members(t, sim.state)
	for name, value := range planned {
		if value.IsFullyKnown() && !value.Equal(after[name]) {
			t.Errorf("%s was planned as %s and is %s", name, value, after[name])
		}
	}
	if replaces {
		sim.replaced++
	}
	if sim.consumer == nil || replaces {
		leaf := after["certificate_pem"]
		sim.consumer = &leaf
	}
	sim.expectNoChanges(t, after)
}

// expectNoChanges expects that the refreshed state and the next plan equal the state. While a request waits, an apply with
// wait_for_issuance goes on waiting.
func (sim *simulation) expectNoChanges(t *testing.T, state map[string]tftypes.Value) {
	t.Helper()
	if changed := differences(state, sim.refresh(t)); changed != nil {
		t.Errorf("the refresh after an apply changes %v", changed)
	}
	var status string
	if err := state["status"].As(&status); err != nil {
		t.Fatal(err)
	}
	planned, _ := sim.plan(t)
	if changed := differences(state, planned); changed != nil && (sim.config["wait"] == 0 || status != "awaiting_approval") {
		t.Errorf("the plan after an apply changes %v", changed)
	}
}

func hasError(diags []*tfprotov6.Diagnostic) bool {
	return slices.ContainsFunc(diags, func(d *tfprotov6.Diagnostic) bool { return d.Severity == tfprotov6.DiagnosticSeverityError })
}

// differences returns the sorted names of the attributes that differ.
func differences(a, b map[string]tftypes.Value) (names []string) {
	for name, value := range b {
		if !value.Equal(a[name]) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
