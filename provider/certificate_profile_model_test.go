package provider

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
	"pgregory.net/rapid"

	"github.com/certctl/terraform-provider-certctl/api"
)

// A profile survives the round trip through state, so an update of one attribute changes no other.
func TestCertificateProfileModel_RoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := api.Profile{ID: "p-a", ProfileSpec: profileSpecs().Draw(t, "spec"), CreatedAt: time.UnixMicro(1)}
		got := throughState(t, certificateProfileSchema(), newCertificateProfileModel(p)).create()
		if diff := cmp.Diff(api.CreateProfile{ID: p.ID, ProfileSpec: p.ProfileSpec}, got); diff != "" {
			t.Error(diff)
		}
	})
}

// throughState writes a model to a state and reads it.
func throughState[M any](t *rapid.T, s schema.Schema, m M) (out M) {
	ctx := context.Background()
	state := tfsdk.State{Schema: s, Raw: tftypes.NewValue(s.Type().TerraformType(ctx), nil)}
	diags := state.Set(ctx, m)
	diags.Append(state.Get(ctx, &out)...)
	if diags.HasError() {
		t.Fatal(diags)
	}
	return out
}

func profileSpecs() *rapid.Generator[api.ProfileSpec] {
	set := rapid.SliceOfDistinct(rapid.String(), rapid.ID[string])
	return rapid.Custom(func(t *rapid.T) api.ProfileSpec {
		return api.ProfileSpec{
			Name:                 rapid.String().Draw(t, "name"),
			Description:          rapid.String().Draw(t, "description"),
			Enabled:              rapid.Bool().Draw(t, "enabled"),
			RequiresApproval:     rapid.Bool().Draw(t, "requires_approval"),
			IssuerID:             rapid.String().Draw(t, "issuer_id"),
			AllowedKeyAlgorithms: rapid.SliceOfDistinct(algorithms(), rapid.ID[api.KeyAlgorithm]).Draw(t, "algorithms"),
			AllowedEKUs:          set.Draw(t, "ekus"),
			AllowedDNSNames:      set.Draw(t, "dns"),
			AllowWildcardNames:   rapid.Bool().Draw(t, "wildcards"),
			AllowedIPRanges:      set.Draw(t, "ip"),
			AllowedURIs:          set.Draw(t, "uris"),
			AllowedEmailDomains:  set.Draw(t, "email"),
			MaxSANs:              rapid.Int().Draw(t, "max_sans"),
			MaxTTLSeconds:        rapid.Int64().Draw(t, "max_ttl"),
			Labels:               rapid.MapOf(rapid.String(), rapid.String()).Draw(t, "labels"),
		}
	})
}

func algorithms() *rapid.Generator[api.KeyAlgorithm] {
	return rapid.Custom(func(t *rapid.T) api.KeyAlgorithm {
		return api.KeyAlgorithm{Algorithm: rapid.String().Draw(t, "algorithm"), MinSize: rapid.IntMin(0).Draw(t, "min_size")}
	})
}

// Every writable field of the API has an attribute of the same name. A field without a default is required.
func TestCertificateProfileSchema_MatchesTheAPI(t *testing.T) {
	checkSchema(t, certificateProfileSchema(), append([]string{"id", "created_at"}, fieldsOf[api.ProfileSpec]()...))
}

// A plan without optional attributes has the server's defaults.
func TestCertificateProfileSchema_HasTheServersDefaults(t *testing.T) {
	got := planOf[certificateProfileModel](t, "certctl_certificate_profile", certificateProfileSchema(), map[string]tftypes.Value{
		"name": textValue("a"), "requires_approval": tftypes.NewValue(tftypes.Bool, true),
	})
	want := api.DefaultProfileSpec()
	want.Name, want.RequiresApproval = "a", true
	if diff := cmp.Diff(want, got.spec()); diff != "" {
		t.Error(diff)
	}
}
