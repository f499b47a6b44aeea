package provider_test

import (
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// Terraform 1.12 and later import by identity, and store the identity in state. This test uses the protocol.
func TestIdentity(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	p := s.CreateProfileAsOlga(t, false)
	c := s.CreateCertificateAsOlga(t, p.ID)
	w := configuredProvider(t, s.URL, s.Key(t, "terraform"), nil)
	schemas, err := w.GetProviderSchema(t.Context(), &tfprotov6.GetProviderSchemaRequest{})
	if err != nil {
		t.Fatal(err)
	}
	olga := s.Client(t, "olga")
	for _, object := range []struct {
		kind, id string
		delete   func() error
	}{
		{"certctl_certificate", c.ID, func() error { return olga.DeleteCertificate(t.Context(), c.ID) }},
		{profileType, p.ID, func() error { return olga.DeleteProfile(t.Context(), p.ID) }},
	} {
		importByIdentity(t, w, object.kind, object.id, schemas.ResourceSchemas[object.kind].ValueType(), object.delete)
	}
}

// importByIdentity imports an object by its identity, reads it, deletes it, and reads it again.
func importByIdentity(t *testing.T, w wire, name, id string, kind tftypes.Type, remove func() error) {
	t.Helper()
	of := tftypes.Object{AttributeTypes: map[string]tftypes.Type{"id": tftypes.String}}
	want := newObject(of, map[string]tftypes.Value{"id": tftypes.NewValue(tftypes.String, id)})
	imported, err := w.ImportResourceState(t.Context(), &tfprotov6.ImportResourceStateRequest{
		TypeName: name, Identity: &tfprotov6.ResourceIdentityData{IdentityData: newDynamicValue(t, of, want)},
	})
	if err != nil || len(imported.Diagnostics) > 0 {
		t.Fatal(err, imported.Diagnostics)
	}
	i := imported.ImportedResources[0]
	read := func(current *tfprotov6.DynamicValue, identity *tfprotov6.ResourceIdentityData) *tfprotov6.ReadResourceResponse {
		t.Helper()
		resp, err := w.ReadResource(t.Context(), &tfprotov6.ReadResourceRequest{TypeName: name, CurrentState: current, CurrentIdentity: identity, Private: i.Private})
		if err != nil || len(resp.Diagnostics) > 0 {
			t.Fatal(err, resp.Diagnostics)
		}
		return resp
	}
	first := read(i.State, i.Identity)
	if v, err := first.NewIdentity.IdentityData.Unmarshal(of); err != nil || !v.Equal(want) {
		t.Errorf("%s: identity after read: %v, %v", name, v, err)
	}
	if err := remove(); err != nil {
		t.Fatal(err)
	}
	gone := read(first.NewState, nil) // a state without an identity
	if v, err := gone.NewState.Unmarshal(kind); err != nil || !v.IsNull() {
		t.Errorf("%s: state of what is gone: %v, %v", name, v, err)
	}
}
