# Readings: the results of the data source certctl_pending_approvals during the plan. A policy must deny a plan without one.
package certctl.readings

import data.certctl.parameters
import data.certctl.plan
import rego.v1

found contains reading if {
	some reading in plan.resources
	is_reading(reading)
}

# Readings with every value that the policies use, of the right type. A failed reading has none.
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

# Readings deferred to the apply: an argument is unknown, a dependency changes, or a check block reads the data source again.
deferred contains change.address if {
	some change in plan.resource_changes
	is_reading(change)
	"read" in change.change.actions
}

is_reading(resource) if {
	resource.mode == "data"
	resource.type == "certctl_pending_approvals"
}

# Filters that the parameters do not allow: a filtered reading shows only a part of the pending approvals.
filters(reading) := {sprintf("%s = %q", [name, value]) |
	some name in ["kind", "profile_id", "certificate_id", "requested_by"]
	value := reading.values[name]
	value != null
	not value in object.get(parameters.allowed_filters, name, [])
}

# The minutes between the reading and the plan, in either order.
minutes_apart(reading) := abs(plan.timestamp - time.parse_rfc3339_ns(reading.values.evaluated_at)) / 60000000000

# The commands that decide an approval.
how_to_decide(reading, id) := sprintf(
	"curl -X POST %s/api/v1/approvals/%s/approve (or .../reject) -H \"Authorization: Bearer $APPROVER_API_KEY\"",
	[reading.values.endpoint, id],
)
