package provider_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// attribute is a writable attribute. Its values are JSON, which is also valid HCL.
type attribute struct {
	first, second string   // the value of the create and of the update
	empty         string   // the "", [], {} or 0 of the type, if there is one
	refused       string   // the error about the empty value; without one the empty value is valid
	also          []string // the outputs that change with the attribute
	replaces      bool     // a change replaces the object
	stays         bool     // without a value in the configuration, the old value stays
	recorded      bool     // the first value changes no output
	local         bool     // Terraform's own: the server is not told
}

// resourceCase is a resource type. Each of its writable attributes has an object with the name of the attribute.
type resourceCase struct {
	kind     string
	rows     map[string]attribute
	base     func(row string) map[string]string // the minimal configuration
	standard any                                // the values of the other attributes
	get      func(id string) (any, error)
	put      func(id string, spec []byte) error
	settle   func() // waits until no job is open
}

// newServer runs a server on a fresh database.
type newServer func(testing.TB, ...servertest.Option) *servertest.Server

func newProfileCase(t *testing.T, start newServer) (*servertest.Server, resourceCase) {
	// The bypass approves at once, so turning the gate off applies.
	s := start(t, servertest.Bypass())
	olga := s.Client(t, "olga")
	return s, resourceCase{
		kind: profileType,
		rows: map[string]attribute{
			"id":                     {first: `"p-first"`, second: `"p-second"`, empty: `""`, refused: "is no id", also: []string{"created_at"}, replaces: true, stays: true},
			"name":                   {first: `"One, für <alle> & mehr"`, second: `"two"`, empty: `""`, refused: "between 1"},
			"description":            {first: `"one\ntwo"`, second: `"two"`, empty: `""`},
			"enabled":                {first: `false`, second: `true`},
			"requires_approval":      {first: `true`, second: `false`},
			"issuer_id":              {first: `"iss-local"`, second: `"iss-local"`, empty: `""`, refused: "at least 1"}, // a server has one issuer
			"allowed_key_algorithms": {first: `[{"algorithm":"Ed25519"}]`, second: `[{"algorithm":"RSA","min_size":3072}]`, empty: `[]`, refused: "at least 1"},
			"allowed_ekus":           {first: `["clientAuth"]`, second: `["clientAuth","serverAuth"]`, empty: `[]`, refused: "at least 1"},
			"allowed_dns_names":      {first: `["**.example.com"]`, second: `["*.example.org","example.net"]`, empty: `[]`},
			"allow_wildcard_names":   {first: `true`, second: `false`},
			"allowed_ip_ranges":      {first: `["10.0.0.0/8"]`, second: `["192.0.2.0/24","2001:db8::/32"]`, empty: `[]`},
			"allowed_uris":           {first: `["spiffe://example.com/ns/*"]`, second: `["spiffe://example.com/**"]`, empty: `[]`},
			"allowed_email_domains":  {first: `["example.com"]`, second: `["example.com","example.org"]`, empty: `[]`},
			"max_sans":               {first: `7`, second: `1`, empty: `0`, refused: "between 1 and 1000"},
			"subject_attributes":     {first: `{"organization":["Example"],"country":["DE"]}`, second: `{"organization":["Example","Example GmbH"],"locality":["Zürich"]}`, empty: `{}`},
			"allowed_common_names":   {first: `["node-*"]`, second: `["app_*","node-*"]`, empty: `[]`},
			"key_usages":             {first: `["digitalSignature"]`, second: `["contentCommitment","digitalSignature"]`, empty: `[]`, refused: "key_usages: the list is empty"},
			"allow_underscores":      {first: `true`, second: `false`},
			"csr_extras":             {first: `"refuse"`, second: `"list"`, empty: `""`, refused: "neither list nor refuse"},
			"max_ttl_seconds":        {first: `3600`, second: `315360000`, empty: `0`, refused: "between 3600"},
			"labels":                 {first: `{"example.com/tier":"1","team":"edge"}`, second: `{"team":""}`, empty: `{}`},
		},
		base: func(row string) map[string]string {
			base := map[string]string{"id": quote("p-" + dashed(row)), "name": quote(row), "requires_approval": "false"}
			switch row {
			case "id":
				delete(base, "id")
			case "allowed_common_names":
				base["allowed_ekus"] = `["clientAuth"]` // with serverAuth the server allows none
			}
			return base
		},
		standard: api.DefaultProfileSpec(),
		get: func(id string) (any, error) {
			p, err := olga.GetProfile(t.Context(), id)
			return p.ProfileSpec, err
		},
		put: func(id string, text []byte) error {
			var spec api.ProfileSpec
			_, err := olga.ReplaceProfile(t.Context(), id, decode(t, text, &spec))
			return err
		},
		settle: func() {},
	}
}

func newCertificateCase(t *testing.T, start newServer) (*servertest.Server, resourceCase) {
	s := start(t)
	olga := s.Client(t, "olga")
	profiles := []string{s.CreateProfileAsOlga(t, false).ID, s.CreateProfileAsOlga(t, false).ID, s.CreateProfileAsOlga(t, false).ID}
	csrs := map[string]string{}
	ofContent := append([]string{"csr_ignored"}, issuanceOutputs...)
	rows := map[string]attribute{
		"id":                   {first: `"mc-first"`, second: `"mc-second"`, empty: `""`, refused: "is no id", also: ofContent, replaces: true},
		"profile_id":           {first: quote(profiles[1]), second: quote(profiles[2]), empty: `""`, refused: "at least 1", also: ofContent, replaces: true},
		"common_name":          {first: `"common-name.example.com"`, second: `"b.example.com"`, empty: `""`, also: ofContent},
		"sans":                 {first: `["a.example.com"]`, second: `["a.example.com","b.a.example.com"]`, empty: `[]`, refused: "Give sans at least one name", also: ofContent},
		"csr_pem":              {first: quote(servertest.CSR(t)), second: quote(servertest.CSR(t)), empty: `""`, refused: "A CSR is required", also: ofContent},
		"auto_renew":           {first: `false`, second: `true`},
		"renew_before_seconds": {first: `86400`, second: `1`, empty: `0`, refused: "at least 1", also: []string{"renew_at", "ready_for_renewal"}},
		"labels":               {first: `{"example.com/tier":"1","team":"edge"}`, second: `{"team":""}`, empty: `{}`},
		"renewal_triggers":     {first: `{"n":"1"}`, second: `{"n":"2"}`, empty: `{}`, also: issuanceOutputs, recorded: true, local: true},
		"wait_for_issuance":    {first: `true`, second: `false`, local: true},
		"timeouts":             {first: `{"create":"1m"}`, second: `{"create":"1m","delete":"1m"}`, empty: `{}`, local: true},
	}
	for row := range rows {
		csrs[row] = quote(servertest.CSR(t))
	}
	return s, resourceCase{
		kind: certificateType, rows: rows,
		base: func(row string) map[string]string {
			return map[string]string{
				"id": quote("mc-" + dashed(row)), "profile_id": quote(profiles[0]), "csr_pem": csrs[row],
				"sans": fmt.Sprintf(`["b.example.com",%q]`, dashed(row)+".example.com"),
			}
		},
		standard: struct {
			api.CertificateSpec
			WaitForIssuance bool `json:"wait_for_issuance"`
		}{CertificateSpec: api.DefaultCertificateSpec()},
		get: func(id string) (any, error) {
			c, err := olga.GetCertificate(t.Context(), id)
			return c.CertificateSpec, err
		},
		put: func(id string, text []byte) error {
			var spec api.CertificateSpec
			_, err := olga.ReplaceCertificate(t.Context(), id, decode(t, text, &spec))
			return err
		},
		settle: func() { nothingOpen(t, s) },
	}
}

// The outputs of a plan that can end with another leaf.
var (
	requestOutputs = []string{"status", "job_id", "approval_id", "approval_state", "up_to_date"}
	leafOutputs    = []string{
		"serial_number", "not_before", "not_after", "fingerprint_sha256", "spki_sha256", "signed_sans", "issuer_id",
		"certificate_pem", "chain_pem", "full_chain_pem", "renew_at", "ready_for_renewal",
	}
	issuanceOutputs = slices.Concat(requestOutputs, leafOutputs)
)

func nothingOpen(t *testing.T, s *servertest.Server) {
	t.Helper()
	servertest.WaitUntil(t, func() error {
		open := 0
		if s.Query(t, &open, `SELECT count(*) FROM jobs WHERE status IN ('Pending', 'Running')`); open > 0 {
			return fmt.Errorf("%d jobs are open", open)
		}
		return nil
	})
}

// eachResource runs a test for both resource types in parallel.
func eachResource(t *testing.T, start newServer, test func(t *testing.T, s *servertest.Server, w resourceCase)) {
	t.Helper()
	t.Parallel()
	for kind, written := range map[string]func(*testing.T, newServer) (*servertest.Server, resourceCase){"profile": newProfileCase, "certificate": newCertificateCase} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s, w := written(t, start)
			test(t, s, w)
		})
	}
}

// A value returns the value of an attribute in a configuration; empty for the value in the minimal configuration.
type value func(w resourceCase, row string) string

func minimalValue(resourceCase, string) string      { return "" }
func firstValue(w resourceCase, row string) string  { return w.rows[row].first }
func secondValue(w resourceCase, row string) string { return w.rows[row].second }

// emptyValue returns the second value if there is no empty value.
func emptyValue(w resourceCase, row string) string {
	if a := w.rows[row]; a.empty != "" && a.refused == "" {
		return a.empty
	}
	return secondValue(w, row)
}

// nullValue returns null for an optional attribute, and the minimal value for a required one.
func nullValue(w resourceCase, row string) string {
	if w.base(row)[row] != "" {
		return ""
	}
	return "null"
}

// referencedValue refers to another resource. The value is unknown in a plan that changes the other resource.
func referencedValue(_ resourceCase, row string) string { return "terraform_data.in.output." + row }

// configuration has an object for every row. Only the attribute of the row has its value.
func (w resourceCase) configuration(of value) string {
	var b strings.Builder
	for row := range w.rows {
		members := w.base(row)
		if v := of(w, row); v != "" {
			members[row] = v
		}
		fmt.Fprintf(&b, "resource %q %q {\n%s}\n", w.kind, row, lines(members))
	}
	return b.String()
}

// referencedConfiguration has the resource that holds the values of every row.
func (w resourceCase) referencedConfiguration(of value) string {
	input := map[string]string{}
	for row := range w.rows {
		input[row] = of(w, row)
	}
	return "resource \"terraform_data\" \"in\" {\n  input = {\n" + lines(input) + "  }\n}\n"
}

func lines(members map[string]string) string {
	var b strings.Builder
	for name, v := range members {
		fmt.Fprintf(&b, "  %s = %s\n", name, v)
	}
	return b.String()
}

// effectiveValue returns the value of a row in the configuration, or the default.
func (w resourceCase) effectiveValue(row string, of value) any {
	v := cmp.Or(of(w, row), w.base(row)[row], "null")
	if v == "null" {
		return sortedMembers(w.standard)[row]
	}
	var out any
	if err := json.Unmarshal([]byte(v), &out); err != nil {
		panic(err)
	}
	return sorted(out)
}

// expectedChanges returns the lines that a plan must show for each changed object.
func (w resourceCase) expectedChanges(from, to value) map[string][]string {
	out := map[string][]string{}
	for row, a := range w.rows {
		stays := a.stays && to(w, row) == "null"
		before, after := w.effectiveValue(row, from), w.effectiveValue(row, to)
		switch {
		case stays || reflect.DeepEqual(before, after):
		case isEmpty(before) && (isEmpty(after) || a.recorded):
			out[row] = []string{row} // null and empty are the same
		default:
			out[row] = a.lines(row)
		}
	}
	return out
}

// keepLeaf removes the outputs of the leaf from changes of names and CSR. The leaf has the restored names and key already.
func keepLeaf(changes map[string][]string) map[string][]string {
	for row, lines := range changes {
		if slices.Contains(lines, "csr_ignored") {
			changes[row] = slices.DeleteFunc(lines, func(line string) bool { return slices.Contains(leafOutputs, line) })
		}
	}
	return changes
}

// isEmpty reports whether a map has no members, or is absent.
func isEmpty(v any) bool {
	members, isMap := v.(map[string]any)
	return v == nil || isMap && len(members) == 0
}

func (a attribute) lines(row string) []string {
	return slices.Sorted(slices.Values(append([]string{row}, a.also...)))
}

// checkPlan fails a plan that changes anything but these lines.
func (w resourceCase) checkPlan(want map[string][]string) resource.ConfigPlanChecks {
	return resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{planCheckFunc(func(plan plancheck.CheckPlanRequest) error {
		got := map[string][]string{}
		for _, r := range plan.Plan.ResourceChanges {
			if r.Type != w.kind {
				continue
			}
			if changed := changedLines(r.Change.Before, r.Change.After, r.Change.AfterUnknown); len(changed) > 0 {
				got[r.Name] = changed
			}
			if replaces := len(got[r.Name]) > 0 && w.rows[r.Name].replaces; replaces != r.Change.Actions.Replace() {
				return fmt.Errorf("%s is planned as %v", r.Address, r.Change.Actions)
			}
		}
		if diff := gocmp.Diff(want, got); diff != "" {
			return fmt.Errorf("the plan changes something else (-want +got):\n%s", diff)
		}
		return nil
	})}}
}

type planCheckFunc func(plancheck.CheckPlanRequest) error

// CheckPlan implements plancheck.PlanCheck.
func (f planCheckFunc) CheckPlan(_ context.Context, req plancheck.CheckPlanRequest, resp *plancheck.CheckPlanResponse) {
	resp.Error = f(req)
}

// changedLines returns the attributes that a plan changes or leaves unknown.
func changedLines(before, after, unknown any) (names []string) {
	b, _ := before.(map[string]any)
	a, _ := after.(map[string]any)
	u, _ := unknown.(map[string]any)
	for name := range b {
		if isTrue(u[name]) || !reflect.DeepEqual(a[name], b[name]) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// isTrue reports whether a value holds a true anywhere.
func isTrue(v any) bool {
	switch v := v.(type) {
	case bool:
		return v
	case []any:
		return slices.ContainsFunc(v, isTrue)
	case map[string]any:
		return slices.ContainsFunc(slices.Collect(maps.Values(v)), isTrue)
	default:
		return false
	}
}

// checkServer compares every object with the server's.
func (w resourceCase) checkServer(of value) resource.TestCheckFunc {
	return func(state *terraform.State) error {
		var all []error
		for row := range w.rows {
			got, err := w.get(state.RootModule().Resources[w.kind+"."+row].Primary.ID)
			if diff := gocmp.Diff(w.spec(row, of), sortedMembers(got)); err == nil && diff != "" {
				err = errors.New(diff)
			}
			if err != nil {
				all = append(all, fmt.Errorf("%s on the server: %w", row, err))
			}
		}
		return errors.Join(all...)
	}
}

// spec returns the content that the server must have.
func (w resourceCase) spec(row string, of value) map[string]any {
	want := sortedMembers(w.standard)
	for name := range w.base(row) {
		want[name] = w.effectiveValue(name, func(resourceCase, string) string { return w.base(row)[name] })
	}
	want[row] = w.effectiveValue(row, of)
	delete(want, "id")
	for name, a := range w.rows {
		if a.local {
			delete(want, name)
		}
	}
	return want
}

// changeOnServer sets every attribute to its first value on the server.
func (w resourceCase) changeOnServer(t *testing.T) func() {
	return func() {
		w.settle()
		for row, a := range w.rows {
			if a.local || a.replaces {
				continue
			}
			var id string
			decode(t, []byte(w.base(row)["id"]), &id)
			text, err := json.Marshal(w.spec(row, firstValue))
			if err == nil {
				err = w.put(id, text)
			}
			if err != nil {
				t.Fatalf("%s: %v", row, err)
			}
		}
	}
}

// driftedValues are the values after changeOnServer.
func driftedValues(w resourceCase, row string) string {
	if a := w.rows[row]; a.local || a.replaces {
		return nullValue(w, row)
	}
	return firstValue(w, row)
}

// Each attribute is set, changed, emptied, set to null, and changed by somebody else. The plan shows that attribute and its
// outputs alone, the server has the value, and the next plan is empty.
func TestAttributes_ChangeAlone(t *testing.T) {
	eachResource(t, servertest.New, func(t *testing.T, s *servertest.Server, w resourceCase) {
		step := func(before func(), from, to value) resource.TestStep {
			return resource.TestStep{
				PreConfig: before, Config: configurationAs(t, s, "terraform", w.configuration(to)),
				ConfigPlanChecks: w.checkPlan(w.expectedChanges(from, to)), Check: w.checkServer(to),
			}
		}
		runSteps(t,
			resource.TestStep{Config: configurationAs(t, s, "terraform", w.configuration(minimalValue)), Check: w.checkServer(minimalValue)},
			step(w.settle, minimalValue, firstValue),
			step(w.settle, firstValue, secondValue),
			step(w.settle, secondValue, emptyValue),
			step(w.settle, emptyValue, nullValue),
			resource.TestStep{
				PreConfig: w.changeOnServer(t), Config: configurationAs(t, s, "terraform", w.configuration(nullValue)),
				ConfigPlanChecks: w.checkPlan(keepLeaf(w.expectedChanges(driftedValues, nullValue))), Check: w.checkServer(nullValue),
			},
		)
	})
}

// A value of a resource that does not exist yet is unknown in the plan of a create and of an update. The test runs on
// PostgreSQL, so that the race detector sees parallel calls of the provider.
func TestAttributes_Unknown(t *testing.T) {
	eachResource(t, servertest.NewPostgres, func(t *testing.T, s *servertest.Server, w resourceCase) {
		all := map[string][]string{}
		for row, a := range w.rows {
			all[row] = a.lines(row)
		}
		configuration := func(of value) string {
			return configurationAs(t, s, "terraform", w.referencedConfiguration(of)+w.configuration(referencedValue))
		}
		runSteps(t,
			resource.TestStep{Config: configuration(firstValue), Check: w.checkServer(firstValue)},
			resource.TestStep{PreConfig: w.settle, Config: configuration(secondValue), ConfigPlanChecks: w.checkPlan(all), Check: w.checkServer(secondValue)},
		)
	})
}

// If wait_for_issuance is unknown, the outputs are unknown as in a plan that waits. The apply waits, and fails after its
// timeout.
func TestCertificate_MayHaveToWait(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	profile, key := s.CreateProfileAsOlga(t, true).ID, servertest.CSR(t)
	configuration := func(wait string) string {
		return configurationAs(t, s, "terraform", certificate(profile, key, www, "timeouts = { update = \"1ms\" }\n"+wait))
	}
	runSteps(t,
		resource.TestStep{Config: configuration("")},
		resource.TestStep{
			Config: configuration("wait_for_issuance = terraform_data.in.output") + "resource \"terraform_data\" \"in\" {\n  input = true\n}\n",
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{
				plancheck.ExpectUnknownValue(certificateAddress, tfjsonpath.New("status")),
				plancheck.ExpectUnknownValue(certificateAddress, tfjsonpath.New("certificate_pem")),
			}},
			ExpectError: regexp.MustCompile(`Certificate mc-www awaits approval`),
		},
	)
}

// Every writable attribute has a row above. An empty value without a meaning is refused before a request is sent.
func TestAttributes_Empty(t *testing.T) {
	eachResource(t, servertest.New, func(t *testing.T, s *servertest.Server, w resourceCase) {
		p := configuredProvider(t, s.URL, s.Key(t, "vera"), nil)
		schemas, err := p.GetProviderSchema(t.Context(), &tfprotov6.GetProviderSchemaRequest{})
		if err != nil {
			t.Fatal(err)
		}
		minimal := map[string]json.RawMessage{}
		for _, a := range schemas.ResourceSchemas[w.kind].Block.Attributes {
			minimal[a.Name] = nil
			if _, ok := w.rows[a.Name]; ok != (a.Optional || a.Required) {
				t.Errorf("%s: there is a row: %t", a.Name, ok)
			}
		}
		for row, a := range w.rows {
			if a.empty == "" {
				continue
			}
			config := maps.Clone(minimal)
			for name, v := range w.base(row) {
				config[name] = json.RawMessage(v)
			}
			config[row] = json.RawMessage(a.empty)
			if said := p.invalid(t, w.kind, config); (said == "") != (a.refused == "") || !strings.Contains(said, a.refused) {
				t.Errorf("%s = %s: %q", row, a.empty, said)
			}
		}
	})
}

// invalid returns the errors of the provider's validation of a configuration.
func (w wire) invalid(t *testing.T, kind string, config map[string]json.RawMessage) string {
	t.Helper()
	text, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := w.ValidateResourceConfig(t.Context(), &tfprotov6.ValidateResourceConfigRequest{TypeName: kind, Config: &tfprotov6.DynamicValue{JSON: text}})
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, d := range resp.Diagnostics {
		fmt.Fprintln(&all, d.Attribute, d.Summary, d.Detail)
	}
	return all.String()
}

// An existing object is imported by a block of each form. The configuration that Terraform generates is valid, and the
// next plan is empty.
func TestImport_WritesTheConfiguration(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	olga := s.Client(t, "olga")
	if _, err := olga.CreateProfile(t.Context(), api.CreateProfile{ID: "p-cdn", ProfileSpec: everyFieldSpec()}); err != nil {
		t.Fatal(err)
	}
	open, gated := s.CreateProfileAsOlga(t, false), s.CreateProfileAsOlga(t, true)
	days := int64(86400)
	everything := api.CertificateSpec{
		CommonName: "a.example.com", SANs: []string{"b.example.com", "a.example.com"}, ProfileID: open.ID, CSRPEM: servertest.CSR(t),
		RenewBeforeSeconds: &days, Labels: map[string]string{"example.com/tier": "${1}"},
	}
	issued, err := olga.CreateCertificate(t.Context(), api.CreateCertificate{CertificateSpec: everything}, client.IssueOptions{})
	if err != nil {
		t.Fatal(err)
	}
	nothingOpen(t, s)
	waiting := s.CreateCertificateAsOlga(t, gated.ID)
	if _, err := olga.RenewCertificate(t.Context(), waiting.ID, api.Renew{}); err != nil {
		t.Fatal(err)
	}
	for id, address := range map[string]string{
		"p-cdn":                         profileAddress,
		"name:" + everyFieldSpec().Name: profileAddress,
		gated.ID:                        profileAddress,
		issued.ID:                       certificateAddress,
		waiting.ID:                      certificateAddress,
	} {
		t.Run(id, func(t *testing.T) {
			runSteps(t, resource.TestStep{
				Config: configurationAs(t, s, "terraform", ""), ResourceName: address, ImportState: true, ImportStateId: id,
				ImportStateKind: resource.ImportBlockWithID, GenerateConfig: true,
			})
		})
	}
}

// The destroy of an archived certificate succeeds.
func TestCertificate_ArchivedBeforeDestroy(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	configuration := configurationAs(t, s, "terraform", certificate(s.CreateProfileAsOlga(t, true).ID, servertest.CSR(t), www, ""))
	archive := duringPlan(func(ctx context.Context) error { return s.Client(t, "olga").DeleteCertificate(ctx, "mc-www") })
	runSteps(t,
		resource.TestStep{Config: configuration},
		resource.TestStep{
			Config: configuration, Destroy: true,
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{archive}},
		},
	)
}

// sortedMembers returns the members of a value's JSON, with sets sorted.
func sortedMembers(of any) map[string]any {
	text, err := json.Marshal(of)
	if err != nil {
		panic(err)
	}
	out := map[string]any{}
	if err := json.Unmarshal(text, &out); err != nil {
		panic(err)
	}
	return sorted(out).(map[string]any)
}

func sorted(v any) any {
	switch v := v.(type) {
	case []any:
		slices.SortFunc(v, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	case map[string]any:
		for _, member := range v {
			sorted(member)
		}
	}
	return v
}

func decode[T any](t *testing.T, text []byte, into *T) T {
	t.Helper()
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatal(err)
	}
	return *into
}

func quote(s string) string { return fmt.Sprintf("%q", s) }

func dashed(s string) string { return strings.ReplaceAll(s, "_", "-") }
