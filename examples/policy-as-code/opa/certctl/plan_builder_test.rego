# Plans as Terraform writes them, made of a profile, a reading and what a case changes of them.
package certctl_test

import data.certctl
import rego.v1

defaults := {
	"endpoints": ["https://certctl.example.com"],
	"max_pending_hours": 24,
	"max_pending": 20,
	"max_minutes_apart": 10,
	"ungated_profiles": ["p-dev", "p-sandbox", "p-open", "p-both"],
	"removable_profiles": ["p-old"],
	"root_modules_with_reading": ["*"],
	"provider_addresses": ["registry.terraform.io/certctl/certctl"],
	"allowed_filters": {},
	"accept_unknown_completeness": false,
}

profile := {
	"id": "p-web", "name": "Web", "requires_approval": true, "enabled": true, "issuer_id": "iss-local",
	"labels": {"environment": "production"},
	"allowed_dns_names": ["*.example.com", "example.com"],
	"allowed_ip_ranges": ["10.0.0.0/16"],
	"allowed_uris": ["spiffe://example.com/*"],
	"allowed_email_domains": ["example.com"],
	"allowed_ekus": ["serverAuth"],
	"allowed_key_algorithms": [{"algorithm": "ECDSA", "min_size": 256}],
	"allow_wildcard_names": false,
	"max_sans": 10,
	"max_ttl_seconds": 86400,
	"subject_attributes": {"organization": ["Example"], "country": ["DE"], "locality": []},
	"allowed_common_names": ["node-*"],
	"key_usages": null,
	"allow_underscores": false,
	"csr_extras": "refuse",
}

reading := {
	"address": "data.certctl_pending_approvals.all",
	"mode": "data",
	"type": "certctl_pending_approvals",
	"provider_name": "registry.terraform.io/certctl/certctl",
	"values": {
		"endpoint": "https://certctl.example.com", "evaluated_at": "2026-01-01T12:00:00Z",
		"total_count": 0, "truncated": false, "oldest_age_seconds": 0, "approval_bypass": false,
		"count_by_profile": {}, "approvals": [], "ids": [],
		"kind": null, "profile_id": null, "certificate_id": null, "requested_by": null,
	},
}

# with_values sets what a case is about; a value is replaced as a whole, also an object.
with_values(base, values) := object.union(object.remove(base, object.keys(values)), values)

reading_with(values) := with_values(reading, {"values": with_values(reading.values, values)})

in_state(kind, values) := {
	"address": sprintf("%s.web", [kind]),
	"mode": "managed",
	"type": kind,
	"provider_name": "registry.terraform.io/certctl/certctl",
	"values": values,
}

# change_of is a change of a profile: before and after have the differences from profile, or are null. A wholly unknown
# field is missing from after, as in a real plan.
change_of(spec) := {
	"address": "certctl_certificate_profile.web",
	"mode": object.get(spec, "mode", "managed"),
	"type": object.get(spec, "type", "certctl_certificate_profile"),
	"provider_name": "registry.terraform.io/certctl/certctl",
	"change": {
		"actions": object.get(spec, "actions", ["update"]),
		"before": profile_with(object.get(spec, "before", {})),
		"after": without(profile_with(object.get(spec, "after", {})), unknown),
		"after_unknown": unknown,
	},
} if {
	unknown := object.get(spec, "unknown", {})
}

profile_with(values) := with_values(profile, values)

profile_with(null) := null

without(values, unknown) := object.remove(values, {name | unknown[name] == true})

without(null, _) := null

plan_of(resources, changes) := {
	"timestamp": "2026-01-01T12:00:00Z",
	"complete": true,
	"errored": false,
	"prior_state": {"values": {"root_module": {"resources": resources}}},
	"resource_changes": changes,
}

# judged compares what the policies say with the words that a case wants of each message. HCP Terraform wraps a plan, which
# must make no difference.
judged(plan, parameters, denied, warned) if {
	every document in [plan, {"plan": plan, "run": {"id": "run-1"}}] {
		deny := certctl.deny with input as document with data.certctl.parameters as parameters
		warn := certctl.warn with input as document with data.certctl.parameters as parameters
		says(deny, denied)
		says(warn, warned)
	}
}

says(messages, words) if {
	count(messages) == count(words)
	every word in words {
		some message in messages
		contains(message, word)
	}
}
