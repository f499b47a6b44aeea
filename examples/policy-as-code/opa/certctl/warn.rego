# Warnings for changes that will wait for a second person after the apply. Terraform warns of them, too, but its warnings are
# not in the plan's JSON.
package certctl

import data.certctl.plan

# METADATA
# entrypoint: true
warn contains sprintf("%s: this edit of the gated profile %s will wait for a second person, and the apply ends with an error that names the approval.", [change.address, change.change.before.id]) if {
	some change in plan.profile_changes
	is_gated(change.change.before)
	"update" in change.change.actions
	not never_waits(change)
}

warn contains sprintf("%s: this certificate will wait for a second person.", [change.address]) if {
	some change in plan.certificate_changes
	asks_for_issuance(change)
	change.change.after.profile_id in gated_profiles
}

warn contains sprintf("%s: this certificate will wait for a second person if its profile is gated.", [change.address]) if {
	some change in plan.certificate_changes
	asks_for_issuance(change)
	not object.get(change.change.after, "profile_id", null) in known_profiles
}

# Labels, the description, and disabling the profile never wait. Any other field makes the whole edit wait, even an unknown
# one.
never_waits(change) if {
	fields := edited_fields(change)
	count(fields) > 0
	every field in fields {
		applies_at_once(field, change.change.after)
	}
}

edited_fields(change) := {field | some field, value in change.change.after; value != change.change.before[field]} | {field |
	some field in (rules | {"requires_approval", "name", "labels", "description"})
	plan.is_unknown(change, field)
}

applies_at_once(field, _) if field in {"labels", "description"}

applies_at_once("enabled", after) if after.enabled == false

# The outputs of a certificate are unknown in a plan that requests it, and in no other plan.
asks_for_issuance(change) if plan.is_unknown(change, "status")
