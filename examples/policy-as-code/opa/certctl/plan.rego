# The parts of a plan, wrapped or not, with modules of any depth.
package certctl.plan

import data.certctl.parameters

# HCP Terraform passes the plan to a policy beside data of the run.
document := input.plan if {
	is_object(input.plan)
} else := input

timestamp := time.parse_rfc3339_ns(document.timestamp)

# A plan without changes may omit them.
resource_changes := object.get(document, "resource_changes", [])

# The plan covers the whole configuration. OpenTofu does not say.
is_complete if document.complete == true

is_complete if {
	parameters.accept_unknown_completeness == true
	not "complete" in object.keys(document)
}

# Resources of the state before the plan, with the data sources that the plan read. Rego has no recursion, so this walks all
# values; only a path through modules leads to a resource. The values of a resource may contain anything, even an object
# like another resource.
resources contains resource if {
	walk(document.prior_state.values.root_module, [path, resource])
	leads_to_resource(path)
}

leads_to_resource(path) if {
	path[count(path) - 2] == "resources"
	names := {name | some name in path; is_string(name)}
	names - {"child_modules", "resources"} == set()
}

# Profiles and certificates before the plan, with profiles that were read as data.
profiles contains resource if {
	some resource in resources
	resource.type == "certctl_certificate_profile"
}

certificates contains resource if {
	some resource in resources
	resource.type == "certctl_certificate"
}

changes contains change if {
	some change in resource_changes
	not change.change.actions in [["no-op"], ["read"]]
}

profile_changes contains change if {
	some change in changes
	change.mode == "managed"
	change.type == "certctl_certificate_profile"
}

certificate_changes contains change if {
	some change in changes
	change.mode == "managed"
	change.type == "certctl_certificate"
}

# All resources of certctl in the plan, with the address of their provider.
of_certctl contains resource if {
	some resource in (resources | {change | some change in resource_changes})
	startswith(resource.type, "certctl_")
}

# is_unknown says that a value, or a part of it, is known only after the apply.
is_unknown(change, name) if {
	walk(change.change.after_unknown[name], [_, value])
	value == true
}
