# Readings: what the data source certctl_pending_approvals said while the plan was made. A policy that finds none has seen
# nothing, and must stop.
package certctl.readings

import data.certctl.parameters
import data.certctl.plan

found contains reading if {
	some reading in plan.resources
	is_reading(reading)
}

# Those that have everything on which a decision rests, of the right type. One that failed has nothing.
sound contains reading if {
	some reading in found
	is_number(reading.values.total_count)
	is_number(reading.values.oldest_age_seconds)
	is_boolean(reading.values.truncated)
	is_boolean(reading.values.approval_bypass)
	is_string(reading.values.endpoint)
	is_object(reading.values.count_by_profile)
	is_array(reading.values.approvals)
	is_string(concat("", reading.values.ids))
	minutes_apart(reading)
}

# Deferred to the apply: because its arguments are not known yet, because it depends on something that changes, or because
# it stands in a check block, which reads it once more.
deferred contains change.address if {
	some change in plan.resource_changes
	is_reading(change)
	"read" in change.change.actions
}

is_reading(resource) if {
	resource.mode == "data"
	resource.type == "certctl_pending_approvals"
}

# Filters that the parameters do not allow: a filtered reading shows a part of what waits.
filters(reading) := {sprintf("%s = %q", [name, value]) |
	some name in ["kind", "profile_id", "certificate_id", "requested_by"]
	value := reading.values[name]
	value != null
	not value in object.get(parameters.allowed_filters, name, [])
}

# How far the reading and the plan lie apart, in minutes, whichever came first.
minutes_apart(reading) := abs(plan.timestamp - time.parse_rfc3339_ns(reading.values.evaluated_at)) / 60000000000

# The commands that decide an approval.
how_to_decide(reading, id) := sprintf(
	"curl -X POST %s/api/v1/approvals/%s/approve (or .../reject) -H \"Authorization: Bearer $APPROVER_API_KEY\"",
	[reading.values.endpoint, id],
)
