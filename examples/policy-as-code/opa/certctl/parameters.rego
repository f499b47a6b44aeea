# A parameter of the wrong type would make a rule silent: Rego compares a number with a text without a word.
package certctl

import data.certctl.parameters

parameter_faults contains sprintf("%s must be %s", [name, kind]) if {
	some name, kind in {
		"max_pending_hours": "number",
		"max_pending": "number",
		"max_minutes_apart": "number",
		"endpoints": "array",
		"ungated_environments": "array",
		"provider_addresses": "array",
		"allowed_filters": "object",
		"environment_label": "string",
		"accept_unknown_completeness": "boolean",
	}
	type_name(object.get(parameters, name, null)) != kind
}

parameter_faults contains "endpoints must name a server" if count(parameters.endpoints) == 0
