# Denials for plans that cannot be checked, and for approvals that wait.
package certctl

import data.certctl.parameters
import data.certctl.plan
import data.certctl.readings
import rego.v1

# METADATA
# entrypoint: true
deny contains "The input is no plan: it has no time. Use the output of terraform show -json PLANFILE." if {
	not is_plan
}

is_plan if is_number(plan.timestamp)

deny contains "The plan failed half way and is not complete. Read the output of terraform plan." if {
	plan.is_judged
	plan.document.errored == true
}

deny contains "The plan may cover a part of the configuration only (complete is not true). Plan without -target, -exclude and deferred actions." if {
	is_plan
	plan.is_judged
	not plan.is_complete
}

deny contains sprintf("No reading of the pending approvals of %s. Add data \"certctl_pending_approvals\" with literal arguments, outside check blocks, on this server.", [endpoint]) if {
	plan.is_judged
	some endpoint in parameters.endpoints
	count({reading | some reading in readings.sound; reading.values.endpoint == endpoint}) == 0
}

deny contains sprintf("%s was not read while planning, so the pending approvals are not known. Use literal arguments, no depends_on, and no check block.", [address]) if {
	some address in readings.deferred
}

deny contains sprintf("%s holds no reading: the read failed in a check block, or the provider has another version than this policy.", [reading.address]) if {
	some reading in (readings.found - readings.sound)
}

deny contains sprintf("%s was read %v minutes before or after the plan was made; at most %v are allowed. Plan again, and check the clocks.", [reading.address, floor(readings.minutes_apart(reading)), parameters.max_minutes_apart]) if {
	some reading in readings.sound
	readings.minutes_apart(reading) > parameters.max_minutes_apart
}

deny contains sprintf("%s comes from the provider %s, which is not on the list.", [resource.address, resource.provider_name]) if {
	some resource in plan.of_certctl
	not resource.provider_name in parameters.provider_addresses
}

deny contains sprintf("%s was read from %s, which is not on the list of servers.", [reading.address, reading.values.endpoint]) if {
	some reading in readings.sound
	not reading.values.endpoint in parameters.endpoints
}

deny contains sprintf("%s shows only a part of the pending approvals: %s. Remove the filter.", [reading.address, concat(", ", filters)]) if {
	some reading in readings.sound
	filters := readings.filters(reading)
	count(filters) > 0
}

deny contains sprintf("%s approves every request by itself (CERTCTL_APPROVAL_BYPASS): no second person decides. Turn the bypass off.", [reading.values.endpoint]) if {
	some reading in readings.sound
	reading.values.approval_bypass == true
}

deny contains delay if {
	not is_nothing_held_up
	some delay in delays
}

# Delays are pending approvals that stop everything, except a plan in which nothing is held up.
delays contains sprintf("%d approvals await a second person on %s, and %v are allowed. Oldest first: %s.", [reading.values.total_count, reading.values.endpoint, parameters.max_pending, concat(", ", reading.values.ids)]) if {
	some reading in readings.sound
	reading.values.total_count > parameters.max_pending
}

delays contains sprintf("%s lists %d of %d approvals. Set limit = %d.", [reading.address, count(reading.values.approvals), reading.values.total_count, most_listed]) if {
	some reading in readings.sound
	reading.values.truncated == true
	count(reading.values.approvals) < most_listed
}

# A reading lists at most 500 approvals. Its counts and ages cover all approvals, listed or not.
most_listed := min([500, parameters.max_pending])

delays contains sprintf("The oldest approval on %s has waited %d hours, and %v are allowed: %s.", [reading.values.endpoint, floor(reading.values.oldest_age_seconds / 3600), parameters.max_pending_hours, overdue(reading)]) if {
	some reading in readings.sound
	reading.values.oldest_age_seconds > parameters.max_pending_hours * 3600
}

# overdue names the listed approvals that have waited too long.
overdue(reading) := concat("; ", [described |
	some approval in reading.values.approvals
	approval.age_seconds > parameters.max_pending_hours * 3600
	described := sprintf(
		"%s (%s, profile %s, asked by %s): %s",
		[approval.id, subject(approval), approval.profile_name, approval.requested_by, readings.how_to_decide(reading, approval.id)],
	)
])

subject(approval) := sprintf("certificate %s", [approval.certificate_id]) if {
	approval.kind == "issuance"
} else := "edit of the profile"

deny contains sprintf("%s changes profile %s while %d approvals under it await a second person. Have them decided first, so that approvers decide on what they saw.", [change.address, change.change.before.id, waiting]) if {
	some change in plan.profile_changes
	not is_never_held_up(change)
	some reading in readings.sound
	waiting := reading.values.count_by_profile[change.change.before.id]
	waiting > 0
}
