package provider

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/certctl/terraform-provider-certctl/api"
)

// Every field of an approval has an attribute of the same name, but for the subject, which is text.
func TestApprovalSchema_MatchesTheAPI(t *testing.T) {
	want := slices.DeleteFunc(fieldsOf[api.Approval](), func(name string) bool { return name == "subject" })
	want = append(want, "subject_json", "common_name")
	slices.Sort(want)
	attributes := approvalSchema().Attributes
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(attributes))); diff != "" {
		t.Error(diff)
	}
	context := computedContext().Attributes
	fields := slices.Sorted(slices.Values(fieldsOf[api.IssuanceContext]()))
	if diff := cmp.Diff(fields, slices.Sorted(maps.Keys(context))); diff != "" {
		t.Error(diff)
	}
}
