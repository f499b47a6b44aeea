package policy_test

import (
	"slices"
	"time"
)

// openPermitted is what they set so that p-open may be without a gate.
var openPermitted = map[string]any{"ungated_profiles": []string{"p-open"}}

// removable is what the owners of the policy set so that p-web may be destroyed.
var removable = map[string]any{"removable_profiles": []string{"p-web"}}

// permitted is what the owners of the policy set so that p-web may be without a gate.
var permitted = map[string]any{"ungated_profiles": []string{"p-web"}}

func wider(field string, value any) scenario {
	return scenario{parts: []part{reads(nil), updates(aProfile(), aProfile(object{field: value}))}, denied: []string{"widens " + field + ":"}, warned: []string{"this edit"}}
}

// builtScenarios have plans that differ from one that Terraform makes in values alone.
func builtScenarios() map[string]scenario {
	ungated, development := object{"requires_approval": false}, object{"labels": object{"environment": "development"}}
	open := with(ungated, object{"id": "p-open", "name": "Open"})
	edited := []string{"this edit"}
	elsewhere := readingOf(object{"endpoint": "https://other.example.com"})
	elsewhere["address"] = "data.certctl_pending_approvals.other"
	readElsewhere := func(b *builder) { b.resources = append(b.resources, elsewhere) }

	return map[string]scenario{
		// Plans that are allowed.
		"nothing-waits":       {parts: []part{reads(nil), keeps(aProfile())}},
		"first-profile":       {parts: []part{reads(nil), creates(aProfile())}},
		"waits-for-a-moment":  {parts: []part{reads(nil, waiting("www", fresh)), keeps(aProfile())}},
		"tighter":             {parts: []part{reads(nil), updates(aProfile(), aProfile(object{"max_sans": 5, "allowed_dns_names": []any{}}))}, warned: []string{"this edit of the gated profile p-web will wait"}},
		"disabled":            {parts: []part{reads(nil), updates(aProfile(), aProfile(object{"enabled": false}))}},
		"ungated-development": {parts: []part{reads(nil), creates(aProfile(ungated, development))}, parameters: permitted},
		"wider-development": {
			parts:      []part{reads(nil), updates(aProfile(ungated, development), aProfile(ungated, development, object{"max_sans": 50}))},
			parameters: permitted,
		},
		"narrower": {
			parts:  []part{reads(nil), updates(aProfile(object{"allowed_dns_names": []any{"**.example.com"}, "allowed_ip_ranges": []any{"10.0.0.0/8"}}), aProfile(object{"allowed_ip_ranges": []any{"10.1.0.0/16"}}))},
			warned: edited,
		},
		"disabled-while-something-waits": {parts: []part{reads(nil, waiting("www", fresh)), updates(aProfile(), aProfile(object{"enabled": false}))}},
		"disabled-while-much-waits": {
			parts:      []part{reads(shortened, waiting("www", long)), updates(aProfile(), aProfile(object{"enabled": false}))},
			parameters: map[string]any{"max_pending": 1}, warned: []string{"2 approvals await", "waited 30 hours"},
		},
		"disabled-without-a-gate":        {parts: []part{reads(nil), updates(aProfile(ungated), aProfile(ungated, object{"enabled": false}))}},
		"labelled-while-something-waits": {parts: []part{reads(nil, waiting("www", fresh)), updates(aProfile(), aProfile(development, object{"description": "x"}))}},
		"corrects-its-edit":              {parts: []part{reads(nil, waitingEdit), updates(aProfile(), aProfile(object{"max_sans": 5}))}, warned: edited},
		"destroyed-and-may-be":           {parts: []part{reads(nil), destroys(aProfile())}, parameters: removable},
		"forgotten-and-may-be":           {parts: []part{reads(nil), profileChange(aProfile(), nil, "forget")}, parameters: removable},
		"elsewhere":                      {parts: []part{named("network")}, parameters: map[string]any{"root_modules_with_reading": []string{"payments"}}},
		"more-than-can-be-listed": {
			parts:      []part{reads(object{"truncated": true, "total_count": 600}, slices.Repeat([]object{waiting("www", fresh)}, 500)...), keeps(aProfile())},
			parameters: map[string]any{"max_pending": 1000},
		},
		"ungated-destroyed": {parts: []part{reads(nil), destroys(aProfile(ungated))}},
		"filter-allowed": {
			parts:      []part{reads(object{"kind": "issuance"}, waiting("www", fresh)), keeps(aProfile())},
			parameters: map[string]any{"allowed_filters": map[string]any{"kind": []string{"issuance"}}},
		},
		"hcp-terraform":             {parts: []part{reads(nil), keeps(aProfile()), wrap}},
		"other-key":                 {parts: []part{reads(nil), updates(aProfile(), aProfile(object{"allowed_key_algorithms": []any{object{"algorithm": "ECDSA", "min_size": 256}, object{"algorithm": "Ed25519"}}}))}, denied: []string{"widens allowed_key_algorithms:"}, warned: edited},
		"certificate-between-gates": {parts: []part{reads(nil), keeps(aProfile()), gatedToo, moves("p-web", "p-other")}, warned: []string{"this certificate will wait"}},
		"certificate-into-a-gate":   {parts: []part{reads(nil), keeps(aProfile()), keepsToo(open), moves("p-open", "p-web")}, warned: []string{"this certificate will wait"}, parameters: openPermitted},

		// Plans with waiting requests.
		"waits-too-long-in-hcp": {parts: []part{reads(nil, waiting("www", long)), keeps(aProfile()), wrap}, denied: []string{"waited 30 hours"}},
		"waits-in-a-module":     {parts: []part{reads(nil, waiting("www", long)), deep}, denied: []string{"waited 30 hours"}},
		"rejected-before": {
			parts:  []part{reads(nil, with(waiting("www", fresh), object{"rejections": []any{object{"decided_by": "carol", "approval_id": "ar-0", "note": "no"}}})), keeps(aProfile())},
			warned: []string{"carol rejected approval ar-0, a request for one of the names. The note: no"},
		},
		"changes-what-waits": {parts: []part{reads(nil, waiting("www", fresh)), updates(aProfile(), aProfile(object{"max_sans": 5}))}, denied: []string{"changes profile p-web while 1 approvals"}, warned: edited},
		"too-many": {
			parts:      []part{reads(nil, waiting("www", fresh), waiting("api", fresh)), keeps(aProfile())},
			parameters: map[string]any{"max_pending": 1}, denied: []string{"2 approvals await"},
		},
		"truncated": {parts: []part{reads(shortened, waiting("www", fresh)), keeps(aProfile())}, denied: []string{"lists 1 of 2"}},
		"truncated-and-changed": {
			parts:      []part{reads(with(shortened, object{"oldest_age_seconds": 108000, "count_by_profile": object{"p-web": 2}, "approvals": []object{}}), waiting("www", fresh)), updates(aProfile(), aProfile(object{"max_sans": 5}))},
			parameters: map[string]any{"max_pending": 1}, denied: []string{"lists 0 of 2", "2 approvals await", "waited 30 hours", "while 2 approvals"}, warned: edited,
		},

		// Plans that change profiles.
		"gate-unknown":                     {parts: []part{reads(nil), updates(aProfile(), aProfile(object{"requires_approval": unknownValue{}}))}, denied: []string{"turns requires_approval off, or may"}, warned: edited},
		"gate-off-in-development":          {parts: []part{reads(nil), updates(aProfile(), aProfile(ungated, development))}, parameters: permitted, denied: []string{"turns requires_approval off"}, warned: edited},
		"ungated-production":               {parts: []part{reads(nil), creates(aProfile(ungated))}, denied: []string{"is not gated, and its id is not among ungated_profiles"}},
		"ungated-labelled":                 {parts: []part{reads(nil), creates(aProfile(ungated, development))}, parameters: map[string]any{"ungated_profiles": []string{"development", "Web", "p-development"}}, denied: []string{"is not gated"}},
		"ungated-no-label":                 {parts: []part{reads(nil), creates(aProfile(ungated, object{"labels": object{}}))}, denied: []string{"is not gated"}},
		"ungated-label-unknown":            {parts: []part{reads(nil), creates(aProfile(ungated, object{"labels": unknownValue{}}))}, denied: []string{"is not gated"}},
		"ungated-id-unknown":               {parts: []part{reads(nil), creates(aProfile(ungated, object{"id": unknownValue{}}))}, parameters: permitted, denied: []string{"is not gated"}},
		"ungated-and-unknown":              {parts: []part{reads(nil), creates(aProfile(object{"requires_approval": unknownValue{}}))}, denied: []string{"is not gated"}},
		"ungated-moves-to-production":      {parts: []part{reads(nil), updates(aProfile(ungated, development), aProfile(ungated))}, denied: []string{"is not gated"}},
		"destroyed-without-a-reading":      {parts: []part{destroys(aProfile())}, denied: []string{"No reading", "destroys the gated profile p-web"}},
		"replaced-where-it-may-be-ungated": {parts: []part{reads(nil), replaces(aProfile(), aProfile(object{"id": "p-other"}))}, parameters: permitted, denied: []string{"destroys the gated profile p-web"}},
		"replaced-by-one-without": {
			parts: []part{reads(nil), replaces(aProfile(), aProfile(ungated))}, parameters: removable, denied: []string{"is not gated"},
		},
		"forgotten":             {parts: []part{reads(nil), profileChange(aProfile(), nil, "forget")}, denied: []string{"leaves the state, and the gated profile p-web stays on the server (forget)"}},
		"forgotten-and-created": {parts: []part{reads(nil), profileChange(aProfile(), aProfile(object{"id": "p-other"}), "forget", "create")}, denied: []string{"leaves the state, and the gated profile p-web"}},
		"ungated-imported":      {parts: []part{reads(nil), keeps(aProfile(ungated))}, denied: []string{"is not gated"}},
		"disabled-and-edited-while-something-waits": {
			parts: []part{reads(nil, waiting("www", fresh)), updates(aProfile(), aProfile(object{"enabled": false, "max_sans": 5}))}, denied: []string{"while 1 approvals"}, warned: edited,
		},
		"disabled-and-created-while-much-waits": {
			parts:  []part{reads(nil, waiting("www", long)), updates(aProfile(), aProfile(object{"enabled": false})), change("certctl_certificate_profile", "other", nil, aProfile(object{"id": "p-other"}), "create")},
			denied: []string{"waited 30 hours"},
		},
		"wider-dns":                wider("allowed_dns_names", []any{"*.example.com", "*.example.org"}),
		"wider-ip":                 wider("allowed_ip_ranges", []any{"10.0.0.0/8"}),
		"wider-uri":                wider("allowed_uris", []any{"spiffe://example.com/*"}),
		"wider-mail":               wider("allowed_email_domains", []any{"example.com"}),
		"wider-eku":                wider("allowed_ekus", []any{"serverAuth", "clientAuth"}),
		"wider-key":                wider("allowed_key_algorithms", []any{object{"algorithm": "RSA", "min_size": 2048}}),
		"wider-sans":               wider("max_sans", 100),
		"wider-ttl":                wider("max_ttl_seconds", 172800),
		"wildcards":                wider("allow_wildcard_names", true),
		"underscores":              wider("allow_underscores", true),
		"wider-common-name":        wider("allowed_common_names", []any{"*"}),
		"other-subject":            wider("subject_attributes", aSubject(object{"organization": []any{"system:masters"}})),
		"other-key-usages":         wider("key_usages", []any{"digitalSignature", "contentCommitment"}),
		"other-key-usages-unknown": wider("key_usages", unknownValue{}),
		"csr-extras-listed":        {parts: []part{reads(nil), updates(aProfile(object{"csr_extras": "refuse"}), aProfile())}, denied: []string{"widens csr_extras"}, warned: edited},
		"csr-extras-refused":       {parts: []part{reads(nil), updates(aProfile(), aProfile(object{"csr_extras": "refuse"}))}, warned: edited},
		"wider-and-relabelled":     {parts: []part{reads(nil), updates(aProfile(), aProfile(development, object{"max_sans": 50}))}, denied: []string{"widens max_sans"}, warned: edited},
		"wider-labelled": {
			parts:  []part{reads(nil), updates(aProfile(ungated, development), aProfile(ungated, development, object{"max_sans": 50}))},
			denied: []string{"is not gated", "widens max_sans"},
		},
		"wider-without-label": {
			parts:  []part{reads(nil), updates(aProfile(ungated, object{"labels": object{}}), aProfile(ungated, object{"labels": object{}, "max_sans": 50}))},
			denied: []string{"is not gated", "widens max_sans"},
		},
		"enabled": {parts: []part{reads(nil), updates(aProfile(object{"enabled": false}), aProfile())}, denied: []string{"widens enabled"}, warned: edited},

		// Certificates that leave their gate.
		"certificate-leaves":             {parts: []part{reads(nil), keeps(aProfile()), keepsToo(open), moves("p-web", "p-open")}, denied: []string{"certctl_certificate.www moves from the gated profile p-web to profile p-open (not gated)"}, parameters: openPermitted},
		"certificate-leaves-for-unshown": {parts: []part{reads(nil), keeps(aProfile()), moves("p-web", "p-open")}, denied: []string{"to profile p-open (not in the plan)"}, warned: []string{"if its profile is gated"}},
		"certificate-leaves-unshown":     {parts: []part{reads(nil), keepsToo(open), moves("p-web", "p-open")}, denied: []string{"from profile p-web (not in the plan) to profile p-open (not gated)"}, parameters: openPermitted},
		"certificate-leaves-for-unknown": {parts: []part{reads(nil), keeps(aProfile()), moves("p-web", unknownValue{})}, denied: []string{"to a profile that is not known yet"}, warned: []string{"if its profile is gated"}},
		"certificate-leaves-for-a-gate-to-come": {
			parts:      []part{reads(nil), keeps(aProfile()), change("certctl_certificate_profile", "open", aProfile(open), aProfile(open, object{"requires_approval": true}), "update"), moves("p-web", "p-open")},
			parameters: openPermitted, denied: []string{"to profile p-open (not gated)"},
		},
		"certificate-leaves-for-a-gate-in-its-place": {
			parts:      []part{reads(nil), keeps(aProfile()), change("certctl_certificate_profile", "open", aProfile(open), aProfile(open, object{"requires_approval": true}), "delete", "create"), moves("p-web", "p-open")},
			parameters: openPermitted, denied: []string{"to profile p-open (not gated)"},
		},
		"certificate-leaves-for-a-failed-reading": {
			parts:  []part{reads(nil), keeps(aProfile()), failedProfile("p-open"), moves("p-web", "p-open")},
			denied: []string{"to profile p-open (not in the plan)"}, warned: []string{"if its profile is gated"},
		},
		"certificate-takes-a-name": {
			parts: []part{
				reads(nil), keeps(aProfile()), keepsToo(open), change("certctl_certificate", "www", aCertificate("p-web"), aCertificate("p-web"), "no-op"),
				change("certctl_certificate", "again", nil, aCertificate("p-open", object{"id": "mc-again"}), "create"),
			},
			parameters: openPermitted, denied: []string{"certctl_certificate.again asks for www.example.com under profile p-open (not gated). certctl_certificate.www holds www.example.com under the gated profile p-web"},
		},
		"certificate-is-imported": {
			parts: []part{
				reads(nil), keeps(aProfile()), keepsToo(open), change("certctl_certificate", "www", aCertificate("p-web"), aCertificate("p-web"), "no-op"),
				imports("certctl_certificate", "again", aCertificate("p-open", object{"id": "mc-again"})),
			},
			parameters: openPermitted, denied: []string{"certctl_certificate.again asks for www.example.com under profile p-open (not gated)"},
		},
		"certificate-under-a-foreign-profile": {
			parts:  []part{reads(nil), readsProfile(aProfile(open)), change("certctl_certificate", "www", nil, aCertificate("p-open"), "create")},
			denied: []string{"certctl_certificate.www is under profile p-open of another configuration"},
		},
		"certificate-takes-a-name-to-come": {
			parts: []part{
				reads(nil), keeps(aProfile()), keepsToo(open), change("certctl_certificate", "www", aCertificate("p-web"), aCertificate("p-web"), "no-op"),
				change("certctl_certificate", "again", nil, aCertificate("p-open", object{"sans": []any{unknownValue{}}}), "create"),
			},
			parameters: openPermitted, denied: []string{"certctl_certificate.again has names that are not known yet"},
		},

		// Plans that cannot be judged.
		"nothing-without-a-name":    {parts: []part{keepsNothing}, parameters: map[string]any{"root_modules_with_reading": []string{"payments"}}, denied: []string{"No reading"}},
		"nothing-where-one-must-be": {parts: []part{named("payments")}, parameters: map[string]any{"root_modules_with_reading": []string{"payments"}}, denied: []string{"No reading"}},
		"a-profile-elsewhere":       {parts: []part{keeps(aProfile()), named("network")}, parameters: map[string]any{"root_modules_with_reading": []string{"payments"}}, denied: []string{"No reading"}},
		"fewer-listed-than-can-be": {
			parts:      []part{reads(object{"truncated": true, "total_count": 600}, slices.Repeat([]object{waiting("www", fresh)}, 499)...), keeps(aProfile())},
			parameters: map[string]any{"max_pending": 1000}, denied: []string{"lists 499 of 600 approvals. Set limit = 500."},
		},
		"server-ahead":  {parts: []part{reads(at(30 * time.Minute)), keeps(aProfile())}, denied: []string{"was read 30 minutes before or after"}},
		"server-behind": {parts: []part{reads(at(-30 * time.Minute)), keeps(aProfile())}, denied: []string{"was read 30 minutes before or after"}},
		"fork-from-the-start": {
			parts:  []part{reads(nil), creates(aProfile()), from("registry.example.com/fork/certctl")},
			denied: []string{"data.certctl_pending_approvals.all comes from the provider", "certctl_certificate_profile.web comes from the provider"},
		},
		"another-server-too": {parts: []part{reads(nil), readElsewhere, keeps(aProfile())}, denied: []string{"was read from https://other.example.com"}},
		"another-server":     {parts: []part{readElsewhere, keeps(aProfile())}, denied: []string{"No reading of the pending approvals of https://certctl.example.com", "was read from https://other.example.com"}},
		"look-alike":         {parts: []part{lookAlike, keeps(aProfile())}, denied: []string{"No reading"}},
		"bypass":             {parts: []part{reads(object{"approval_bypass": true}), keeps(aProfile())}, denied: []string{"approves every request by itself"}},
		"filtered-by-kind":   {parts: []part{reads(object{"kind": "profile_edit"}), keeps(aProfile())}, denied: []string{`shows only a part of the pending approvals: kind = "profile_edit"`}},
		"filtered-by-certificate": {
			parts: []part{reads(object{"certificate_id": "mc-none"}), keeps(aProfile())}, denied: []string{`certificate_id = "mc-none"`},
		},
		"parameter-of-the-wrong-type": {
			parts: []part{reads(nil), keeps(aProfile())}, parameters: map[string]any{"max_pending_hours": "24"}, denied: []string{"max_pending_hours must be number"},
		},
		"parameter-missing": {
			parts: []part{reads(nil), keeps(aProfile())}, parameters: map[string]any{"max_pending": nil}, denied: []string{"max_pending is missing"},
		},
		"no-servers": {parts: []part{reads(nil), keeps(aProfile())}, parameters: map[string]any{"endpoints": []string{}}, denied: []string{"endpoints must name a server", "not on the list of servers"}},
	}
}

// shortened is a reading with a limit of 1, where two wait.
var shortened = object{"truncated": true, "total_count": 2}

func at(moved time.Duration) object {
	return object{"evaluated_at": madeAt.Add(moved).Format(time.RFC3339)}
}

// keepsToo is another profile that stays as it is.
func keepsToo(values object) part {
	return change("certctl_certificate_profile", values["id"].(string), aProfile(values), aProfile(values), "no-op")
}

// gatedToo is another profile with a gate.
func gatedToo(b *builder) { keepsToo(object{"id": "p-other", "name": "Other"})(b) }

// failedProfile is a profile that was read in a check block and could not be.
func failedProfile(id string) part {
	return func(b *builder) {
		b.resources = append(b.resources, object{
			"address": "data.certctl_certificate_profile.failed", "mode": "data", "type": "certctl_certificate_profile",
			"values": object{"id": id, "requires_approval": nil},
		})
	}
}

// waitingEdit is an edit of p-web that waits.
var waitingEdit = with(waiting("edit", fresh), object{"kind": "profile_edit", "certificate_id": nil})

// imports is a resource that the plan imports as it is.
func imports(kind, name string, values object) part {
	return func(b *builder) {
		change(kind, name, values, values, "no-op")(b)
		b.changes[len(b.changes)-1]["change"].(object)["importing"] = object{"id": values["id"]}
	}
}

// readsProfile is a profile of another configuration, read as data.
func readsProfile(values object) part {
	return func(b *builder) {
		b.resources = append(b.resources, object{
			"address": "data.certctl_certificate_profile.theirs", "mode": "data", "type": "certctl_certificate_profile", "values": values,
		})
	}
}

// keepsNothing is a plan that has nothing.
func keepsNothing(*builder) {}
