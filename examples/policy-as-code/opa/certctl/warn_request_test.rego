package certctl_test

import rego.v1

issuance := {"id": "ar-1", "kind": "issuance", "certificate_id": "mc-www", "rejections": [], "csr_ignored": [], "previous": null, "effects": null, "undecidable": false}

profile_edit := {"id": "ar-2", "kind": "profile_edit", "certificate_id": null, "rejections": [], "csr_ignored": [], "context": null, "previous": null, "undecidable": false}

test_request[name] if {
	rejected := {"approval_id": "ar-0", "decided_by": "carol", "note": "wrong team"}
	approved := {"approved": true}
	some name, c in {
		"nothing to tell": [issuance, {"context": {"key_changed": true, "current": null, "other_certificates": {"count": 0, "ids": []}}}, []],
		"an older provider": [{"id": "ar-1", "kind": "issuance", "certificate_id": "mc-www"}, {}, []],
		"nobody can decide": [issuance, {"undecidable": true}, ["Approval ar-1 (certificate mc-www): nobody can decide it"]],
		"rejected before": [issuance, {"rejections": [rejected]}, ["carol rejected approval ar-0, a request for one of the names. The note: wrong team"]],
		"rejected twice": [issuance, {"rejections": [rejected, {"approval_id": "ar-9", "decided_by": "bob", "note": ""}]}, ["carol rejected approval ar-0", "bob rejected approval ar-9"]],
		"rejected, then expired": [issuance, {"previous": {"state": "expired", "decided_by": "system-reaper", "note": ""}}, []],
		"another key": [issuance, {"context": {"key_changed": true, "current": approved}}, ["changes the key of a certificate that a person approved"]],
		"another key, none approved": [issuance, {"context": {"key_changed": true, "current": {"approved": false}}}, []],
		"the same key": [issuance, {"context": {"key_changed": false, "current": approved}}, []],
		"other certificates": [issuance, {"context": {"other_certificates": {"count": 2, "ids": ["mc-a", "mc-b"]}}}, ["other certificates (2) have one of the names or the key: mc-a, mc-b"]],
		"parts of the CSR": [issuance, {"csr_ignored": [{"what": "key usage", "value": "x"}]}, ["asks for parts that are not signed: key usage"]],
		"edit with effects": [profile_edit, {"effects": {"jobs_cancelled": 1, "renewals_blocked": 0}}, ["Approval ar-2 (edit of the profile): the edit would end open jobs (1) and block renewals (0)"]],
		"edit without effects": [profile_edit, {"effects": {"jobs_cancelled": 0, "renewals_blocked": 0}}, []],
		"edit rejected before": [profile_edit, {"previous_approval_id": "ar-0", "previous": {"state": "rejected", "decided_by": "carol", "note": "no"}}, ["carol rejected the previous request ar-0. The note: no"]],
	}
	judged(plan_of([reading_with({"approvals": [with_values(c[0], c[1])]})], []), defaults, [], c[2])
}
