package certctl_test

import rego.v1

# Disabling a profile never waits, and neither do labels and a description; other edits of a gated one do.
test_edit[name] if {
	some name, c in {
		"disabled": [{}, {"enabled": false}, []],
		"disabled and more": [{}, {"enabled": false, "max_sans": 9}, ["certctl_certificate_profile.web: this edit of the gated profile p-web will wait"]],
		"disabled already": [{"enabled": false}, {"enabled": false, "max_sans": 9}, ["this edit"]],
		"labels and description": [{}, {"labels": {}, "description": "x"}, []],
		"labels, and disabled": [{}, {"labels": {}, "enabled": false}, []],
		"labels and more": [{}, {"labels": {}, "name": "Other"}, ["this edit"]],
		"another edit": [{}, {"max_sans": 9}, ["this edit"]],
		"not gated": [{"requires_approval": false}, {"max_sans": 9}, []],
	}
	judged(plan_of([reading], [change_of({"before": c[0], "after": c[1]})]), defaults, [], c[2])
}

test_edit_unknown[name] if {
	some name, c in {
		"name": [{"name": true}, ["this edit"]],
		"labels": [{"labels": true}, []],
		"description": [{"description": true}, []],
		"the time of creation": [{"created_at": true}, []],
	}
	change := change_of({"after": {"enabled": false}, "unknown": c[0]})
	judged(plan_of([reading], [change]), defaults, [], c[1])
}

test_certificate[name] if {
	gated := in_state("certctl_certificate_profile", profile)
	open := in_state("certctl_certificate_profile", with_values(profile, {"id": "p-dev", "requires_approval": false}))
	will := ["certctl_certificate.www: this certificate will wait for a second person."]
	may := ["certctl_certificate.www: this certificate will wait for a second person if its profile is gated."]
	some name, c in {
		"gated": [gated, ["create"], "p-web", {"status": true}, will],
		"gated, read as data": [with_values(gated, {"mode": "data"}), ["create"], "p-web", {"status": true}, will],
		"gated, asks again": [gated, ["update"], "p-web", {"status": true}, will],
		"gated, replaced": [gated, ["delete", "create"], "p-web", {"status": true}, will],
		"gated, asks for nothing": [gated, ["update"], "p-web", {"renew_at": true}, []],
		"gated, untouched": [gated, ["no-op"], "p-web", {}, []],
		"gated, destroyed": [gated, ["delete"], null, {}, []],
		"not gated": [open, ["create"], "p-dev", {"status": true}, []],
		"another profile": [gated, ["create"], "p-api", {"status": true}, may],
		"unknown profile": [gated, ["create"], null, {"status": true, "profile_id": true}, may],
		"another resource of that name": [in_state("certctl_certificate", {"id": "p-web", "requires_approval": true}), ["create"], "p-web", {"status": true}, may],
	}
	values := {"id": "mc-www", "profile_id": c[2]}
	change := {
		"address": "certctl_certificate.www", "mode": "managed", "type": "certctl_certificate", "provider_name": reading.provider_name,
		"change": {"actions": c[1], "before": null, "after": without(values, c[3]), "after_unknown": c[3]},
	}
	judged(plan_of([reading, c[0]], [change]), defaults, [], c[4])
	judged(plan_of([reading, c[0]], [with_values(change, {"mode": "data"})]), defaults, [], [])
	judged(plan_of([reading, c[0]], [with_values(change, {"type": "certctl_other"})]), defaults, [], [])
}
