package provider

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/certctl/terraform-provider-certctl/api"
)

// Every field of the API has an attribute, and so has every output of the resource. The fields of the leaf are flat.
func TestCertificateDataSchema_MatchesTheAPI(t *testing.T) {
	want := slices.Concat(fieldsOf[api.CertificateSpec](), fieldsOf[api.Certificate](), fieldsOf[api.Leaf]())
	for name := range certificateSchema(t.Context()).Attributes {
		want = append(want, name)
	}
	left := map[string]bool{
		"":        true, // the embedded fields, listed by themselves
		"version": true, "current": true,
		"renewal_triggers": true, "wait_for_issuance": true, "timeouts": true, // only Terraform has them
	}
	want = append(slices.DeleteFunc(want, func(name string) bool { return left[name] }), "signed_sans", "full_chain_pem")
	slices.Sort(want)
	got := slices.Sorted(maps.Keys(certificateDataAttributes()))
	if diff := cmp.Diff(slices.Compact(want), got); diff != "" {
		t.Error(diff)
	}
	for name, a := range certificateDataAttributes() {
		if a.GetMarkdownDescription() == "" {
			t.Errorf("%s has no description", name)
		}
	}
}

// The argument status takes every status of the API.
func TestCertificateFilter_KnowsEveryStatus(t *testing.T) {
	field, _ := reflect.TypeFor[api.Certificate]().FieldByName("Status")
	if diff := cmp.Diff(strings.Split(field.Tag.Get("enum"), ","), certificateStatuses()); diff != "" {
		t.Error(diff)
	}
	for _, status := range certificateStatuses() {
		for _, description := range []string{certificateFilterDescriptions["status"], certificateDataAttributes()["status"].GetMarkdownDescription()} {
			if !strings.Contains(description, "`"+status+"`") {
				t.Errorf("%q does not name %s", description, status)
			}
		}
	}
}
