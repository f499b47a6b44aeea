# Changes that no pending approval holds up: the server applies them at once, or they replace an edit that waits already.
package certctl

import data.certctl.plan
import data.certctl.readings
import rego.v1

is_never_held_up(change) if never_waits(change)

is_never_held_up(change) if {
	some reading in readings.sound
	corrects_edit(change, reading)
}

# Nothing in the plan is held up. So the plan may disable a profile, whatever waits.
is_nothing_held_up if {
	count(plan.changes) > 0
	every change in plan.changes {
		change in plan.profile_changes
		is_never_held_up(change)
	}
}

# Labels, the description, turning the gate on, and disabling the profile never wait. Any other field makes the whole edit
# wait, even an unknown one.
never_waits(change) if {
	change.change.actions == ["update"]
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

applies_at_once("requires_approval", after) if after.requires_approval == true

# An edit of the profile waits already. The server replaces an edit for its own author, and refuses everyone else.
corrects_edit(change, reading) if {
	change.change.actions == ["update"]
	is_gated(change.change.before)
	some approval in reading.values.approvals
	approval.kind == "profile_edit"
	approval.profile_id == change.change.before.id
}
