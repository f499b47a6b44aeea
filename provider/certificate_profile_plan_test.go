package provider_test

import (
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
	"github.com/certctl/terraform-provider-certctl/provider"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

const profileType = "certctl_certificate_profile"

// wire calls the provider by the protocol, because plugin-testing shows no warnings.
type wire struct {
	tfprotov6.ProviderServer
	profile tftypes.Type
}

// configuredProvider returns a provider that acts as the principal with a key.
func configuredProvider(t *testing.T, endpoint, key string, more map[string]tftypes.Value) wire {
	t.Helper()
	w := wire{ProviderServer: providerserver.NewProtocol6(provider.New("test")())()}
	schemas, err := w.GetProviderSchema(t.Context(), &tfprotov6.GetProviderSchemaRequest{})
	if err != nil {
		t.Fatal(err)
	}
	w.profile = schemas.ResourceSchemas[profileType].ValueType()
	settings := map[string]tftypes.Value{
		"endpoint": tftypes.NewValue(tftypes.String, endpoint), "api_key": tftypes.NewValue(tftypes.String, key),
		"max_retries": tftypes.NewValue(tftypes.Number, 0),
	}
	maps.Copy(settings, more)
	kind := schemas.Provider.ValueType()
	resp, err := w.ConfigureProvider(t.Context(), &tfprotov6.ConfigureProviderRequest{Config: newDynamicValue(t, kind, newObject(kind, settings))})
	if err != nil || len(resp.Diagnostics) > 0 {
		t.Fatal(err, resp)
	}
	return w
}

// newObject sets the attributes that are not given to null.
func newObject(kind tftypes.Type, members map[string]tftypes.Value) tftypes.Value {
	all := map[string]tftypes.Value{}
	for name, k := range kind.(tftypes.Object).AttributeTypes {
		all[name] = tftypes.NewValue(k, nil)
	}
	maps.Copy(all, members)
	return tftypes.NewValue(kind, all)
}

func newDynamicValue(t *testing.T, kind tftypes.Type, v tftypes.Value) *tfprotov6.DynamicValue {
	t.Helper()
	d, err := tfprotov6.NewDynamicValue(kind, v)
	if err != nil {
		t.Fatal(err)
	}
	return &d
}

// refreshedProfile is the state of a profile after a refresh.
type refreshedProfile struct {
	state   map[string]tftypes.Value
	private []byte
}

func (w wire) refresh(t *testing.T, id string) refreshedProfile {
	t.Helper()
	imported, err := w.ImportResourceState(t.Context(), &tfprotov6.ImportResourceStateRequest{TypeName: profileType, ID: id})
	if err != nil || len(imported.Diagnostics) > 0 {
		t.Fatal(err, imported.Diagnostics)
	}
	i := imported.ImportedResources[0]
	read, err := w.ReadResource(t.Context(), &tfprotov6.ReadResourceRequest{TypeName: profileType, CurrentState: i.State, Private: i.Private})
	if err != nil || len(read.Diagnostics) > 0 {
		t.Fatal(err, read.Diagnostics)
	}
	v, err := read.NewState.Unmarshal(w.profile)
	if err != nil {
		t.Fatal(err)
	}
	r := refreshedProfile{private: read.Private}
	if err := v.As(&r.state); err != nil {
		t.Fatal(err)
	}
	return r
}

// plan returns the warnings of a plan with these changes. An error fails the test.
func (w wire) plan(t *testing.T, r refreshedProfile, changes map[string]tftypes.Value) string {
	t.Helper()
	config, proposed := maps.Clone(r.state), maps.Clone(r.state)
	config["created_at"] = tftypes.NewValue(tftypes.String, nil)
	maps.Copy(config, changes)
	maps.Copy(proposed, changes)
	resp, err := w.PlanResourceChange(t.Context(), &tfprotov6.PlanResourceChangeRequest{
		TypeName: profileType, PriorState: newDynamicValue(t, w.profile, newObject(w.profile, r.state)), PriorPrivate: r.private,
		Config: newDynamicValue(t, w.profile, newObject(w.profile, config)), ProposedNewState: newDynamicValue(t, w.profile, newObject(w.profile, proposed)),
	})
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, d := range resp.Diagnostics {
		if d.Severity != tfprotov6.DiagnosticSeverityWarning {
			t.Errorf("error: %s: %s", d.Summary, d.Detail)
		}
		all.WriteString(d.Summary + "\n" + d.Detail + "\n")
	}
	return all.String()
}

func gateTo(v bool) map[string]tftypes.Value {
	return map[string]tftypes.Value{"requires_approval": tftypes.NewValue(tftypes.Bool, v)}
}

func renamedTo(name string) map[string]tftypes.Value {
	return map[string]tftypes.Value{"name": tftypes.NewValue(tftypes.String, name)}
}

// mustSay fails unless a text has all of these words. Without words the text must be empty.
func mustSay(t *testing.T, warnings string, words ...string) {
	t.Helper()
	if len(words) == 0 && warnings != "" {
		t.Errorf("there is nothing to warn of: %s", warnings)
	}
	for _, w := range words {
		if !strings.Contains(warnings, w) {
			t.Errorf("not said: %q in:\n%s", w, warnings)
		}
	}
}

// A plan warns if the apply would wait or be refused, and if an edit awaits approval that the configuration no longer has.
func TestCertificateProfile_PlanShowsThePreview(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, servertest.NoWorkers())
	open, gated := s.CreateProfileAsOlga(t, false).ID, s.CreateProfileAsOlga(t, true).ID
	w := configuredProvider(t, s.URL, s.Key(t, "terraform"), nil)
	alice, bob := s.Client(t, "alice"), s.Client(t, "bob")
	edit := func(c *client.Client, name string) string {
		t.Helper()
		p, err := c.GetProfile(t.Context(), gated)
		if err != nil {
			t.Fatal(err)
		}
		p.Name = name
		_, err = c.ReplaceProfile(t.Context(), gated, p.ProfileSpec)
		return awaitedApproval(t, err)
	}

	mustSay(t, w.plan(t, w.refresh(t, open), renamedTo("new")))
	mustSay(t, w.plan(t, w.refresh(t, gated), map[string]tftypes.Value{"description": tftypes.NewValue(tftypes.String, "new")}))
	mustSay(t, w.plan(t, w.refresh(t, gated), nil))
	mustSay(t, w.plan(t, w.refresh(t, gated), gateTo(false)), "An edit of a certificate profile needs an approval\nCertificate profile "+gated,
		"The edit changes: requires_approval.", "ends with an error that names the approval")
	stale := w.refresh(t, gated)
	p, err := alice.GetProfile(t.Context(), gated)
	if err != nil {
		t.Fatal(err)
	}
	p.Description = "changed after the refresh"
	if _, err := alice.ReplaceProfile(t.Context(), gated, p.ProfileSpec); err != nil {
		t.Fatal(err)
	}
	mustSay(t, w.plan(t, stale, renamedTo("new")), "The server would refuse an edit", "Somebody else changed the object")

	// The plan of an edit that applies at once warns of its effects on jobs and renewals.
	certificate := s.CreateCertificateAsOlga(t, open)
	if _, err := alice.RenewCertificate(t.Context(), certificate.ID, api.Renew{}); err != nil {
		t.Fatal(err)
	}
	mustSay(t, w.plan(t, w.refresh(t, open), gateTo(true)), "affects jobs or renewals", "would cancel 1 open job.")
	disabled := map[string]tftypes.Value{"enabled": tftypes.NewValue(tftypes.Bool, false)}
	mustSay(t, w.plan(t, w.refresh(t, open), disabled), "affects jobs or renewals", "would prevent the renewal of 1 certificate.")

	first := edit(alice, "new")
	mustSay(t, w.plan(t, w.refresh(t, gated), renamedTo("new")), "already awaits approval "+first, "The edit changes: name.")
	mustSay(t, w.plan(t, w.refresh(t, gated), nil), "still pending", s.URL+"/api/v1/approvals/"+first+"/withdraw")
	if _, err := bob.RejectApproval(t.Context(), first, api.Decision{Note: "no"}); err != nil {
		t.Fatal(err)
	}
	mustSay(t, w.plan(t, w.refresh(t, gated), nil))
	mustSay(t, w.plan(t, w.refresh(t, gated), renamedTo("new")), "The server would refuse an edit", first, "note of bob: no", "CERTCTL_RESUBMIT_REJECTED")
	insistent := configuredProvider(t, s.URL, s.Key(t, "terraform"), map[string]tftypes.Value{
		"resubmit_rejected": tftypes.NewValue(tftypes.Bool, true), "change_reason": tftypes.NewValue(tftypes.String, "SECOPS-7"),
	})
	mustSay(t, insistent.plan(t, insistent.refresh(t, gated), renamedTo("new")), "needs an approval", "requested before: approval "+first)

	second := edit(bob, "of bob")
	mustSay(t, w.plan(t, w.refresh(t, gated), renamedTo("newer")), "The server would refuse an edit", "until approval "+second+" is decided")
}

// The warning of a waiting edit has no value, because the plan masks sensitive values.
func TestCertificateProfile_PlanWarningHasNoValue(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	w := configuredProvider(t, s.URL, s.Key(t, "terraform"), nil)
	const secret = "tok-SECRET-1"
	warnings := w.plan(t, w.refresh(t, s.CreateProfileAsOlga(t, true).ID), map[string]tftypes.Value{
		"name": tftypes.NewValue(tftypes.String, secret), "description": tftypes.NewValue(tftypes.String, secret+"-2"),
	})
	mustSay(t, warnings, "needs an approval", "The edit changes: description, name.")
	if strings.Contains(warnings, secret) || strings.Contains(warnings, "/name") {
		t.Errorf("the warning has a value or a pointer: %s", warnings)
	}
}

// A plan of a new id is no edit. It warns if the replaced profile is gated or in use.
func TestCertificateProfile_PlanWarnsOfReplacement(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, servertest.NoWorkers())
	w := configuredProvider(t, s.URL, s.Key(t, "terraform"), nil)
	open, gated := s.CreateProfileAsOlga(t, false).ID, s.CreateProfileAsOlga(t, true).ID
	for name, newID := range map[string]tftypes.Value{
		"known": tftypes.NewValue(tftypes.String, "p-new"), "unknown": tftypes.NewValue(tftypes.String, tftypes.UnknownValue),
	} {
		t.Run(name, func(t *testing.T) {
			renumbered := map[string]tftypes.Value{"id": newID}
			mustSay(t, w.plan(t, w.refresh(t, open), renumbered))
			warnings := w.plan(t, w.refresh(t, gated), renumbered)
			mustSay(t, warnings, "A new id replaces a certificate profile\nCertificate profile "+gated, "no second person approves its rules")
			if strings.Contains(warnings, "certificates use") || strings.Contains(warnings, "Could not") {
				t.Errorf("there is nothing else to warn of: %s", warnings)
			}
		})
	}
	certificate := s.CreateCertificateAsOlga(t, open)
	mustSay(t, w.plan(t, w.refresh(t, open), map[string]tftypes.Value{"id": tftypes.NewValue(tftypes.String, "p-new")}),
		"A new id replaces a certificate profile\nCertificate profile "+open, "refuses to delete", "These use it: "+certificate.ID+".")
}

// A plan of a gated profile with an unknown value warns that the edit may wait. The server cannot preview the edit.
func TestCertificateProfile_PlanWarnsOfUnknownEdit(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	w := configuredProvider(t, s.URL, s.Key(t, "terraform"), nil)
	open, gated := s.CreateProfileAsOlga(t, false).ID, s.CreateProfileAsOlga(t, true).ID
	texts := tftypes.Map{ElementType: tftypes.String}
	change := map[string]tftypes.Value{
		"max_sans": tftypes.NewValue(tftypes.Number, 50),
		"labels":   tftypes.NewValue(texts, map[string]tftypes.Value{"team": tftypes.NewValue(tftypes.String, tftypes.UnknownValue)}),
	}
	mustSay(t, w.plan(t, w.refresh(t, open), change))
	mustSay(t, w.plan(t, w.refresh(t, gated), change), "An edit of a certificate profile may need an approval\nCertificate profile "+gated, "known only during the apply: labels.")
}

// A plan succeeds if the preview fails.
func TestCertificateProfile_PlanSucceedsWithoutPreview(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	gated := s.CreateProfileAsOlga(t, true).ID
	w := configuredProvider(t, s.URL, s.Key(t, "terraform"), nil)
	r := w.refresh(t, gated)
	away := configuredProvider(t, "http://127.0.0.1:9", "ctl_a_b", nil)
	mustSay(t, away.plan(t, r, gateTo(false)), "The server did not check this plan", "No answer from")
	mustSay(t, away.plan(t, r, nil))
}

// An apply asks again for an edit whose approval has expired. The error names both approvals.
func TestCertificateProfile_ExpiredEditIsAskedForAgain(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	gated := s.CreateProfileAsOlga(t, true)
	w := configuredProvider(t, s.URL, s.Key(t, "terraform"), nil)
	first := w.apply(t, w.refresh(t, gated.ID), gateTo(false))
	mustSay(t, first, "Awaiting approval")
	p, err := s.Client(t, "alice").GetProfile(t.Context(), gated.ID)
	if err != nil || p.PendingApprovalID == nil {
		t.Fatal(err, p)
	}
	s.Clock.Advance(8 * 24 * time.Hour)
	second := w.apply(t, w.refresh(t, gated.ID), gateTo(false))
	mustSay(t, second, "Awaiting approval", "Asked before:  "+*p.PendingApprovalID)
	if strings.Contains(second, "Awaiting approval "+*p.PendingApprovalID) || strings.Contains(first, "Asked before") {
		t.Errorf("%s\n%s", first, second)
	}
}

// apply returns the errors of an apply with these changes.
func (w wire) apply(t *testing.T, r refreshedProfile, changes map[string]tftypes.Value) string {
	t.Helper()
	planned := maps.Clone(r.state)
	maps.Copy(planned, changes)
	next := newDynamicValue(t, w.profile, newObject(w.profile, planned))
	resp, err := w.ApplyResourceChange(t.Context(), &tfprotov6.ApplyResourceChangeRequest{
		TypeName: profileType, PriorState: newDynamicValue(t, w.profile, newObject(w.profile, r.state)),
		PlannedState: next, Config: next, PlannedPrivate: r.private,
	})
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, d := range resp.Diagnostics {
		all.WriteString(d.Summary + "\n" + d.Detail + "\n")
	}
	return all.String()
}

func awaitedApproval(t *testing.T, err error) string {
	t.Helper()
	w, ok := errors.AsType[*client.AwaitingApprovalError](err)
	if !ok {
		t.Fatalf("it awaits nothing: %v", err)
	}
	return w.Approval.ID
}
