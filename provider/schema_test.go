package provider

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/certctl/terraform-provider-certctl/api"
)

// fieldsOf returns the JSON names of a struct's own fields.
func fieldsOf[T any]() (names []string) {
	for f := range reflect.TypeFor[T]().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}

// checkSchema fails unless a schema is valid and has exactly these attributes, each with a description.
func checkSchema(t *testing.T, s schema.Schema, want []string) {
	t.Helper()
	if diags := s.ValidateImplementation(t.Context()); diags.HasError() {
		t.Fatal(diags)
	}
	var got []string
	for name, a := range s.Attributes {
		got = append(got, name)
		if a.GetMarkdownDescription() == "" && name != "timeouts" {
			t.Errorf("%s has no description", name)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// planOf returns the plan of a new resource whose configuration has exactly these attributes.
func planOf[M any](t *testing.T, typeName string, s schema.Schema, set map[string]tftypes.Value) (m M) {
	t.Helper()
	ctx := t.Context()
	kind := s.Type().TerraformType(ctx)
	members := map[string]tftypes.Value{}
	for name, a := range s.Attributes {
		members[name] = tftypes.NewValue(a.GetType().TerraformType(ctx), nil)
	}
	for name, value := range set {
		members[name] = value
	}
	dynamic := func(v any) *tfprotov6.DynamicValue {
		d, err := tfprotov6.NewDynamicValue(kind, tftypes.NewValue(kind, v))
		if err != nil {
			t.Fatal(err)
		}
		return &d
	}
	resp, err := providerserver.NewProtocol6(New("test")())().PlanResourceChange(ctx, &tfprotov6.PlanResourceChangeRequest{
		TypeName: typeName, PriorState: dynamic(nil), Config: dynamic(members), ProposedNewState: dynamic(members),
	})
	if err != nil || len(resp.Diagnostics) > 0 {
		t.Fatal(err, resp.Diagnostics)
	}
	raw, err := resp.PlannedState.Unmarshal(kind)
	if err != nil {
		t.Fatal(err)
	}
	if diags := (tfsdk.Plan{Schema: s, Raw: raw}).Get(ctx, &m); diags.HasError() {
		t.Fatal(diags)
	}
	return m
}

func textValue(s string) tftypes.Value { return tftypes.NewValue(tftypes.String, s) }

// Every writable field of the API has an attribute of the same name.
func TestCertificateSchema_MatchesTheAPI(t *testing.T) {
	own := []string{
		"id", "renewal_triggers", "wait_for_issuance", "timeouts", "status", "job_id", "approval_id", "approval_state", "serial_number",
		"not_before", "not_after", "fingerprint_sha256", "spki_sha256", "signed_sans", "issuer_id", "certificate_pem", "chain_pem",
		"full_chain_pem", "renew_at", "ready_for_renewal", "up_to_date", "csr_ignored",
	}
	checkSchema(t, certificateSchema(t.Context()), append(own, fieldsOf[api.CertificateSpec]()...))
}

// A plan without optional attributes has the server's defaults.
func TestCertificateSchema_HasTheServersDefaults(t *testing.T) {
	m := planOf[certificateModel](t, "certctl_certificate", certificateSchema(t.Context()), map[string]tftypes.Value{
		"id": textValue("mc-a"), "profile_id": textValue("p-a"), "csr_pem": textValue("x"),
		"sans": tftypes.NewValue(tftypes.Set{ElementType: tftypes.String}, []tftypes.Value{textValue("a.example.com")}),
	})
	want := api.DefaultCertificateSpec()
	want.ProfileID, want.CSRPEM, want.SANs = "p-a", "x", []string{"a.example.com"}
	if diff := cmp.Diff(want, m.spec()); diff != "" {
		t.Error(diff)
	}
	if !m.CSRIgnored.IsUnknown() || !m.Status.IsUnknown() || !m.CertificatePEM.IsUnknown() || !m.NotAfter.IsUnknown() {
		t.Errorf("what issuance makes is known before it: %+v", m.issuanceOutputs)
	}
}
