package certctl_test

import data.certctl
import rego.v1

test_reading[name] if {
	some name, c in {
		"nothing waits": [{}, []],
		"as many as may": [{"total_count": 20, "oldest_age_seconds": 1}, []],
		"too many": [{"total_count": 21, "ids": ["ar-1", "ar-2"]}, ["21 approvals await a second person on https://certctl.example.com, and 20 are allowed. Oldest first: ar-1, ar-2."]],
		"as long as may be": [{"oldest_age_seconds": 86400}, []],
		"too long": [{"oldest_age_seconds": 86401}, ["has waited 24 hours, and 24 are allowed"]],
		"truncated": [{"truncated": true, "total_count": 2, "approvals": [{}]}, ["lists 1 of 2 approvals"]],
		"bypass": [{"approval_bypass": true}, ["https://certctl.example.com approves every request by itself"]],
		"kind": [{"kind": "issuance"}, [`part of the pending approvals: kind = "issuance"`]],
		"profile": [{"profile_id": "p-web"}, [`part of the pending approvals: profile_id = "p-web"`]],
		"certificate": [{"certificate_id": "mc-www"}, [`part of the pending approvals: certificate_id = "mc-www"`]],
		"who asked": [{"requested_by": "olga"}, [`part of the pending approvals: requested_by = "olga"`]],
		"empty filter": [{"kind": ""}, [`part of the pending approvals: kind = ""`]],
		"two filters": [{"kind": "issuance", "requested_by": "olga"}, [`kind = "issuance", requested_by = "olga"`]],
		"ten minutes before": [{"evaluated_at": "2026-01-01T11:50:00Z"}, []],
		"ten minutes after": [{"evaluated_at": "2026-01-01T12:10:00Z"}, []],
		"more than ten before": [{"evaluated_at": "2026-01-01T11:49:59Z"}, ["was read 10 minutes before or after the plan was made; at most 10"]],
		"more than ten after": [{"evaluated_at": "2026-01-01T12:10:00.001Z"}, ["was read 10 minutes before or after"]],
		"another time zone": [{"evaluated_at": "2026-01-01T14:00:00+02:00"}, []],
		"another server": [{"endpoint": "https://other.example.com"}, ["No reading of the pending approvals of https://certctl.example.com", "was read from https://other.example.com"]],
	}
	judged(plan_of([reading_with(c[0])], []), defaults, c[1], [])
}

test_allowed_filter[name] if {
	some name, c in {
		"allowed": [{"kind": "issuance"}, []],
		"another value": [{"kind": "profile_edit"}, ["only a part of"]],
		"another filter": [{"requested_by": "issuance"}, ["only a part of"]],
		"one of two": [{"kind": "issuance", "profile_id": "p-web"}, [`part of the pending approvals: profile_id = "p-web"`]],
	}
	parameters := with_values(defaults, {"allowed_filters": {"kind": ["issuance"]}})
	judged(plan_of([reading_with(c[0])], []), parameters, c[1], [])
}

# A failed reading holds nulls, and one of another provider version may lack something or hold it as text.
test_unsound[name] if {
	some field in [
		"total_count", "oldest_age_seconds", "truncated", "approval_bypass", "endpoint", "count_by_profile", "evaluated_at",
		"approvals", "ids",
	]
	some fault, values in {
		"missing": object.remove(reading.values, [field]),
		"null": with_values(reading.values, {field: null}),
		"of another type": with_values(reading.values, {field: object.get({"approvals": {}, "ids": [null]}, field, ["2026-01-01T12:00:00Z"])}),
	}
	name := concat(" ", [field, fault])
	judged(plan_of([with_values(reading, {"values": values})], []), defaults, ["No reading", "data.certctl_pending_approvals.all holds no reading"], [])
}

# Only what has waited too long is named, with what it is about and how to decide it.
test_overdue if {
	approvals := [
		{"id": "ar-1", "kind": "issuance", "age_seconds": 90000, "certificate_id": "mc-www", "profile_name": "Web", "requested_by": "olga"},
		{"id": "ar-2", "kind": "profile_edit", "age_seconds": 86401, "certificate_id": null, "profile_name": "Web", "requested_by": "pete"},
		{"id": "ar-3", "kind": "issuance", "age_seconds": 86400, "certificate_id": "mc-api", "profile_name": "Web", "requested_by": "olga"},
	]
	plan := plan_of([reading_with({"total_count": 3, "oldest_age_seconds": 90000, "approvals": approvals})], [])
	command := "curl -X POST https://certctl.example.com/api/v1/approvals/%s/approve (or .../reject) -H \"Authorization: Bearer $APPROVER_API_KEY\""
	message := sprintf("The oldest approval on https://certctl.example.com has waited 25 hours, and 24 are allowed: %s.", [concat("; ", [
		sprintf("ar-1 (certificate mc-www, profile Web, asked by olga): %s", [sprintf(command, ["ar-1"])]),
		sprintf("ar-2 (edit of the profile, profile Web, asked by pete): %s", [sprintf(command, ["ar-2"])]),
	])])
	judged(plan, defaults, [message], [])
}

test_readings[name] if {
	other := with_values(reading_with({"endpoint": "https://other.example.com"}), {"address": "data.certctl_pending_approvals.other"})
	again := with_values(reading_with({"approval_bypass": true, "truncated": true}), {"address": "data.certctl_pending_approvals.again"})
	some name, c in {
		"none": [[], ["of https://certctl.example.com", "of https://other.example.com"]],
		"one of two": [[reading], ["No reading of the pending approvals of https://other.example.com"]],
		"both": [[reading, other], []],
		"a good one hides no bad one": [[reading, other, again], ["again lists", "approves every request"]],
		"a resource": [[with_values(reading, {"mode": "managed"}), other], ["of https://certctl.example.com"]],
		"other data": [[with_values(reading, {"type": "certctl_approval"}), other], ["of https://certctl.example.com"]],
	}
	parameters := with_values(defaults, {"endpoints": ["https://certctl.example.com", "https://other.example.com"]})
	judged(plan_of(c[0], []), parameters, c[1], [])
}

# Data that is read while applying is no reading, even beside one that is.
test_deferred[name] if {
	some name, c in {
		"reading": ["data", "certctl_pending_approvals", ["read"], ["data.certctl_pending_approvals.all was not read while planning"]],
		"removed": ["data", "certctl_pending_approvals", ["no-op"], []],
		"other data": ["data", "certctl_certificate_profile", ["read"], []],
		"a resource": ["managed", "certctl_pending_approvals", ["read"], []],
	}
	change := with_values(reading, {"mode": c[0], "type": c[1], "change": {"actions": c[2], "before": null, "after": {}}})
	judged(plan_of([reading], [change]), defaults, c[3], [])
}

test_provider[name] if {
	fork := {"provider_name": "registry.example.com/fork/certctl"}
	state := in_state("certctl_certificate", {})
	change := with_values(change_of({"actions": ["no-op"]}), {"address": "certctl_certificate_profile.fork"})
	some name, c in {
		"known": [[reading, state], [change], []],
		"of the reading": [[with_values(reading, fork)], [change], ["data.certctl_pending_approvals.all comes from the provider registry.example.com/fork/certctl"]],
		"of a resource": [[reading, with_values(state, fork)], [change], ["certctl_certificate.web comes from"]],
		"of a change": [[reading, state], [with_values(change, fork)], ["certctl_certificate_profile.fork comes from"]],
		"of something else": [[reading, with_values(in_state("aws_instance", {}), fork)], [], []],
	}
	judged(plan_of(c[0], c[1]), defaults, c[2], [])
}

# An edit while somebody decides under the profile.
test_waiting[name] if {
	some name, c in {
		"one waits": [{"p-web": 1}, {"after": {"max_sans": 9}}, ["changes profile p-web while 1 approvals under it"], ["this edit"]],
		"none waits": [{"p-web": 0}, {"after": {"max_sans": 9}}, [], ["this edit"]],
		"under another": [{"p-api": 1}, {"after": {"max_sans": 9}}, [], ["this edit"]],
		"nothing changes": [{"p-web": 1}, {"actions": ["no-op"]}, [], []],
		"disabled": [{"p-web": 1}, {"after": {"enabled": false}}, [], []],
		"disabled and more": [{"p-web": 1}, {"after": {"enabled": false, "max_sans": 9}}, ["while 1 approvals"], ["this edit"]],
		"described": [{"p-web": 1}, {"after": {"description": "x", "labels": {}}}, [], []],
		"gate turned on": [{"p-web": 1}, {"before": {"requires_approval": false}}, [], []],
		"gate turned on and more": [{"p-web": 1}, {"before": {"requires_approval": false}, "after": {"max_sans": 9}}, ["while 1 approvals"], []],
		"destroyed": [{"p-web": 2}, {"actions": ["delete"], "before": {"requires_approval": false}, "after": null}, ["while 2 approvals"], []],
		"replaced": [{"p-web": 2, "p-new": 3}, {"actions": ["create", "delete"], "before": {"requires_approval": false}, "after": {"id": "p-new"}}, ["while 2 approvals"], []],
		"created": [{"p-web": 1}, {"actions": ["create"], "before": null}, [], []],
	}
	judged(plan_of([reading_with({"count_by_profile": c[0]})], [change_of(c[1])]), defaults, c[2], c[3])
}

test_document[name] if {
	good := plan_of([reading], [])
	partly := ["may cover a part of the configuration only"]
	some name, c in {
		"good": [good, false, []],
		"no changes": [object.remove(good, ["resource_changes"]), false, []],
		"errored": [with_values(good, {"errored": true}), false, ["failed half way"]],
		"errored is not said": [object.remove(good, ["errored"]), false, []],
		"partly": [with_values(good, {"complete": false}), false, partly],
		"completeness is not said": [object.remove(good, ["complete"]), false, partly],
		"completeness is not said, accepted": [object.remove(good, ["complete"]), true, []],
		"partly, accepted": [with_values(good, {"complete": false}), true, partly],
		"null, accepted": [with_values(good, {"complete": null}), true, partly],
		"no time": [object.remove(good, ["timestamp"]), false, ["The input is no plan", "No reading", "holds no reading"]],
		"no time that can be read": [with_values(good, {"timestamp": "today"}), false, ["The input is no plan", "No reading", "holds no reading"]],
		"empty": [{}, true, ["The input is no plan", "No reading"]],
		"a state": [{"values": good.prior_state.values}, true, ["The input is no plan", "No reading"]],
		"a plan that is none": [{"plan": "plan"}, true, ["The input is no plan", "No reading"]],
	}
	judged(c[0], with_values(defaults, {"accept_unknown_completeness": c[1]}), c[2], [])
}

# Modules lead to a resource however deep they are, and nothing within the values of one does.
test_modules[name] if {
	deep := {"child_modules": [{"resources": []}, {"child_modules": [{"resources": [reading]}]}]}
	forged := in_state("terraform_data", {"input": {"resources": [reading], "child_modules": [{"resources": [reading]}]}})
	some name, c in {
		"nested": [deep, []],
		"in values": [{"resources": [forged]}, ["No reading"]],
		"in sensitive values": [{"resources": [object.union(in_state("terraform_data", {}), {"sensitive_values": {"resources": [reading]}})]}, ["No reading"]],
		"in values of a module's resource": [{"child_modules": [{"resources": [forged]}]}, ["No reading"]],
		"in the resource itself": [{"resources": reading}, ["No reading"]],
		"no resources": [{}, ["No reading"]],
	}
	judged(with_values(plan_of([], []), {"prior_state": {"values": {"root_module": c[0]}}}), defaults, c[1], [])
}

# An edit of the profile waits: its author may correct it, and the server refuses everyone else.
test_corrects_edit[name] if {
	edit := {"id": "ar-1", "kind": "profile_edit", "profile_id": "p-web", "age_seconds": 60}
	some name, c in {
		"an edit waits": [[edit], {"after": {"max_sans": 9}}, [], ["this edit"]],
		"an edit and a certificate wait": [[edit, object.union(edit, {"kind": "issuance"})], {"after": {"max_sans": 9}}, [], ["this edit"]],
		"a certificate waits": [[object.union(edit, {"kind": "issuance"})], {"after": {"max_sans": 9}}, ["while 1 approvals"], ["this edit"]],
		"an edit of another profile waits": [[object.union(edit, {"profile_id": "p-api"})], {"after": {"max_sans": 9}}, ["while 1 approvals"], ["this edit"]],
		"an edit that is not listed waits": [[], {"after": {"max_sans": 9}}, ["while 1 approvals"], ["this edit"]],
		"destroyed while an edit waits": [[edit], {"actions": ["delete"], "before": {"id": "p-web", "requires_approval": false}, "after": null}, ["while 1 approvals"], []],
		"not gated": [[edit], {"before": {"requires_approval": false}, "after": {"max_sans": 9}}, ["while 1 approvals"], []],
		"widened while an edit waits": [[edit], {"after": {"max_sans": 11}}, ["widens max_sans"], ["this edit"]],
	}
	judged(plan_of([reading_with({"count_by_profile": {"p-web": 1}, "approvals": c[0]})], [change_of(c[1])]), defaults, c[2], c[3])
}

# Nothing that waits holds up an emergency: the plan is allowed, and warns.
test_emergency[name] if {
	edit := {"id": "ar-1", "kind": "profile_edit", "profile_id": "p-web", "age_seconds": 60}
	late := reading_with({"total_count": 21, "oldest_age_seconds": 90000, "truncated": true, "count_by_profile": {"p-web": 21}, "approvals": [edit]})
	delays := ["21 approvals await", "has waited 25 hours", "lists 1 of 21"]
	untouched := change_of({"actions": ["no-op"]})
	release := with_values(untouched, {"address": "terraform_data.release", "type": "terraform_data", "change": {"actions": ["update"], "before": {}, "after": {}}})
	some name, c in {
		"disabled": [[change_of({"after": {"enabled": false}})], [], delays],
		"disabled, beside an untouched one": [[change_of({"after": {"enabled": false}}), with_values(untouched, {"address": "other"})], [], delays],
		"corrected": [[change_of({"after": {"max_sans": 9}})], [], array.concat(delays, ["this edit"])],
		"disabled, and a release": [[change_of({"after": {"enabled": false}}), release], delays, []],
		"a release": [[release], delays, []],
		"nothing": [[untouched], delays, []],
		"created": [[change_of({"actions": ["create"], "before": null, "after": {"id": "p-new"}})], delays, []],
		"disabled and created": [[change_of({"after": {"enabled": false}}), with_values(change_of({"actions": ["create"], "before": null}), {"address": "other"})], delays, []],
	}
	judged(plan_of([late], c[0]), defaults, c[1], c[2])
}

# More approvals wait than a reading can list.
test_more_than_listed[name] if {
	some name, c in {
		"as many as can be": [500, 1000, []],
		"fewer than can be": [499, 1000, ["lists 499 of 600 approvals. Set limit = 500."]],
		"as many as may wait": [100, 100, ["600 approvals await"]],
		"fewer than may wait": [99, 100, ["600 approvals await", "lists 99 of 600 approvals. Set limit = 100."]],
	}
	listed := [{"id": "ar"} | some _ in numbers.range(1, c[0])]
	judged(plan_of([reading_with({"truncated": true, "total_count": 600, "approvals": listed})], []), with_values(defaults, {"max_pending": c[1]}), c[2], [])
}

# Root modules that need no reading, unless they have something of certctl.
test_root_modules[name] if {
	empty := plan_of([], [])
	missing := ["No reading"]
	with_provider := with_values(empty, {"configuration": {"provider_config": {"certctl": {"full_name": "registry.terraform.io/certctl/certctl"}}}})
	other_provider := with_values(empty, {"configuration": {"provider_config": {"aws": {"full_name": "registry.terraform.io/hashicorp/aws"}}}})
	some name, c in {
		"all must": [["*"], "network", empty, missing],
		"named": [["payments", "edge"], "edge", empty, missing],
		"not named": [["payments"], "network", empty, []],
		"not named, incomplete and failed": [["payments"], "network", with_values(empty, {"complete": false, "errored": true}), []],
		"named, incomplete and failed": [["network"], "network", with_values(empty, {"complete": false, "errored": true}), ["No reading", "may cover a part", "failed half way"]],
		"no name": [["payments"], null, empty, missing],
		"none must": [[], "network", empty, []],
		"none must, no name": [[], null, empty, missing],
		"not named, with a profile": [["payments"], "network", plan_of([], [change_of({"after": {"max_sans": 9}})]), missing],
		"not named, with a profile in the state": [["payments"], "network", plan_of([in_state("certctl_certificate_profile", profile)], []), missing],
		"not named, with the provider": [["payments"], "network", with_provider, missing],
		"not named, with another provider": [["payments"], "network", other_provider, []],
		"not named, with a reading": [["payments"], "network", plan_of([reading], []), []],
		"not named, no plan": [["payments"], "network", {}, ["The input is no plan"]],
	}
	parameters := with_values(defaults, {"root_modules_with_reading": c[0]})
	denied_as(c[2], parameters, c[1], c[3])
	wrapped := {"plan": c[2], "run": {"workspace": {"name": c[1]}}}
	denied_as(wrapped, parameters, null, c[3])
}

denied_as(document, parameters, root_module, words) if {
	deny := certctl.deny with input as document with data.certctl.parameters as parameters with data.certctl.root_module as root_module
	says(deny, words)
}
