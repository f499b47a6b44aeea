# Warnings for changes that will wait for a second person after the apply. Terraform warns of them, too, but its warnings are
# not in the plan's JSON.
package certctl

import data.certctl.plan
import rego.v1

# METADATA
# entrypoint: true
warn contains sprintf("%s: this edit of the gated profile %s will wait for a second person, and the apply ends with an error that names the approval.", [change.address, change.change.before.id]) if {
	some change in plan.profile_changes
	is_gated(change.change.before)
	"update" in change.change.actions
	not never_waits(change)
}

warn contains delay if {
	is_nothing_held_up
	some delay in delays
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

# The outputs of a certificate are unknown in a plan that requests it, and in no other plan.
asks_for_issuance(change) if plan.is_unknown(change, "status")
