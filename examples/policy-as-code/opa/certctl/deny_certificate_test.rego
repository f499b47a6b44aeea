package certctl_test

import rego.v1

# Profiles before the plan: two gated ones, an ungated one, and one that is gated on one server and ungated on another.
profiles_before := [
	named("gated", "p-gated", true), named("other", "p-other", true), named("open", "p-open", false),
	named("here", "p-both", true), named("there", "p-both", false),
	# Readings that failed in a check block.
	failed("p-failed"), failed(null), failed("p-half"), named("half", "p-half", true),
]

named(name, id, is_gated) := with_values(in_state("certctl_certificate_profile", profile_with({"id": id, "requires_approval": is_gated})), {"address": name})

failed(id) := with_values(named("failed", id, null), {"mode": "data"})

certificate_in_state(address, profile_id, sans) := with_values(in_state("certctl_certificate", {"id": "mc-www", "profile_id": profile_id, "common_name": "", "sans": sans}), {"address": address})

certificate_change(spec) := {
	"address": "certctl_certificate.www", "mode": object.get(spec, "mode", "managed"), "type": object.get(spec, "type", "certctl_certificate"),
	"provider_name": reading.provider_name,
	"change": {
		"actions": object.get(spec, "actions", ["delete", "create"]),
		"before": certificate_of(spec.before),
		"after": without(certificate_of(spec.after), unknown),
		"after_unknown": unknown,
	},
} if {
	unknown := object.get(spec, "unknown", {})
}

# A profile and names, or null.
certificate_of(values) := {"id": "mc-www", "profile_id": values[0], "common_name": "", "sans": values[1]}

certificate_of(null) := null

www := ["www.example.com"]

test_leaves_gate[name] if {
	gone := ["certctl_certificate.www moves from the gated profile p-gated to profile p-open (not gated). Nobody would approve the certificate. Choose a profile"]
	some name, c in {
		"stays": [["p-gated", www], ["p-gated", www], []],
		"stays under one that is not shown": [["p-elsewhere", www], ["p-elsewhere", www], []],
		"from gate to gate": [["p-gated", www], ["p-other", www], []],
		"gets a gate": [["p-open", www], ["p-gated", www], []],
		"never had a gate": [["p-open", www], ["p-elsewhere", www], []],
		"leaves": [["p-gated", www], ["p-open", www], gone],
		"leaves with other names": [["p-gated", www], ["p-open", ["api.example.com"]], gone],
		"leaves for one that is not shown": [["p-gated", www], ["p-elsewhere", www], ["from the gated profile p-gated to profile p-elsewhere (not in the plan)"]],
		"leaves one that is not shown": [["p-elsewhere", www], ["p-open", www], ["from profile p-elsewhere (not in the plan) to profile p-open (not gated)"]],
		"neither is shown": [["p-elsewhere", www], ["p-somewhere", www], ["from profile p-elsewhere (not in the plan) to profile p-somewhere"]],
		"into one that is not shown to a gate": [["p-elsewhere", www], ["p-gated", www], []],
		"gated on one server only": [["p-gated", www], ["p-both", www], ["to profile p-both (not gated)"]],
		"was gated on one server": [["p-both", www], ["p-open", www], ["from the gated profile p-both"]],
		"the reading of the old one failed": [["p-failed", www], ["p-open", www], ["from profile p-failed (not in the plan)"]],
		"the reading of the new one failed": [["p-gated", www], ["p-failed", www], ["to profile p-failed (not in the plan)"]],
		"one reading of the new one failed": [["p-gated", www], ["p-half", www], ["to profile p-half (not in the plan)"]],
		"the profile is null": [["p-gated", www], [null, www], ["to a profile that is not known yet"]],
		"it was null": [[null, www], ["p-open", www], ["to profile p-open (not gated)"]],
	}
	change := certificate_change({"before": c[0], "after": c[1]})
	state := certificate_in_state("certctl_certificate.www", c[0][0], c[0][1])
	plan := plan_of(array.concat([reading, state], profiles_before), [change])
	judged(plan, defaults, c[2], [])
}

test_leaves_gate_however[name] if {
	some name, actions in {"update": ["update"], "create first": ["create", "delete"], "forget": ["forget", "create"]}
	change := certificate_change({"actions": actions, "before": ["p-gated", www], "after": ["p-open", www]})
	judged(plan_of(array.concat([reading], profiles_before), [change]), defaults, ["from the gated profile p-gated"], [])
}

# An unknown value counts as the worst value.
test_leaves_gate_unknown if {
	change := certificate_change({"before": ["p-gated", www], "after": ["p-open", www], "unknown": {"profile_id": true}})
	judged(plan_of(array.concat([reading], profiles_before), [change]), defaults, ["from the gated profile p-gated to a profile that is not known yet"], [])
}

# Destroying a certificate and untouched ones are nothing to deny, and neither is something else.
test_leaves_no_gate[name] if {
	some name, spec in {
		"destroyed": {"actions": ["delete"], "before": ["p-gated", www], "after": null},
		"forgotten": {"actions": ["forget"], "before": ["p-gated", www], "after": null},
		"untouched": {"actions": ["no-op"], "before": ["p-gated", www], "after": ["p-open", www]},
		"data": {"mode": "data", "before": ["p-gated", www], "after": ["p-open", www]},
		"another resource": {"type": "certctl_other", "before": ["p-gated", www], "after": ["p-open", www]},
	}
	judged(plan_of(array.concat([reading], profiles_before), [certificate_change(spec)]), defaults, [], [])
}

# The profile that the certificate moves to is in the plan itself.
test_leaves_gate_for_what_the_plan_makes[name] if {
	gone := ["from the gated profile p-gated to profile p-web"]
	some name, c in {
		"created with a gate": [{"actions": ["create"], "before": null}, [], []],
		"replaced by one with a gate": [{"actions": ["delete", "create"], "before": {"id": "p-old", "requires_approval": false}}, [], []],
		"created without a gate": [{"actions": ["create"], "before": null, "after": ungated}, [], ["to profile p-web (not gated)", "is not gated, and"]],
		"created with a gate that is not known yet": [{"actions": ["create"], "before": null, "unknown": {"requires_approval": true}}, [], array.concat(gone, ["is not gated, and"])],
		"turned on": [{"before": ungated}, [named("certctl_certificate_profile.web", "p-web", false)], gone],
		"replaced in place": [{"actions": ["delete", "create"], "before": ungated}, [named("certctl_certificate_profile.web", "p-web", false)], gone],
		"destroyed": [{"actions": ["delete"], "before": ungated, "after": null}, [named("certctl_certificate_profile.web", "p-web", false)], gone],
	}
	change := certificate_change({"before": ["p-gated", www], "after": ["p-web", www]})
	judged(plan_of(array.concat(array.concat([reading], profiles_before), c[1]), [change, change_of(c[0])]), defaults, c[2], [])
}

# A certificate under a profile that the plan only reads.
test_foreign_profile[name] if {
	theirs := with_values(named("theirs", "p-theirs", false), {"mode": "data"})
	unlisted := ["certctl_certificate.www is under profile p-theirs of another configuration. That profile is not gated"]
	some name, c in {
		"created": [theirs, ["create"], null, ["p-theirs", www], unlisted],
		"imported or untouched": [theirs, ["no-op"], ["p-theirs", www], ["p-theirs", www], unlisted],
		"destroyed": [theirs, ["delete"], ["p-theirs", www], null, []],
		"gated": [with_values(theirs, {"values": with_values(profile, {"id": "p-theirs"})}), ["create"], null, ["p-theirs", www], []],
		"disabled": [with_values(theirs, {"values": with_values(theirs.values, {"enabled": false})}), ["create"], null, ["p-theirs", www], []],
		"on the list": [with_values(theirs, {"values": with_values(theirs.values, {"id": "p-dev"})}), ["create"], null, ["p-dev", www], []],
	}
	judged(plan_of([reading, c[0]], [certificate_change({"actions": c[1], "before": c[2], "after": c[3]})]), defaults, c[4], [])
}

# An imported certificate is judged like a new one.
test_imported[name] if {
	held := certificate_in_state("certctl_certificate.held", "p-gated", www)
	some name, c in {
		"imported": [["no-op"], "p-open", {"id": "mc-www"}, ["certctl_certificate.www asks for www.example.com under profile p-open (not gated)"]],
		"imported and edited": [["update"], "p-open", {"id": "mc-www"}, ["certctl_certificate.www asks for www.example.com"]],
		"imported under a gate": [["no-op"], "p-other", {"id": "mc-www"}, []],
		"not imported": [["no-op"], "p-open", null, []],
	}
	change := certificate_change({"actions": c[0], "before": [c[1], www], "after": [c[1], www]})
	imported := json.patch(change, [{"op": "add", "path": "/change/importing", "value": c[2]}])
	judged(plan_of(array.concat([reading, held], profiles_before), [imported]), defaults, c[3], [])
}

# Another block takes the name over.
test_takes_name[name] if {
	taken := ["certctl_certificate.www asks for www.example.com under profile p-open (not gated). certctl_certificate.held holds www.example.com under the gated profile p-gated"]
	some name, c in {
		"created": [["create"], null, ["p-open", www], "p-gated", taken],
		"created with one more": [["create"], null, ["p-open", ["a.example.com", "www.example.com"]], "p-gated", taken],
		"created, also under a profile that is not shown": [["create"], null, ["p-elsewhere", www], "p-gated", ["under profile p-elsewhere (not in the plan)"]],
		"created, with other names": [["create"], null, ["p-open", ["a.example.com"]], "p-gated", []],
		"created under the same gate": [["create"], null, ["p-gated", www], "p-gated", []],
		"created under another gate": [["create"], null, ["p-other", www], "p-gated", []],
		"held without a gate": [["create"], null, ["p-elsewhere", www], "p-open", []],
		"held under one that is not shown": [["create"], null, ["p-open", www], "p-elsewhere", ["holds www.example.com under profile p-elsewhere (not in the plan)"]],
		"created with a wildcard": [["create"], null, ["p-open", ["*.example.com"]], "p-gated", ["certctl_certificate.www asks for *.example.com under profile p-open (not gated). certctl_certificate.held holds www.example.com"]],
		"created with a wildcard of one label less": [["create"], null, ["p-open", ["*.com"]], "p-gated", []],
		"created with a wildcard of one label more": [["create"], null, ["p-open", ["*.www.example.com"]], "p-gated", []],
		"added": [["update"], ["p-open", ["a.example.com"]], ["p-open", www], "p-gated", taken],
		"had it already": [["update"], ["p-open", www], ["p-open", www], "p-gated", []],
		"destroyed": [["delete"], ["p-open", www], null, "p-gated", []],
	}
	change := certificate_change({"actions": c[0], "before": c[1], "after": c[2]})
	held := certificate_in_state("certctl_certificate.held", c[3], www)
	judged(plan_of(array.concat([reading, held], profiles_before), [change]), defaults, c[4], [])
}

test_takes_name_of_wildcard[name] if {
	held := certificate_in_state("certctl_certificate.held", "p-gated", ["*.example.com"])
	some name, c in {
		"a name": ["www.example.com", ["asks for www.example.com under profile p-open (not gated). certctl_certificate.held holds *.example.com"]],
		"the wildcard": ["*.example.com", ["asks for *.example.com"]],
		"the domain": ["example.com", []],
		"two labels": ["a.b.example.com", []],
		"a single label": ["localhost", []],
		"a mail address": ["a@b.example.com", []],
		"a URI": ["spiffe://b.example.com", []],
		"an address": ["192.0.2.1", []],
	}
	change := certificate_change({"actions": ["create"], "before": null, "after": ["p-open", [c[0]]]})
	judged(plan_of(array.concat([reading, held], profiles_before), [change]), defaults, c[1], [])
}

test_takes_common_name if {
	held := with_values(certificate_in_state("certctl_certificate.held", "p-gated", []), {"values": {"profile_id": "p-gated", "common_name": "www.example.com"}})
	change := certificate_change({"actions": ["create"], "before": null, "after": ["p-open", www]})
	judged(plan_of(array.concat([reading, held], profiles_before), [change]), defaults, ["asks for www.example.com"], [])
}

test_takes_unknown_name[name] if {
	held := certificate_in_state("certctl_certificate.held", "p-gated", www)
	some name, c in {
		"names": ["p-open", {"sans": true}, ["has names that are not known yet, under profile p-open"]],
		"common name": ["p-open", {"common_name": true}, ["They may be names of certctl_certificate.held, which is under the gated profile p-gated"]],
		"one name": ["p-open", {"sans": [true]}, ["has names that are not known yet"]],
		"under a gate": ["p-other", {"sans": true}, []],
		"something else": ["p-open", {"serial_number": true}, []],
	}
	change := certificate_change({"actions": ["create"], "before": null, "after": [c[0], []], "unknown": c[1]})
	judged(plan_of(array.concat([reading, held], profiles_before), [change]), defaults, c[2], [])
	judged(plan_of(array.concat([reading], profiles_before), [change]), defaults, [], [])
}
