# Certificates that would leave the gate: a second person approved their names, and the server would sign the names without one.
package certctl

import data.certctl.parameters
import data.certctl.plan
import rego.v1

deny contains sprintf("%s moves from %s to %s. Nobody would approve the certificate. %s", [change.address, described_before(before), described_after(after), how_to_stay]) if {
	some change in plan.certificate_changes
	is_object(change.change.before)
	is_object(change.change.after)
	before := profile_of(change.change.before)
	after := profile_of(change.change.after)
	leaves_gate(before, after)
}

deny contains sprintf("%s asks for %s under %s. %s holds %s under %s, and nobody would approve the certificate. %s", [change.address, name, described_after(after), holder.address, held, described_before(before), how_to_stay]) if {
	some change in plan.judged_certificates
	is_object(change.change.after)
	some holder in plan.certificates
	holder.address != change.address
	before := profile_of(holder.values)
	after := profile_of(change.change.after)
	leaves_gate(before, after)
	some name in new_names(change.change)
	some held in names(holder.values)
	overlap(name, held)
}

deny contains sprintf("%s has names that are not known yet, under %s. They may be names of %s, which is under %s. Nobody would approve the certificate. %s", [change.address, described_after(after), holder.address, described_before(before), how_to_stay]) if {
	some change in plan.certificate_changes
	some field in ["sans", "common_name"]
	plan.is_unknown(change, field)
	some holder in plan.certificates
	holder.address != change.address
	before := profile_of(holder.values)
	after := profile_of(change.change.after)
	leaves_gate(before, after)
}

deny contains sprintf("%s is under profile %s of another configuration. That profile is not gated, and its id is not among ungated_profiles.", [change.address, id]) if {
	some change in plan.judged_certificates
	is_object(change.change.after)
	id := profile_of(change.change.after)
	id in foreign_ungated_profiles
	not id in parameters.ungated_profiles
}

how_to_stay := "Choose a profile that is gated before this plan. If the plan does not show a profile, read it with data \"certctl_certificate_profile\"."

# A profile that the plan does not show counts as the worst case: the old profile as gated, the new profile as ungated.
leaves_gate(before, after) if {
	before != after
	not before in profiles_without_gate
	not after in safe_profiles
}

# null for a profile that is not known yet.
profile_of(certificate) := object.get(certificate, "profile_id", null)

names(certificate) := {name | some name in object.get(certificate, "sans", [])} | {name |
	name := certificate.common_name
	name != ""
}

new_names(change) := names(change.after) if change.before == null

# An imported certificate is new to the configuration, with all its names.
new_names(change) := names(change.after) if is_imported(change)

new_names(change) := names(change.after) - names(change.before) if {
	is_object(change.before)
	not is_imported(change)
}

is_imported(change) if is_object(object.get(change, "importing", null))

overlap(name, name)

overlap(wildcard, name) if covers(wildcard, name)

overlap(name, wildcard) if covers(wildcard, name)

# A wildcard of a DNS name covers one label.
covers(wildcard, name) if {
	startswith(wildcard, "*.")
	not regex.match(`[@/]`, name)
	substring(wildcard, 1, -1) == substring(name, indexof(name, "."), -1)
}

described_before(id) := sprintf("the gated profile %s", [id]) if id in gated_profiles

described_before(id) := sprintf("profile %s (not in the plan)", [id]) if not id in gated_profiles

described_after(null) := "a profile that is not known yet"

described_after(id) := sprintf("profile %s (not gated)", [id]) if is_shown_ungated(id)

described_after(id) := sprintf("profile %s (not in the plan)", [id]) if {
	id != null
	not is_shown_ungated(id)
}

# The gate of each profile before the plan. Two servers may use one id, and a failed reading has null.
gates[profile.values.id] contains object.get(profile.values, "requires_approval", null) if some profile in plan.profiles

# Profiles that the plan only reads. Managed profiles are judged themselves.
foreign_ungated_profiles contains profile.values.id if {
	some profile in plan.profiles
	profile.mode == "data"
	profile.values.requires_approval == false
	not is_disabled(profile.values)
}

is_shown_ungated(id) if {
	id != null
	false in gates[id]
}

is_shown_ungated(id) if {
	some change in plan.profile_changes
	change.change.after.id == id
	not is_gated(change.change.after)
}

gated_profiles contains id if {
	some id, shown in gates
	true in shown
}

profiles_without_gate contains id if {
	some id, shown in gates
	shown == {false}
}

known_profiles := gated_profiles | profiles_without_gate

# A profile that this plan creates with a gate is safe. If this plan turns the gate on, the profile is not safe: the apply
# may change the certificate first.
safe_profiles contains id if {
	some id, shown in gates
	shown == {true}
}

safe_profiles contains id if {
	some change in plan.profile_changes
	"create" in change.change.actions
	is_gated(change.change.after)
	id := change.change.after.id
	not gates[id]
}
