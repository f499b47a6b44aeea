package provider_test

import (
	"regexp"
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"

	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// A name is as good as an id, and one that nobody has says so.
func TestCertificateProfile_ImportByName(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	configuration := as(t, s, "terraform", everyField)
	missing := func(id, words string) resource.TestStep {
		return resource.TestStep{Config: configuration, ResourceName: profileAddress, ImportState: true, ImportStateId: id, ExpectError: regexp.MustCompile(words)}
	}
	run(t,
		resource.TestStep{Config: configuration},
		resource.TestStep{
			Config: configuration, ResourceName: profileAddress, ImportState: true, ImportStateVerify: true,
			ImportStateId: "name:CDN, für <alle> & mehr",
		},
		missing("name:cdn", `(?s)Could not import name:cdn.*no\s+certificate\s+profile\s+with\s+the\s+name\s+"cdn"`),
		missing("name:", `The name is empty`),
	)
}

// Terraform 1.12 and later import by identity, and hold the identity in state; here the protocol alone speaks.
func TestCertificateProfile_Identity(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	p := s.Profile(t, false)
	w := configured(t, s.URL, s.Key(t, "terraform"), nil)
	kind := tftypes.Object{AttributeTypes: map[string]tftypes.Type{"id": tftypes.String}}
	identity := &tfprotov6.ResourceIdentityData{IdentityData: dynamic(t, kind, object(kind, map[string]tftypes.Value{"id": tftypes.NewValue(tftypes.String, p.ID)}))}

	imported, err := w.ImportResourceState(t.Context(), &tfprotov6.ImportResourceStateRequest{TypeName: profileType, Identity: identity})
	if err != nil || len(imported.Diagnostics) > 0 {
		t.Fatal(err, imported.Diagnostics)
	}
	i := imported.ImportedResources[0]
	read := func(current *tfprotov6.DynamicValue, identity *tfprotov6.ResourceIdentityData) *tfprotov6.ReadResourceResponse {
		t.Helper()
		resp, err := w.ReadResource(t.Context(), &tfprotov6.ReadResourceRequest{TypeName: profileType, CurrentState: current, CurrentIdentity: identity, Private: i.Private})
		if err != nil || len(resp.Diagnostics) > 0 {
			t.Fatal(err, resp.Diagnostics)
		}
		return resp
	}
	first := read(i.State, i.Identity)
	v, err := first.NewIdentity.IdentityData.Unmarshal(kind)
	if want := object(kind, map[string]tftypes.Value{"id": tftypes.NewValue(tftypes.String, p.ID)}); err != nil || !v.Equal(want) {
		t.Errorf("identity after read: %v, %v", v, err)
	}
	if err := s.Client(t, "alice").DeleteProfile(t.Context(), p.ID); err != nil {
		t.Fatal(err)
	}
	gone := read(first.NewState, nil) // a state of before there were identities
	if v, err := gone.NewState.Unmarshal(w.profile); err != nil || !v.IsNull() {
		t.Errorf("state of a deleted profile: %v, %v", v, err)
	}
}
