# Without a parameter, or with one of the wrong type, rules fall silent: Rego skips what is undefined, and compares a number
# with a text without a word. So every such fault denies, and the rules of this file need no parameter.
package certctl

import data.certctl.parameters

deny contains sprintf("The policies have no parameters: %s are missing below data.certctl.parameters. Nothing can be judged without them. Set them in data.json as {\"certctl\": {\"parameters\": {...}}}, at the root of the bundle, or load that file with --data.", [concat(", ", sort(object.keys(kinds)))]) if {
	supplied == {}
}

deny contains sprintf("The parameters of this policy are wrong: %s. Nothing can be judged until they are right.", [fault]) if {
	supplied != {}
	some fault in parameter_faults
}

default supplied := {}

supplied := parameters if is_object(parameters)

kinds := {
	"endpoints": "array",
	"max_pending_hours": "number",
	"ungated_profiles": "array",
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
