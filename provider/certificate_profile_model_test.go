package provider

import (
	"context"
	"maps"
	"slices"
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
			SubjectAttributes:    subjectAttributes().Draw(t, "subject_attributes"),
			AllowedCommonNames:   set.Draw(t, "common_names"),
			KeyUsages:            orNil(set.Draw(t, "key_usages")),
			AllowUnderscores:     rapid.Bool().Draw(t, "underscores"),
			CSRExtras:            api.CSRExtras(rapid.String().Draw(t, "csr_extras")),
			Labels:               rapid.MapOf(rapid.String(), rapid.String()).Draw(t, "labels"),
		}
	})
}

// subjectAttributes has no empty set, because the provider sends none.
func subjectAttributes() *rapid.Generator[api.SubjectAttributes] {
	set := rapid.Map(rapid.SliceOfDistinct(rapid.String(), rapid.ID[string]), orNil[string])
	return rapid.Custom(func(t *rapid.T) api.SubjectAttributes {
		return api.SubjectAttributes{
			Organization:       set.Draw(t, "organization"),
			OrganizationalUnit: set.Draw(t, "organizational_unit"),
			Country:            set.Draw(t, "country"),
			Province:           set.Draw(t, "province"),
			Locality:           set.Draw(t, "locality"),
			StreetAddress:      set.Draw(t, "street_address"),
			PostalCode:         set.Draw(t, "postal_code"),
		}
	})
}

func orNil[E any](set []E) []E {
	if len(set) == 0 {
		return nil
	}
	return set
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

// Every attribute of a subject in the API has an attribute of the same name, with an empty set by default.
func TestCertificateProfileSchema_HasEverySubjectAttribute(t *testing.T) {
	s := certificateProfileSchema().Attributes["subject_attributes"].(schema.SingleNestedAttribute)
	names := fieldsOf[api.SubjectAttributes]()
	slices.Sort(names)
	if diff := cmp.Diff(names, slices.Sorted(maps.Keys(s.Attributes))); diff != "" {
		t.Error(diff)
	}
	set := tftypes.Set{ElementType: tftypes.String}
	kind := s.GetType().TerraformType(t.Context()).(tftypes.Object)
	for name, subject := range map[string]tftypes.Value{
		"null":       tftypes.NewValue(kind, nil),
		"empty":      tftypes.NewValue(kind, emptyMembers(kind, nil)),
		"empty list": tftypes.NewValue(kind, emptyMembers(kind, map[string]tftypes.Value{"organization": tftypes.NewValue(set, []tftypes.Value{})})),
	} {
		got := planOf[certificateProfileModel](t, "certctl_certificate_profile", certificateProfileSchema(), map[string]tftypes.Value{
			"name": textValue("a"), "requires_approval": tftypes.NewValue(tftypes.Bool, true), "subject_attributes": subject,
		})
		if diff := cmp.Diff(newSubjectAttributesModel(api.SubjectAttributes{}), got.SubjectAttributes); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// emptyMembers returns the members of an object, null without a value.
func emptyMembers(kind tftypes.Object, set map[string]tftypes.Value) map[string]tftypes.Value {
	members := map[string]tftypes.Value{}
	for name, k := range kind.AttributeTypes {
		members[name] = tftypes.NewValue(k, nil)
	}
	maps.Copy(members, set)
	return members
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
