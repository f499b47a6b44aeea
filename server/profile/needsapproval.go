package profile

import (
	"maps"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/rules"
)

// NeedsApproval reports whether an edit needs the approval of a second person. An edit of a gated profile needs it if it
// changes a rule. Disabling the profile needs none. Every field but description and labels is a rule, also a field that
// is added later.
func NeedsApproval(before, after api.ProfileSpec) bool {
	if !before.RequiresApproval {
		return false
	}
	if !after.Enabled {
		before.Enabled = false
	}
	return !SameRules(before, after)
}

// SameRules reports whether two profiles are equal except for their descriptions and labels.
func SameRules(a, b api.ProfileSpec) bool { return rules.SameProfile(withoutNotes(a), withoutNotes(b)) }

// withoutNotes removes description and labels. They permit nothing and are not signed, so no approval covers them.
func withoutNotes(spec api.ProfileSpec) api.ProfileSpec {
	spec.Description, spec.Labels = "", nil
	return spec
}

// keepNotes returns an edit with the description and labels to store. base is the profile when the edit was requested. If
// a note changed since then, keepNotes keeps the stored one.
func keepNotes(edit, base, stored api.ProfileSpec) api.ProfileSpec {
	if stored.Description != base.Description {
		edit.Description = stored.Description
	}
	if !maps.Equal(stored.Labels, base.Labels) {
		edit.Labels = stored.Labels
	}
	return edit
}
