# Denials for changes of certificate profiles.
package certctl

import data.certctl.parameters
import data.certctl.patterns
import data.certctl.plan
import rego.v1

deny contains sprintf("%s turns requires_approval off, or may (it is not known yet). Certificates of %s would need no second person.", [change.address, change.change.before.id]) if {
	some change in plan.profile_changes
	turns_gate_off(change)
}

# Every profile of the plan is judged, whatever the plan does with the profile: also one that is imported or untouched.
deny contains sprintf("%s is not gated, and its id is not among ungated_profiles. Set requires_approval = true.", [profile.address]) if {
	some profile in plan.managed_profiles
	not is_gated(profile.values)
	not may_be_ungated(profile.values)
	not is_disabled(profile.values)
	not profile.address in gates_turned_off
}

deny contains sprintf("%s destroys the gated profile %s. If that is intended, the owners of the policy add the id to removable_profiles.", [change.address, change.change.before.id]) if {
	some change in plan.profile_changes
	"delete" in change.change.actions
	is_gated(change.change.before)
	not change.change.before.id in parameters.removable_profiles
}

deny contains sprintf("%s leaves the state, and the gated profile %s stays on the server (forget). Later plans do not show the profile. If that is intended, the owners of the policy add the id to removable_profiles.", [change.address, change.change.before.id]) if {
	some change in plan.profile_changes
	"forget" in change.change.actions
	is_gated(change.change.before)
	not change.change.before.id in parameters.removable_profiles
}

deny contains sprintf("%s widens %s: the server would sign more than before, or something else. Ask the owners of the rule, or do not change it.", [change.address, concat(", ", fields)]) if {
	some change in plan.profile_changes
	is_object(change.change.before)
	is_object(change.change.after)
	not may_be_ungated(change.change.before)
	fields := widened(change)
	count(fields) > 0
}

gates_turned_off contains change.address if {
	some change in plan.profile_changes
	turns_gate_off(change)
}

turns_gate_off(change) if {
	is_gated(change.change.before)
	not removes(change)
	not is_gated(change.change.after)
}

removes(change) if {
	some action in ["delete", "forget"]
	action in change.change.actions
}

# An unknown value is no member of the profile: the profile counts as not gated.
is_gated(profile) if profile.requires_approval == true

# A disabled profile signs nothing. Enabling the profile again is judged.
is_disabled(profile) if profile.enabled == false

# Only the owners of the policy make exceptions, by id. The authors of a configuration write names, labels and descriptions,
# so these permit nothing. An unknown id is no member of the profile: it is no exception.
may_be_ungated(profile) if profile.id in parameters.ungated_profiles

# The fields that permit more than before, or something else. An unknown value counts as wider. A field that the state of an
# older provider lacks counts as its default.
widened(change) := union({
	{field | some field in allow_lists; some element in change.change.after[field]; not patterns.is_permitted(field, change.change.before[field], element)},
	{field | some field in limits; change.change.after[field] > change.change.before[field]},
	{field | some field in switches; change.change.after[field] == true; not change.change.before[field] == true},
	{"allowed_key_algorithms" | some key in change.change.after.allowed_key_algorithms; not was_allowed(change.change.before, key)},
	{"issuer_id" | change.change.after.issuer_id != change.change.before.issuer_id},
	{"subject_attributes" | subject_of(change.change.after) != subject_of(change.change.before)},
	{"key_usages" | key_usages(change.change.after) != key_usages(change.change.before)},
	{"csr_extras" | change.change.before.csr_extras == "refuse"; change.change.after.csr_extras != "refuse"},
	{field | some field in rules; plan.is_unknown(change, field)},
})

allow_lists := {"allowed_dns_names", "allowed_ip_ranges", "allowed_uris", "allowed_email_domains", "allowed_ekus", "allowed_common_names"}

limits := {"max_sans", "max_ttl_seconds"}

switches := {"allow_wildcard_names", "allow_underscores", "enabled"}

rules := ((allow_lists | limits) | switches) | {"allowed_key_algorithms", "issuer_id", "subject_attributes", "key_usages", "csr_extras"}

# The attributes of the subject with their values. null, no list and an empty list are the same.
subject_of(profile) := {[attribute, value] | some attribute, values in profile.subject_attributes; some value in values}

# No key usages are those that follow from the key.
key_usages(profile) := {usage | some usage in profile.key_usages}

# A key was allowed if its algorithm was allowed with this size or a smaller one. Ed25519 has one size.
was_allowed(profile, key) if {
	some allowed in profile.allowed_key_algorithms
	allowed.algorithm == key.algorithm
	object.get(allowed, "min_size", null) == null
}

was_allowed(profile, key) if {
	some allowed in profile.allowed_key_algorithms
	allowed.algorithm == key.algorithm
	allowed.min_size <= key.min_size
}
