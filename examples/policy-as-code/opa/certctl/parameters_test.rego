package certctl_test

import data.certctl
import rego.v1

test_parameters[name] if {
	some parameter, value in defaults
	kind := type_name(value)
	others := {"number": "1", "array": "a", "object": "{}", "boolean": "true", "string": 1}
	some fault, c in {
		"missing": [object.remove(defaults, [parameter]), sprintf("%s is missing and must be %s", [parameter, kind])],
		"null": [with_values(defaults, {parameter: null}), sprintf("%s must be %s", [parameter, kind])],
		"of another type": [with_values(defaults, {parameter: others[kind]}), sprintf("%s must be %s", [parameter, kind])],
	}
	name := concat(" ", [parameter, fault])
	certctl.parameter_faults == {c[1]} with data.certctl.parameters as c[0]
}

# With parameters that are wrong nothing else can be trusted, so it is denied in any case.
test_parameters_deny[name] if {
	some name, c in {
		"text": [{"max_pending_hours": "24"}, ["wrong: max_pending_hours must be number"]],
		"two": [{"max_minutes_apart": "10", "allowed_filters": []}, ["allowed_filters must be object", "max_minutes_apart must be number"]],
		"no server": [{"endpoints": []}, ["endpoints must name a server", "not on the list of servers"]],
	}
	judged(plan_of([reading], []), with_values(defaults, c[0]), c[1], [])
}

# Parameters that are somewhere else, or nowhere. The test of the folder tries the same with files.
test_no_parameters[name] if {
	some name, parameters in {"empty": {}, "null": null, "a list": [defaults], "text": "24"}
	judged(plan_of([reading], []), parameters, ["accept_unknown_completeness, allowed_filters, endpoints, max_minutes_apart, max_pending, max_pending_hours, provider_addresses, removable_profiles, root_modules_with_reading, ungated_profiles are missing below data.certctl.parameters"], [])
}
