package provider_test

import (
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// The command terraform query needs Terraform 1.14, so this test uses the protocol.
func TestCertificate_List(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	openRenewal(t, s, "mc-a", "a.example.com")
	issued := issueUnder(t, s, s.CreateProfileAsOlga(t, false).ID)
	w := configuredProvider(t, s.URL, s.Key(t, "vera"), nil)

	all := w.listCertificates(t, nil, 0, true)
	if len(all) != 2 {
		t.Fatalf("%d certificates, want 2", len(all))
	}
	for _, r := range all {
		id := identityOf(t, r)
		if want := w.importedCertificate(t, id); !valueOf(t, r.Resource, w.certificateType(t)).Equal(want) || r.DisplayName != id {
			t.Errorf("listed as %s %v, read as %v", r.DisplayName, r.Resource, want)
		}
	}
	if limited := w.listCertificates(t, nil, 1, false); len(limited) != 1 || limited[0].Resource != nil {
		t.Errorf("limited to one: %v", limited)
	}
	for argument, value := range map[string]string{
		"profile_id": issued.ProfileID, "status": "issued", "serial_number": issued.Current.SerialNumber,
		"expires_before": timeText(issued.Current.NotAfter.AddDate(0, 0, 1)),
	} {
		found := w.listCertificates(t, map[string]string{argument: value}, 0, false)
		if len(found) != 1 || identityOf(t, found[0]) != issued.ID {
			t.Errorf("%s = %s finds %v", argument, value, found)
		}
	}
	if blocked := w.listCertificates(t, map[string]string{"renewal": "blocked"}, 0, false); len(blocked) != 0 {
		t.Errorf("no renewal is blocked, and the list has %v", blocked)
	}

	away := configuredProvider(t, "http://127.0.0.1:9", "ctl_a_b", nil)
	refused := away.listCertificates(t, nil, 0, false)
	if len(refused) != 1 || len(refused[0].Diagnostics) != 1 || refused[0].Diagnostics[0].Severity != tfprotov6.DiagnosticSeverityError {
		t.Errorf("a missing answer reads as %v", refused)
	}
}

// listCertificates lists with the given arguments; the others are null.
func (w wire) listCertificates(t *testing.T, arguments map[string]string, limit int64, include bool) (results []tfprotov6.ListResourceResult) {
	t.Helper()
	schemas, err := w.GetProviderSchema(t.Context(), &tfprotov6.GetProviderSchemaRequest{})
	if err != nil {
		t.Fatal(err)
	}
	kind := schemas.ListResourceSchemas[certificateType].ValueType()
	config := map[string]tftypes.Value{}
	for name, value := range arguments {
		config[name] = tftypes.NewValue(tftypes.String, value)
	}
	stream, err := w.ProviderServer.(tfprotov6.ListResourceServer).ListResource(t.Context(), &tfprotov6.ListResourceRequest{
		TypeName: certificateType, Config: newDynamicValue(t, kind, newObject(kind, config)), Limit: limit, IncludeResource: include,
	})
	if err != nil {
		t.Fatal(err)
	}
	for r := range stream.Results {
		results = append(results, r)
	}
	return results
}

func (w wire) certificateType(t *testing.T) tftypes.Type {
	t.Helper()
	schemas, err := w.GetProviderSchema(t.Context(), &tfprotov6.GetProviderSchemaRequest{})
	if err != nil {
		t.Fatal(err)
	}
	return schemas.ResourceSchemas[certificateType].ValueType()
}

// importedCertificate returns the state of a certificate after an import.
func (w wire) importedCertificate(t *testing.T, id string) tftypes.Value {
	t.Helper()
	imported, err := w.ImportResourceState(t.Context(), &tfprotov6.ImportResourceStateRequest{TypeName: certificateType, ID: id})
	if err != nil || len(imported.Diagnostics) > 0 {
		t.Fatal(err, imported.Diagnostics)
	}
	i := imported.ImportedResources[0]
	read, err := w.ReadResource(t.Context(), &tfprotov6.ReadResourceRequest{TypeName: certificateType, CurrentState: i.State, Private: i.Private})
	if err != nil || len(read.Diagnostics) > 0 {
		t.Fatal(err, read.Diagnostics)
	}
	return valueOf(t, read.NewState, w.certificateType(t))
}

func valueOf(t *testing.T, v *tfprotov6.DynamicValue, kind tftypes.Type) tftypes.Value {
	t.Helper()
	value, err := v.Unmarshal(kind)
	if err != nil {
		t.Fatal(err)
	}
	return value
}
