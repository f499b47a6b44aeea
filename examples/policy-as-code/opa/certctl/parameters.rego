# If a parameter is missing or has the wrong type, a rule has no result: Rego skips undefined values, and compares a number
# with a text without an error. So every such fault denies, and the rules of this file need no parameter.
package certctl

import data.certctl.parameters
import rego.v1

deny contains sprintf("The policies have no parameters: %s are missing below data.certctl.parameters. Without them every plan is denied. Set them in data.json as {\"certctl\": {\"parameters\": {...}}}, at the root of the bundle, or load that file with --data.", [concat(", ", sort(object.keys(kinds)))]) if {
	supplied == {}
}

deny contains sprintf("The parameters of this policy are wrong: %s. Until they are right every plan is denied.", [fault]) if {
	supplied != {}
	some fault in parameter_faults
}

default supplied := {}

supplied := parameters if is_object(parameters)

kinds := {
	"endpoints": "array",
	"root_modules_with_reading": "array",
	"max_pending_hours": "number",
	"ungated_profiles": "array",
	"removable_profiles": "array",
	"max_pending": "number",
	"max_minutes_apart": "number",
	"allowed_filters": "object",
	"provider_addresses": "array",
	"accept_unknown_completeness": "boolean",
}

parameter_faults contains sprintf("%s is missing and must be %s", [name, kind]) if {
	some name, kind in kinds
	not name in object.keys(supplied)
}

parameter_faults contains sprintf("%s must be %s", [name, kind]) if {
	some name, kind in kinds
	type_name(supplied[name]) != kind
}

parameter_faults contains "endpoints must name a server" if count(supplied.endpoints) == 0
