package provider_test

import (
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// The command terraform query needs Terraform 1.14, so this test uses the protocol.
func TestCertificateProfile_List(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	one, two := s.CreateProfileAsOlga(t, false), s.CreateProfileAsOlga(t, true)
	w := configuredProvider(t, s.URL, s.Key(t, "vera"), nil)
	name := func(v any) map[string]tftypes.Value {
		return map[string]tftypes.Value{"name": tftypes.NewValue(tftypes.String, v)}
	}

	all := w.list(t, name(nil), 0, true)
	if len(all) != 2 {
		t.Fatalf("%d profiles, want 2", len(all))
	}
	for _, r := range all {
		v, err := r.Resource.Unmarshal(w.profile)
		if err != nil {
			t.Fatal(err)
		}
		if want := w.refresh(t, identityOf(t, r)).state; !v.Equal(newObject(w.profile, want)) {
			t.Errorf("listed as %v, read as %v", v, want)
		}
	}
	if limited := w.list(t, name(nil), 1, false); len(limited) != 1 {
		t.Errorf("%d profiles, want 1", len(limited))
	}
	named := w.list(t, name(two.Name), 0, false)
	if len(named) != 1 || named[0].DisplayName != two.Name || identityOf(t, named[0]) != two.ID {
		t.Errorf("named %q: %v", two.Name, named)
	}

	away := configuredProvider(t, "http://127.0.0.1:9", "ctl_a_b", nil)
	refused := away.list(t, name(one.Name), 0, false)
	if len(refused) != 1 || len(refused[0].Diagnostics) != 1 || refused[0].Diagnostics[0].Severity != tfprotov6.DiagnosticSeverityError {
		t.Errorf("a missing answer reads as %v", refused)
	}
}

func (w wire) list(t *testing.T, config map[string]tftypes.Value, limit int64, include bool) (results []tfprotov6.ListResourceResult) {
	t.Helper()
	kind := tftypes.Object{AttributeTypes: map[string]tftypes.Type{"name": tftypes.String}}
	stream, err := w.ProviderServer.(tfprotov6.ListResourceServer).ListResource(t.Context(), &tfprotov6.ListResourceRequest{
		TypeName: profileType, Config: newDynamicValue(t, kind, newObject(kind, config)), Limit: limit, IncludeResource: include,
	})
	if err != nil {
		t.Fatal(err)
	}
	for r := range stream.Results {
		results = append(results, r)
	}
	return results
}

func identityOf(t *testing.T, r tfprotov6.ListResourceResult) (id string) {
	t.Helper()
	v, err := r.Identity.IdentityData.Unmarshal(tftypes.Object{AttributeTypes: map[string]tftypes.Type{"id": tftypes.String}})
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]tftypes.Value
	if err := v.As(&members); err != nil {
		t.Fatal(err)
	}
	if err := members["id"].As(&id); err != nil {
		t.Fatal(err)
	}
	return id
}
