package profile

import (
	"maps"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/rules"
)

// Waits reports whether an edit needs a second person. Every edit of a gated profile does, unless it changes nothing
// but the description and the labels, or disables the profile. A new field of a profile is a rule, so it waits, until
// withoutNotes names it.
func Waits(before, after api.ProfileSpec) bool {
	if !before.RequiresApproval {
		return false
	}
	if !after.Enabled {
		before.Enabled = false
	}
	return !SameRules(before, after)
}

// SameRules reports whether two profiles differ in nothing but their description and labels.
func SameRules(a, b api.ProfileSpec) bool { return rules.SameProfile(withoutNotes(a), withoutNotes(b)) }

// withoutNotes removes what no approval covers: it permits nothing and changes nothing that is signed.
func withoutNotes(spec api.ProfileSpec) api.ProfileSpec {
	spec.Description, spec.Labels = "", nil
	return spec
}

// keepNotes returns an edit with the description and the labels that it stores: its own, or the stored ones where
// they changed after the edit was asked for. base is the profile of that time.
func keepNotes(edit, base, stored api.ProfileSpec) api.ProfileSpec {
	if stored.Description != base.Description {
		edit.Description = stored.Description
	}
	if !maps.Equal(stored.Labels, base.Labels) {
		edit.Labels = stored.Labels
	}
	return edit
}
