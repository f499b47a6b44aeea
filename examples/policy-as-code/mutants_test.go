package policy_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// mutant is a policy that somebody has weakened: one text in one file is replaced.
type mutant struct{ file, was, becomes string }

var mutants = map[string]mutant{
	"ignores nested modules":        {"plan.rego", `names - {"child_modules", "resources"}`, `names - {"resources"}`},
	"believes lookalikes":           {"plan.rego", "\tnames - {\"child_modules\", \"resources\"} == set()\n", ""},
	"reads planned values only":     {"plan.rego", "document.prior_state.values.root_module", "document.planned_values.root_module"},
	"ignores the wrapping":          {"plan.rego", "document := input.plan if {\n\tis_object(input.plan)\n", "document := input.plan if {\n\tfalse\n"},
	"takes any plan as complete":    {"plan.rego", "is_complete if document.complete == true", "is_complete if true"},
	"sees updates only":             {"plan.rego", `not change.change.actions in [["no-op"], ["read"]]`, `change.change.actions == ["update"]`},
	"unknown is known":              {"plan.rego", "\tvalue == true\n", "\tvalue == false\n\tnot value == false\n"},
	"sees readings of certctl only": {"plan.rego", "(resources | {change | some change in resource_changes})", "resources"},
	"ignores deferred":              {"readings.rego", `"read" in change.change.actions`, `"defer" in change.change.actions`},
	"any filter will do":            {"readings.rego", "not value in object.get(parameters.allowed_filters, name, [])", "false"},
	"one filter is forgotten":       {"readings.rego", `"certificate_id", `, ""},
	"the kind is no filter":         {"readings.rego", `"kind", `, ""},
	"an older reading only":         {"readings.rego", "abs(plan.timestamp - time.parse_rfc3339_ns(reading.values.evaluated_at))", "(plan.timestamp - time.parse_rfc3339_ns(reading.values.evaluated_at))"},
	"a newer reading only":          {"readings.rego", "abs(plan.timestamp - time.parse_rfc3339_ns(reading.values.evaluated_at))", "(time.parse_rfc3339_ns(reading.values.evaluated_at) - plan.timestamp)"},
	"a failed reading is one":       {"deny_reading.rego", "readings.found - readings.sound", "readings.sound - readings.found"},
	"any server will do":            {"deny_reading.rego", "not reading.values.endpoint in parameters.endpoints", "false"},
	"any reading will do":           {"deny_reading.rego", "reading.values.endpoint == endpoint", "true"},
	"any provider will do":          {"deny_reading.rego", "not resource.provider_name in parameters.provider_addresses", "false"},
	"the bypass is fine":            {"deny_reading.rego", "reading.values.approval_bypass == true", "false"},
	"trusts length(approvals)":      {"deny_reading.rego", "\treading.values.total_count > parameters.max_pending", "\tcount(reading.values.approvals) > parameters.max_pending"},
	"truncated is fine":             {"deny_reading.rego", "reading.values.truncated == true", "false"},
	"few may be listed":             {"deny_reading.rego", "min([500, parameters.max_pending])", "min([5, parameters.max_pending])"},
	"more than 500 are listed":      {"deny_reading.rego", "min([500, parameters.max_pending])", "parameters.max_pending"},
	"an emergency waits":            {"deny_reading.rego", "\tnot is_nothing_held_up\n", ""},
	"an emergency hides the rest":   {"at_once.rego", "\tevery change in plan.changes {\n\t\tchange in plan.profile_changes\n\t\tis_never_held_up(change)\n\t}\n", "\tsome change in plan.profile_changes\n\tis_never_held_up(change)\n"},
	"disabling waits":               {"at_once.rego", "after.enabled == false", "after.enabled == null"},
	"disabling takes edits along":   {"at_once.rego", "\tevery field in fields {\n\t\tapplies_at_once(field, change.change.after)\n\t}\n", "\tsome field in fields\n\tapplies_at_once(field, change.change.after)\n"},
	"a correction waits":            {"at_once.rego", `approval.kind == "profile_edit"`, `approval.kind == "edit"`},
	"what waits is a correction":    {"at_once.rego", `approval.kind == "profile_edit"`, "true"},
	"forgetting is fine":            {"deny_profile.rego", "\t\"forget\" in change.change.actions\n", "\tfalse\n"},
	"forgetting turns the gate off": {"deny_profile.rego", `["delete", "forget"]`, `["delete"]`},
	"an import is fine":             {"plan.rego", "\tis_managed_profile(change)\n\tis_object(change.change.after)\n", "\tchange in changes\n\tis_managed_profile(change)\n\tis_object(change.change.after)\n"},
	"nothing may be removed":        {"deny_profile.rego", "\t\"delete\" in change.change.actions\n\tis_gated(change.change.before)\n\tnot change.change.before.id in parameters.removable_profiles\n", "\t\"delete\" in change.change.actions\n\tis_gated(change.change.before)\n"},
	"a foreign profile is fine":     {"deny_certificate.rego", "\tid in foreign_ungated_profiles\n", "\tfalse\n"},
	"an imported name is old":       {"deny_certificate.rego", `object.get(change, "importing", null)`, "null"},
	"no name, no reading":           {"plan.rego", "must_hold_reading if not is_named\n", ""},
	"certctl needs no reading":      {"plan.rego", "count(of_certctl) > 0", "count(of_certctl) < 0"},
	"all need a reading":            {"plan.rego", `"*" in parameters.root_modules_with_reading`, "true"},
	"none needs a reading":          {"plan.rego", "must_hold_reading if root_module in parameters.root_modules_with_reading", "must_hold_reading if false"},
	"narrower is wider":             {"patterns.rego", "\tnet.cidr_contains(old, new)\n", "\tfalse\n"},
	"looks at the listed only":      {"deny_reading.rego", "\treading.values.oldest_age_seconds > parameters.max_pending_hours * 3600", "\tevery a in reading.values.approvals {\n\t\ta.age_seconds > parameters.max_pending_hours * 3600\n\t}"},
	"compares strings as numbers":   {"parameters.rego", `"max_pending_hours": "number",`, ""},
	"a parameter may be missing":    {"parameters.rego", "not name in object.keys(supplied)", "false"},
	"no server need be named":       {"parameters.rego", "if count(supplied.endpoints) == 0", "if count(supplied.endpoints) < 0"},
	"looks for listed profiles":     {"deny_reading.rego", "waiting := reading.values.count_by_profile[change.change.before.id]", "waiting := count([a | some a in reading.values.approvals; a.profile_id == change.change.before.id])"},
	"false only turns the gate off": {"deny_profile.rego", "\tnot removes(change)\n\tnot is_gated(change.change.after)", "\tchange.change.after.requires_approval == false"},
	"no id, no gate":                {"deny_profile.rego", "not may_be_ungated(profile.values)", "not profile.values.id in parameters.ungated_profiles"},
	"a label permits":               {"deny_profile.rego", "not may_be_ungated(profile.values)", "object.get(profile.values, [\"labels\", \"environment\"], null) != \"development\""},
	"a name permits":                {"deny_profile.rego", "profile.id in parameters.ungated_profiles", "profile.name in parameters.ungated_profiles"},
	"certificates may leave":        {"deny_certificate.rego", "\tis_object(change.change.before)\n", "\tfalse\n\tis_object(change.change.before)\n"},
	"what is not shown is a gate":   {"deny_certificate.rego", "\tnot after in safe_profiles\n", "\tafter in profiles_without_gate\n"},
	"what is not shown was open":    {"deny_certificate.rego", "\tnot before in profiles_without_gate\n", "\tbefore in gated_profiles\n"},
	"a gate to come will do":        {"deny_certificate.rego", "\tnot gates[id]\n", ""},
	"a failed reading is a gate":    {"deny_certificate.rego", "\tshown == {true}\n", "\tshown != {false}\n"},
	"another block may":             {"deny_certificate.rego", "\toverlap(name, held)\n", "\tfalse\n"},
	"unknown names are fine":        {"deny_certificate.rego", "\tplan.is_unknown(change, field)\n", "\tfalse\n"},
	"replacing is no destroying":    {"deny_profile.rego", "\t\"delete\" in change.change.actions\n\tis_gated", "\tchange.change.actions == [\"delete\"]\n\tis_gated"},
	"counts instead of comparing":   {"deny_profile.rego", "some element in change.change.after[field]; not patterns.is_permitted(field, change.change.before[field], element)", "count(change.change.after[field]) > count(change.change.before[field]) + 1"},
	"any size of a known algorithm": {"deny_profile.rego", "allowed.min_size <= key.min_size", "true"},
	"limits may grow":               {"deny_profile.rego", "change.change.after[field] > change.change.before[field]", "change.change.after[field] < 0"},
	"any subject":                   {"deny_profile.rego", "subject_of(change.change.after) != subject_of(change.change.before)", "count(subject_of(change.change.after)) < count(subject_of(change.change.before))"},
	"any key usage":                 {"deny_profile.rego", "key_usages(change.change.after) != key_usages(change.change.before)", "false"},
	"any common name":               {"deny_profile.rego", `, "allowed_common_names"`, ""},
	"underscores are fine":          {"deny_profile.rego", `"allow_underscores", `, ""},
	"extras may be listed":          {"deny_profile.rego", `change.change.before.csr_extras == "refuse"`, "false"},
	"refusing extras is wider":      {"deny_profile.rego", `change.change.before.csr_extras == "refuse"; change.change.after.csr_extras != "refuse"`, "change.change.before.csr_extras != change.change.after.csr_extras"},
	"unknown rules are fine":        {"deny_profile.rego", "\t{field | some field in rules; plan.is_unknown(change, field)},\n", ""},
}

// A policy that was weakened in one place is found out by a plan that is kept or built.
func TestPolicies_MutantsAreCaught(t *testing.T) {
	t.Parallel()
	all := fixtures(t)
	for name, m := range mutants {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for plan, v := range judge(t, m.folder(t), all) {
				if scenarioOf(plan).fault(filepath.Dir(plan), v) != "" {
					return
				}
			}
			t.Error("no plan tells it from the policy")
		})
	}
}

// folder is a copy of the policies with the one text replaced.
func (m mutant) folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	err := fs.WalkDir(os.DirFS("opa"), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, "_test.rego") {
			return err
		}
		content, err := os.ReadFile(filepath.Join("opa", path))
		if err != nil {
			return err
		}
		text := string(content)
		if filepath.Base(path) == m.file {
			if strings.Count(text, m.was) != 1 {
				t.Errorf("%s has %q %d times", m.file, m.was, strings.Count(text, m.was))
			}
			text = strings.Replace(text, m.was, m.becomes, 1)
		}
		write(t, filepath.Join(dir, path), []byte(text))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
