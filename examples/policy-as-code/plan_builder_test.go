package policy_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"testing"
	"time"
)

type object = map[string]any

// unknownValue stands for a value that is known only after the apply.
type unknownValue struct{}

// builder makes the parts of a plan that the policies read. TestBuilder compares its plans with those of Terraform.
type builder struct {
	resources []object // of the prior state
	modules   []object
	changes   []object
	workspace string
	wrapped   bool // as HCP Terraform gives a plan to a policy
}

// part adds something to a plan.
type part func(*builder)

// build gives the plan as Terraform or OpenTofu shows it.
func build(t testing.TB, engine string, parts []part) json.RawMessage {
	t.Helper()
	var b builder
	for _, p := range parts {
		p(&b)
	}
	plan := object{
		"timestamp": madeAt.Format(time.RFC3339), "errored": false, "complete": true, "resource_changes": b.changes,
		"prior_state": object{"values": object{"root_module": object{"resources": b.resources, "child_modules": b.modules}}},
	}
	if engine == "opentofu" {
		delete(plan, "complete")
	}
	provider := map[string]string{"terraform": "registry.terraform.io", "opentofu": "registry.opentofu.org"}[engine] + "/certctl/certctl"
	for _, r := range append(b.resources, b.changes...) {
		if r["provider_name"] == nil {
			r["provider_name"] = provider
		}
	}
	if b.wrapped {
		plan = object{"plan": plan, "run": object{"id": "run-1", "workspace": object{"name": b.workspace}}}
	}
	text, err := json.Marshal(plan)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func with(values object, others ...object) object {
	all := maps.Clone(values)
	for _, o := range others {
		maps.Copy(all, o)
	}
	return all
}

// aSubject has no attributes but these.
func aSubject(attributes ...object) object {
	return with(object{
		"organization": []any{}, "organizational_unit": []any{}, "country": []any{}, "province": []any{}, "locality": []any{},
		"street_address": []any{}, "postal_code": []any{},
	}, attributes...)
}

// aProfile has the values of web().
func aProfile(others ...object) object {
	return with(object{
		"id": "p-web", "name": "Web", "description": "", "enabled": true, "requires_approval": true, "issuer_id": "iss-local",
		"labels": object{"environment": "production"}, "allow_wildcard_names": false, "allowed_dns_names": []any{"*.example.com"},
		"allowed_ip_ranges": []any{}, "allowed_uris": []any{}, "allowed_email_domains": []any{}, "allowed_ekus": []any{"serverAuth"},
		"allowed_key_algorithms": []any{object{"algorithm": "ECDSA", "min_size": 256}, object{"algorithm": "RSA", "min_size": 3072}},
		"max_sans":               10, "max_ttl_seconds": 86400, "subject_attributes": aSubject(), "allowed_common_names": []any{}, "key_usages": nil,
		"allow_underscores": false, "csr_extras": "list",
	}, others...)
}

// profileChange is what the plan does to p-web. A profile that is there before is in the prior state.
func profileChange(before, after object, actions ...string) part {
	return change("certctl_certificate_profile", "web", before, after, actions...)
}

func change(kind, name string, before, after object, actions ...string) part {
	return func(b *builder) {
		resource := object{"address": kind + "." + name, "mode": "managed", "type": kind, "name": name}
		if before != nil {
			b.resources = append(b.resources, with(resource, object{"values": before}))
		}
		known, unknown := split(after)
		b.changes = append(b.changes, with(resource, object{"change": object{
			"actions": actions, "before": orNull(before), "after": orNull(known), "after_unknown": unknown,
		}}))
	}
}

func orNull(values object) any {
	if values == nil {
		return nil
	}
	return values
}

// split takes the unknown values out of an object.
func split(values object) (known, unknown object) {
	unknown = object{}
	for name, value := range values {
		if known == nil {
			known = object{}
		}
		elements, _ := value.([]any)
		switch {
		case value == unknownValue{}:
			unknown[name] = true
			continue
		case len(elements) == 1 && elements[0] == unknownValue{}:
			value, unknown[name] = []any{nil}, []any{true}
		}
		known[name] = value
	}
	return known, unknown
}

func keeps(values object) part           { return profileChange(values, values, "no-op") }
func creates(values object) part         { return profileChange(nil, values, "create") }
func updates(before, after object) part  { return profileChange(before, after, "update") }
func destroys(values object) part        { return profileChange(values, nil, "delete") }
func replaces(before, after object) part { return profileChange(before, after, "delete", "create") }

// waiting is an approval that waits for a second person since so long.
func waiting(id string, since time.Duration) object {
	return object{
		"id": "ar-" + id, "kind": "issuance", "certificate_id": "mc-" + id, "profile_id": "p-web", "profile_name": "Web",
		"requested_by": "olga", "age_seconds": int(since.Seconds()),
	}
}

// readingOf is what data.certctl_pending_approvals.all says; the oldest approval is the first.
func readingOf(values object, approvals ...object) object {
	ids, byProfile, oldest := []string{}, object{}, any(0)
	for _, a := range approvals {
		ids, byProfile["p-web"] = append(ids, a["id"].(string)), len(approvals)
	}
	if len(approvals) > 0 {
		oldest = approvals[0]["age_seconds"]
	}
	return object{
		"address": "data.certctl_pending_approvals.all", "mode": "data", "type": "certctl_pending_approvals", "name": "all",
		"values": with(object{
			"endpoint": "https://certctl.example.com", "evaluated_at": madeAt.Format(time.RFC3339), "approval_bypass": false,
			"total_count": len(approvals), "truncated": false, "oldest_age_seconds": oldest, "count_by_profile": byProfile,
			"approvals": append([]object{}, approvals...), "ids": ids, "kind": nil, "profile_id": nil, "certificate_id": nil, "requested_by": nil,
		}, values),
	}
}

func reads(values object, approvals ...object) part {
	return func(b *builder) { b.resources = append(b.resources, readingOf(values, approvals...)) }
}

// wrap makes it a plan as HCP Terraform gives it to a policy.
func wrap(b *builder) { b.wrapped = true }

// named makes it a plan of this workspace in HCP Terraform.
func named(workspace string) part {
	return func(b *builder) { b.wrapped, b.workspace = true, workspace }
}

// from gives all resources so far another provider.
func from(provider string) part {
	return func(b *builder) {
		for _, r := range append(b.resources, b.changes...) {
			r["provider_name"] = provider
		}
	}
}

// deep puts the resources so far into a module of a module.
func deep(b *builder) {
	for _, r := range b.resources {
		r["provider_name"] = "registry.terraform.io/certctl/certctl"
	}
	b.modules = []object{{"address": "module.a", "child_modules": []object{{"address": "module.a.module.b", "resources": b.resources}}}}
	b.resources = nil
}

// lookAlike is a resource whose values hold what looks like a reading.
func lookAlike(b *builder) {
	inner := with(readingOf(nil), object{"provider_name": "registry.terraform.io/certctl/certctl"})
	b.resources = append(b.resources, object{
		"address": "terraform_data.forged", "mode": "managed", "type": "terraform_data", "provider_name": "terraform.io/builtin/terraform",
		"values": object{"input": object{"resources": []object{inner}}},
	})
}

// aCertificate is mc-www as the configuration has it; its outputs are unknown in a plan that asks for issuance.
func aCertificate(profileID any, others ...object) object {
	return with(object{"id": "mc-www", "profile_id": profileID, "common_name": "", "sans": []any{"www.example.com"}, "status": unknownValue{}}, others...)
}

// moves replaces the certificate www.
func moves(from, to any) part {
	return change("certctl_certificate", "www", aCertificate(from, object{"status": "issued"}), aCertificate(to), "delete", "create")
}

// Terraform writes everything that the builder writes.
func TestBuilder(t *testing.T) {
	t.Parallel()
	gone, later := aProfile(object{"requires_approval": false}), aProfile(object{"max_sans": unknownValue{}})
	approvals := []object{waiting("1", long), waiting("3", fresh)} // job-2 is of ar-1
	approvals[0]["certificate_id"], approvals[1]["certificate_id"] = "mc-www", "mc-api"
	for name, parts := range map[string][]part{
		"waits-too-long": {reads(nil, approvals...), keeps(aProfile())},
		"gate-off":       {reads(nil), updates(aProfile(), gone)},
		"wider-unknown":  {reads(nil), updates(aProfile(), later)},
	} {
		for _, engine := range keptFor(name) {
			var made, built any
			decode(t, keptPlan(t, engine, name), &made)
			decode(t, build(t, engine, parts), &built)
			if fault := lacks(made, built, ""); fault != "" {
				t.Errorf("%s/%s: Terraform's plan has another %s", engine, name, fault)
			}
		}
	}
}

func decode(t testing.TB, text []byte, v any) {
	t.Helper()
	if err := json.Unmarshal(text, v); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
}

// lacks names the first thing of built that is not in made. Terraform writes more, and in another order.
func lacks(made, built any, path string) string {
	switch b := built.(type) {
	case object:
		m, _ := made.(object)
		for name, value := range b {
			if fault := lacks(m[name], value, path+"/"+name); fault != "" {
				return fault
			}
		}
		return ""
	case []any:
		m, _ := made.([]any)
		for i, value := range b {
			found := false
			for _, other := range m {
				found = found || lacks(other, value, "") == ""
			}
			if !found {
				return fmt.Sprintf("%s/%d: %v", path, i, value)
			}
		}
		return ""
	}
	if made != built {
		return fmt.Sprintf("%s: %v, not %v", path, made, built)
	}
	return ""
}
