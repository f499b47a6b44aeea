# What will wait for a second person once the plan is applied. Terraform warns of it, too, but its warnings are not in the
# plan's JSON.
package certctl

import data.certctl.plan

# METADATA
# entrypoint: true
warn contains sprintf("%s: this edit of the gated profile %s will wait for a second person, and the apply ends with an error that names the approval.", [change.address, change.change.before.id]) if {
	some change in plan.profile_changes
	is_gated(change.change.before)
	"update" in change.change.actions
	not only_disables(change)
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

# Disabling a profile never waits.
only_disables(change) if {
	fields := {field | some field, value in change.change.after; value != change.change.before[field]}
	fields == {"enabled"}
	change.change.after.enabled == false
}

# Its outputs are unknown in a plan that asks for issuance, and in no other.
asks_for_issuance(change) if plan.is_unknown(change, "status")
