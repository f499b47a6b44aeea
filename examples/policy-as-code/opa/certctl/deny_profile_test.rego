package certctl_test

import rego.v1

ungated := {"requires_approval": false}

# A profile that its authors made look like an exception.
looks_permitted := {"name": "p-dev", "description": "p-dev", "labels": {"environment": "development", "id": "p-dev", "ungated_profiles": "p-web"}}

ungated_permitted := {"id": "p-dev", "requires_approval": false}

gated_permitted := {"id": "p-dev"}

test_gate[name] if {
	some name, c in {
		# A gated profile.
		"kept": {"after": {"name": "Other"}, "denied": [], "warned": ["this edit"]},
		"turned off": {"after": ungated, "denied": ["turns requires_approval off"], "warned": ["this edit"]},
		"turned off where it may be off": {"before": gated_permitted, "after": ungated_permitted, "denied": ["turns requires_approval off"], "warned": ["this edit"]},
		"turned off with looks": {"after": object.union(ungated, looks_permitted), "denied": ["turns requires_approval off"], "warned": ["this edit"]},
		"unknown": {"unknown": {"requires_approval": true}, "denied": ["or may (it is not known yet)"], "warned": ["this edit"]},
		"forgotten": {"actions": ["forget"], "after": null, "denied": ["leaves the state, and the gated profile p-web stays on the server (forget)"], "warned": []},
		"forgotten and created": {"actions": ["forget", "create"], "after": {"id": "p-new"}, "denied": ["leaves the state, and the gated profile p-web"], "warned": []},
		"forgotten and created without": {"actions": ["forget", "create"], "after": object.union(ungated, {"id": "p-new"}), "denied": ["leaves the state", "is not gated"], "warned": []},
		"removable, destroyed": {"actions": ["delete"], "before": {"id": "p-old"}, "after": null, "denied": [], "warned": []},
		"removable, forgotten": {"actions": ["forget"], "before": {"id": "p-old"}, "after": null, "denied": [], "warned": []},
		"removable, replaced": {"actions": ["delete", "create"], "before": {"id": "p-old"}, "denied": [], "warned": []},
		"removable, replaced by one without": {"actions": ["delete", "create"], "before": {"id": "p-old"}, "after": ungated, "denied": ["is not gated"], "warned": []},
		"removable, forgotten and created without": {"actions": ["forget", "create"], "before": {"id": "p-old"}, "after": {"id": "p-old", "requires_approval": false}, "denied": ["is not gated"], "warned": []},
		"removable, turned off": {"before": {"id": "p-old"}, "after": {"id": "p-old", "requires_approval": false}, "denied": ["turns requires_approval off"], "warned": ["this edit"]},
		"removable, widened": {"before": {"id": "p-old"}, "after": {"id": "p-old", "max_sans": 11}, "denied": ["widens max_sans"], "warned": ["this edit"]},
		"destroyed": {"actions": ["delete"], "after": null, "denied": ["destroys the gated profile p-web"], "warned": []},
		"replaced": {"actions": ["delete", "create"], "after": {"id": "p-new"}, "denied": ["destroys the gated profile p-web"], "warned": []},
		"replaced, created first": {"actions": ["create", "delete"], "after": {"id": "p-new"}, "denied": ["destroys"], "warned": []},
		"replaced by one without": {"actions": ["delete", "create"], "after": ungated, "denied": ["destroys", "is not gated"], "warned": []},
		"untouched": {"actions": ["no-op"], "denied": [], "warned": []},
		# A profile that is not gated, or not yet.
		"turned on": {"before": ungated, "denied": [], "warned": []},
		"turned on, perhaps": {"before": ungated, "unknown": {"requires_approval": true}, "denied": ["is not gated"], "warned": []},
		"imported or untouched without": {"actions": ["no-op"], "before": ungated, "after": ungated, "denied": ["is not gated"], "warned": []},
		"untouched, permitted": {"actions": ["no-op"], "before": ungated_permitted, "after": ungated_permitted, "denied": [], "warned": []},
		"disabled without": {"before": ungated, "after": {"requires_approval": false, "enabled": false}, "denied": [], "warned": []},
		"disabled, perhaps": {"before": ungated, "after": ungated, "unknown": {"enabled": true}, "denied": ["is not gated", "widens enabled"], "warned": []},
		"enabled without": {"before": {"requires_approval": false, "enabled": false}, "after": ungated, "denied": ["is not gated", "widens enabled"], "warned": []},
		"turned off and disabled": {"after": {"requires_approval": false, "enabled": false}, "denied": ["turns requires_approval off"], "warned": ["this edit"]},
		"never on": {"before": ungated, "after": ungated, "denied": ["certctl_certificate_profile.web is not gated, and its id is not among ungated_profiles"], "warned": []},
		"stays with looks": {"before": object.union(ungated, looks_permitted), "after": object.union(ungated, looks_permitted), "denied": ["is not gated"], "warned": []},
		"is permitted": {"before": ungated_permitted, "after": ungated_permitted, "denied": [], "warned": []},
		"gets another id": {"actions": ["delete", "create"], "before": ungated_permitted, "after": ungated, "denied": ["is not gated"], "warned": []},
		"destroyed without": {"actions": ["delete"], "before": ungated, "after": null, "denied": [], "warned": []},
		"forgotten without": {"actions": ["forget"], "before": ungated, "after": null, "denied": [], "warned": []},
		"replaced without": {"actions": ["delete", "create"], "before": ungated, "after": ungated, "denied": ["is not gated"], "warned": []},
		# A new one.
		"created": {"before": null, "denied": [], "warned": []},
		"created without": {"before": null, "after": ungated, "denied": ["is not gated"], "warned": []},
		"created unknown": {"before": null, "unknown": {"requires_approval": true}, "denied": ["is not gated"], "warned": []},
		"created permitted": {"before": null, "after": ungated_permitted, "denied": [], "warned": []},
		"created permitted, unknown": {"before": null, "after": gated_permitted, "unknown": {"requires_approval": true}, "denied": [], "warned": []},
		"created with looks": {"before": null, "after": object.union(ungated, looks_permitted), "denied": ["is not gated"], "warned": []},
		"created with an unknown id": {"before": null, "after": ungated, "unknown": {"id": true}, "denied": ["is not gated"], "warned": []},
		"created with a null id": {"before": null, "after": {"id": null, "requires_approval": false}, "denied": ["is not gated"], "warned": []},
		"created with a longer id": {"before": null, "after": {"id": "p-dev-2", "requires_approval": false}, "denied": ["is not gated"], "warned": []},
		"created with the id in capitals": {"before": null, "after": {"id": "P-DEV", "requires_approval": false}, "denied": ["is not gated"], "warned": []},
		# Something else that has such attributes.
		"a certificate": {"type": "certctl_certificate", "after": ungated, "denied": [], "warned": []},
		"data": {"mode": "data", "after": ungated, "denied": [], "warned": []},
	}
	judged(plan_of([reading], [change_of(c)]), defaults, c.denied, c.warned)
}

# A profile that was replaced, with the old one still to be destroyed.
test_deposed if {
	old := object.union(change_of({"actions": ["delete"], "after": null}), {"deposed": "8f3a0c1d"})
	judged(plan_of([reading], [old]), defaults, ["destroys the gated profile p-web"], [])
}

# A plan for a part of the configuration does not list all profiles as changes.
test_ungated_in_state[name] if {
	open := in_state("certctl_certificate_profile", with_values(profile, ungated))
	some name, c in {
		"not listed": [open, [], ["certctl_certificate_profile.web is not gated"]],
		"listed, and gated by the plan": [open, [change_of({"before": ungated})], []],
		"listed, and destroyed": [open, [change_of({"actions": ["delete"], "before": ungated, "after": null})], []],
		"read as data": [with_values(open, {"mode": "data"}), [], []],
		"something else": [with_values(open, {"type": "certctl_certificate"}), [], []],
		"permitted": [with_values(open, {"values": with_values(profile, ungated_permitted)}), [], []],
	}
	judged(plan_of([reading, c[0]], c[1]), defaults, c[2], [])
}

# Each of these edits widens a profile. The message names the fields.
test_wider[name] if {
	some name, c in {
		"DNS name": [{"allowed_dns_names": ["*.example.com", "*.example.org"]}, "widens allowed_dns_names:"],
		"another DNS name": [{"allowed_dns_names": ["*.example.org"]}, "widens allowed_dns_names:"],
		"IP range": [{"allowed_ip_ranges": ["10.0.0.0/16", "10.1.0.0/16"]}, "widens allowed_ip_ranges:"],
		"URI": [{"allowed_uris": ["spiffe://example.com/*", "spiffe://example.org/*"]}, "widens allowed_uris:"],
		"mail domain": [{"allowed_email_domains": ["example.com", "example.org"]}, "widens allowed_email_domains:"],
		"key usage": [{"allowed_ekus": ["serverAuth", "clientAuth"]}, "widens allowed_ekus:"],
		"names": [{"max_sans": 11}, "widens max_sans:"],
		"validity": [{"max_ttl_seconds": 86401}, "widens max_ttl_seconds:"],
		"wildcards": [{"allow_wildcard_names": true}, "widens allow_wildcard_names:"],
		"issuer": [{"issuer_id": "iss-other"}, "widens issuer_id:"],
		"narrower and more": [{"allowed_dns_names": ["www.example.com", "www.example.org"]}, "widens allowed_dns_names:"],
		"wider IP range": [{"allowed_ip_ranges": ["10.0.0.0/8"]}, "widens allowed_ip_ranges:"],
		"wider URI": [{"allowed_uris": ["spiffe://example.com/**"]}, "widens allowed_uris:"],
		"several": [{"max_sans": 11, "issuer_id": "iss-other", "allowed_uris": ["spiffe://a/*"]}, "widens allowed_uris, issuer_id, max_sans:"],
	}
	judged_wider(c[0], c[1])
}

# So do these edits of what describes a certificate.
test_wider_description[name] if {
	some name, c in {
		"common name": [{"allowed_common_names": ["node-*", "*"]}, "widens allowed_common_names:"],
		"underscores": [{"allow_underscores": true}, "widens allow_underscores:"],
		"CSR extras": [{"csr_extras": "list"}, "widens csr_extras:"],
		"CSR extras missing": [{"csr_extras": null}, "widens csr_extras:"],
		"subject attribute": [{"subject_attributes": {"organization": ["Example", "system:masters"], "country": ["DE"]}}, "widens subject_attributes:"],
		"other subject attribute": [{"subject_attributes": {"organization": ["Other"], "country": ["DE"]}}, "widens subject_attributes:"],
		"value in another attribute": [{"subject_attributes": {"organizational_unit": ["Example"], "country": ["DE"]}}, "widens subject_attributes:"],
		"fewer subject attributes": [{"subject_attributes": {"country": ["DE"]}}, "widens subject_attributes:"],
		"no subject attributes": [{"subject_attributes": {}}, "widens subject_attributes:"],
		"key usages": [{"key_usages": ["digitalSignature"]}, "widens key_usages:"],
	}
	judged_wider(c[0], c[1])
}

judged_wider(values, words) if {
	judged(plan_of([reading], [change_of({"after": values})]), defaults, [words], ["this edit"])

	# Whether a profile is gated makes no difference, and neither does how it looks.
	looks := object.union(ungated, looks_permitted)
	judged(plan_of([reading], [change_of({"before": looks, "after": object.union(looks_permitted, values)})]), defaults, [words], [])

	# An exception is not compared.
	judged(plan_of([reading], [change_of({"before": gated_permitted, "after": object.union(gated_permitted, values)})]), defaults, [], ["this edit"])

	# Nothing is widened where nothing was, or where nothing is left.
	judged(plan_of([reading], [change_of({"actions": ["create"], "before": null, "after": values})]), defaults, [], [])
	judged(plan_of([reading], [change_of({"actions": ["delete"], "before": object.union(ungated, values), "after": null})]), defaults, [], [])
}

test_enabled if {
	judged(plan_of([reading], [change_of({"before": {"enabled": false}})]), defaults, ["widens enabled:"], ["this edit"])
}

# A profile whose key usages are chosen.
test_key_usages[name] if {
	some name, c in {
		"equal": [["digitalSignature", "contentCommitment"], ["contentCommitment", "digitalSignature"], []],
		"more": [["digitalSignature"], ["digitalSignature", "contentCommitment"], ["widens key_usages:"]],
		"others": [["digitalSignature"], ["contentCommitment"], ["widens key_usages:"]],
		"from the key": [["digitalSignature"], null, ["widens key_usages:"]],
	}
	change := change_of({"before": {"key_usages": c[0]}, "after": {"key_usages": c[1]}})
	judged(plan_of([reading], [change]), defaults, c[2], ["this edit"])
}

# The state of an older provider lacks the newer fields. Their defaults are no change.
test_older_state if {
	newer := {"subject_attributes", "allowed_common_names", "key_usages", "allow_underscores", "csr_extras"}
	empty := {"subject_attributes": {"organization": [], "country": []}, "allowed_common_names": [], "key_usages": null, "allow_underscores": false, "csr_extras": "list", "max_sans": 9}
	every missing in [{field: null | some field in newer}, {}] {
		change := change_of({"after": empty})
		older := json.patch(change, [{"op": "replace", "path": "/change/before", "value": object.union(object.remove(change.change.before, newer), missing)}])
		judged(plan_of([reading], [older]), defaults, [], ["this edit"])

		wider := json.patch(older, [{"op": "replace", "path": "/change/after/allow_underscores", "value": true}])
		judged(plan_of([reading], [wider]), defaults, ["widens allow_underscores:"], ["this edit"])
	}
}

test_not_wider[name] if {
	some name, values in {
		"fewer": {"allowed_dns_names": ["example.com"]},
		"none": {"allowed_dns_names": [], "allowed_ip_ranges": [], "allowed_uris": [], "allowed_email_domains": []},
		"narrower": {"allowed_dns_names": ["www.example.com"], "allowed_ip_ranges": ["10.0.1.0/24"], "allowed_uris": ["spiffe://example.com/a"], "allowed_common_names": ["node-1"]},
		"another order": {"allowed_dns_names": ["example.com", "*.example.com"]},
		"fewer names": {"max_sans": 9},
		"shorter": {"max_ttl_seconds": 86399},
		"fewer common names": {"allowed_common_names": []},
		"the same subject": {"subject_attributes": {"country": ["DE"], "organization": ["Example"]}},
		"another name": {"name": "Other", "description": "Other"},
	}
	judged(plan_of([reading], [change_of({"after": values})]), defaults, [], ["this edit"])
}

# An unknown value may be wider, as a whole or in one place.
test_wider_unknown[field] if {
	some field, unknown in {
		"allowed_dns_names": [false, true], "allowed_ip_ranges": true, "allowed_uris": [true], "allowed_email_domains": true,
		"allowed_ekus": [true], "allowed_key_algorithms": [{"min_size": true}], "max_sans": true, "max_ttl_seconds": true,
		"allow_wildcard_names": true, "enabled": true, "issuer_id": true,
		"allowed_common_names": [true], "allow_underscores": true, "csr_extras": true, "key_usages": [true],
		"subject_attributes": {"organization": [true]},
	}
	words := [sprintf("widens %s:", [field])]
	judged(plan_of([reading], [change_of({"unknown": {field: unknown}})]), defaults, words, ["this edit"])
}

# A value that is unknown as a whole is missing from the plan.
test_wider_unknown_as_a_whole[field] if {
	some field in ["subject_attributes", "key_usages", "csr_extras", "allowed_common_names"]
	judged(plan_of([reading], [change_of({"unknown": {field: true}})]), defaults, [sprintf("widens %s:", [field])], ["this edit"])
}

test_known if {
	unknown := {"allowed_dns_names": [false, false], "allowed_key_algorithms": [{}], "labels": {"environment": true}, "created_at": true, "subject_attributes": {"organization": [false]}}
	judged(plan_of([reading], [change_of({"after": {"max_sans": 9}, "unknown": unknown})]), defaults, [], ["this edit"])
}

ecdsa(size) := {"algorithm": "ECDSA", "min_size": size}

rsa(size) := {"algorithm": "RSA", "min_size": size}

ed25519 := {"algorithm": "Ed25519", "min_size": null}

test_keys[name] if {
	some name, c in {
		"equal": [[ecdsa(256)], [ecdsa(256)], []],
		"larger": [[ecdsa(256)], [ecdsa(257)], []],
		"smaller": [[ecdsa(256)], [ecdsa(255)], ["widens allowed_key_algorithms:"]],
		"another algorithm": [[ecdsa(256)], [ecdsa(256), rsa(4096)], ["widens allowed_key_algorithms:"]],
		"the smallest counts": [[rsa(4096), rsa(2048)], [rsa(3072)], []],
		"one of two is smaller": [[rsa(2048), ecdsa(384)], [rsa(2048), ecdsa(256)], ["widens allowed_key_algorithms:"]],
		"fewer": [[ecdsa(256), ed25519], [ecdsa(256)], []],
		"Ed25519 kept": [[ed25519], [ed25519], []],
		"Ed25519 kept, size left out": [[{"algorithm": "Ed25519"}], [ed25519], []],
		"Ed25519 added": [[ecdsa(256)], [ed25519], ["widens allowed_key_algorithms:"]],
		"Ed25519 replaced": [[ed25519], [ecdsa(521)], ["widens allowed_key_algorithms:"]],
		"no size any more": [[rsa(2048)], [{"algorithm": "RSA", "min_size": null}], ["widens allowed_key_algorithms:"]],
		"size missing": [[rsa(2048)], [{"algorithm": "RSA"}], ["widens allowed_key_algorithms:"]],
		"none before": [[], [rsa(4096)], ["widens allowed_key_algorithms:"]],
	}
	change := change_of({"before": {"allowed_key_algorithms": c[0]}, "after": {"allowed_key_algorithms": c[1]}})
	judged(plan_of([reading], [change]), defaults, c[2], ["this edit"])
}
