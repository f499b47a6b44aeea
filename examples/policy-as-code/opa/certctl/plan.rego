# The parts of a plan, wrapped or not, with modules of any depth.
package certctl.plan

import data.certctl.parameters
import rego.v1

# HCP Terraform passes the plan to a policy beside data of the run.
document := input.plan if {
	is_object(input.plan)
} else := input

# The name of the root module: its workspace in HCP Terraform. Elsewhere the pipeline passes the name as data. The authors of
# the configuration choose neither.
root_module := input.run.workspace.name if {
	is_object(input.plan)
} else := data.certctl.root_module

# Plans that must hold a reading. A plan without a name counts as named.
must_hold_reading if "*" in parameters.root_modules_with_reading

must_hold_reading if root_module in parameters.root_modules_with_reading

must_hold_reading if not is_named

is_named if is_string(root_module)

# Elsewhere a plan is judged if it has anything of certctl.
is_judged if must_hold_reading

is_judged if count(of_certctl) > 0

is_judged if {
	some provider in document.configuration.provider_config
	endswith(provider.full_name, "/certctl")
}

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

# Managed profiles after the plan: those that the plan changes, imports or leaves as they are. A plan for a part of the
# configuration does not list all of them as changes.
managed_profiles contains {"address": change.address, "values": change.change.after} if {
	some change in resource_changes
	is_managed_profile(change)
	is_object(change.change.after)
}

managed_profiles contains {"address": resource.address, "values": resource.values} if {
	some resource in resources
	is_managed_profile(resource)
	not resource.address in listed
}

listed contains change.address if some change in resource_changes

is_managed_profile(resource) if {
	resource.mode == "managed"
	resource.type == "certctl_certificate_profile"
}

changes contains change if {
	some change in resource_changes
	not change.change.actions in [["no-op"], ["read"]]
}

profile_changes contains change if {
	some change in changes
	is_managed_profile(change)
}

certificate_changes contains change if {
	some change in changes
	is_managed_certificate(change)
}

# Managed certificates in the plan, also those that are imported or untouched.
judged_certificates contains change if {
	some change in resource_changes
	is_managed_certificate(change)
}

is_managed_certificate(resource) if {
	resource.mode == "managed"
	resource.type == "certctl_certificate"
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
