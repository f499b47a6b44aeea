package provider

import (
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/certctl/terraform-provider-certctl/api"
)

// The words of a fault say each element once, and name no index of a set.
func TestAttempt_FaultsSayElementsOnce(t *testing.T) {
	sent := api.DefaultProfileSpec()
	sent.AllowedDNSNames = []string{"*.*.example.com"}
	a := attempt{action: "try", body: sent, schema: certificateProfileSchema()}
	for _, tc := range []struct {
		fault api.Fault
		want  string
	}{
		{api.Fault{Pointer: "/allowed_dns_names/0", Detail: `"*.*.example.com" has two wildcards`}, `allowed_dns_names: "*.*.example.com" has two wildcards.`},
		{api.Fault{Pointer: "/allowed_dns_names/0", Detail: "is too long"}, `allowed_dns_names, element "*.*.example.com": is too long.`},
		{
			api.Fault{Pointer: "/allowed_key_algorithms/0", Detail: `"ECDSA" is there already, as element 1`},
			`allowed_key_algorithms, element {"algorithm":"ECDSA","min_size":256}: "ECDSA" is there already, in another element.`,
		},
		{api.Fault{Pointer: "?new", Detail: "unknown query parameter"}, "?new: unknown query parameter."},
		{api.Fault{Pointer: "?reason", Detail: "has a control character"}, "change_reason (CERTCTL_CHANGE_REASON): has a control character."},
		{api.Fault{Pointer: "/name", Detail: "unexpected property"}, "name: unexpected property."},
		{api.Fault{Pointer: "?also_excluded", Detail: "has too many"}, "CERTCTL_CHANGE_AUTHORS: has too many."},
	} {
		diags := a.explain(t.Context(), &api.Problem{RequestID: "r-7", Errors: []api.Fault{tc.fault}})
		if got, _, _ := strings.Cut(diags[0].Detail(), "\n"); got != tc.want {
			t.Errorf("got %q, want %q", got, tc.want)
		}
		if unknown := strings.HasPrefix(tc.fault.Detail, "un"); unknown != strings.Contains(diags[0].Detail(), "may be older than this provider") {
			t.Errorf("%v: %s", tc.fault, diags[0].Detail())
		}
	}
}

// Every fault is an error on its attribute, with the place in words. A fault without an attribute is an error, too.
func TestAttempt_FaultsLandOnAttributes(t *testing.T) {
	s := certificateProfileSchema()
	s.Attributes["steps"] = schema.ListAttribute{ElementType: types.StringType, Optional: true}
	sent := api.DefaultProfileSpec()
	sent.AllowedDNSNames = []string{"a.example.com", "B.example.com"}
	sent.SubjectAttributes.Organization = []string{"Example", "Example  GmbH"}
	a := attempt{action: "try", body: sent, schema: s}

	for pointer, want := range map[string]struct {
		at    path.Path
		words string
	}{
		"/name":                              {path.Root("name"), "name: wrong"},
		"/allowed_dns_names/1":               {path.Root("allowed_dns_names"), `allowed_dns_names, element "B.example.com": wrong`},
		"/allowed_dns_names/7":               {path.Root("allowed_dns_names"), "allowed_dns_names, element 7: wrong"},
		"/allowed_key_algorithms/1/min_size": {path.Root("allowed_key_algorithms"), `element {"algorithm":"RSA","min_size":2048}, min_size: wrong`},
		"/subject_attributes":                {path.Root("subject_attributes"), "subject_attributes: wrong"},
		"/subject_attributes/organization":   {path.Root("subject_attributes").AtName("organization"), "subject_attributes.organization: wrong"},
		"/subject_attributes/organization/1": {path.Root("subject_attributes").AtName("organization"), `subject_attributes.organization, element "Example  GmbH": wrong`},
		"/subject_attributes/country/0":      {path.Root("subject_attributes").AtName("country"), "subject_attributes.country, element 0: wrong"},
		"/subject_attributes/street/0":       {path.Root("subject_attributes"), "subject_attributes, street, 0: wrong"},
		"/labels/a~1b.c~0":                   {path.Root("labels").AtMapKey("a/b.c~"), `labels["a/b.c~"]: wrong`},
		"/steps/2":                           {path.Root("steps").AtListIndex(2), "steps[2]: wrong"},
		"?name":                              {path.Root("name"), "name: wrong"},
		"/version":                           {path.Empty(), "/version: wrong"},
		"?after":                             {path.Empty(), "?after: wrong"},
		"":                                   {path.Empty(), "The request: wrong"},
	} {
		diags := a.explain(t.Context(), &api.Problem{RequestID: "r-7", Errors: []api.Fault{{Pointer: pointer, Detail: "wrong."}}})
		if len(diags) != 1 || !strings.Contains(diags[0].Detail(), want.words) || !strings.Contains(diags[0].Detail(), "r-7") {
			t.Errorf("%q: %v", pointer, diags)
			continue
		}
		at := path.Empty()
		if d, ok := diags[0].(interface{ Path() path.Path }); ok {
			at = d.Path()
		}
		if !at.Equal(want.at) {
			t.Errorf("%q lands on %s, want %s", pointer, at, want.at)
		}
	}
}
