package provider_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
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

// attribute is one that can be written. Its values are JSON, which Terraform's language takes as it is.
type attribute struct {
	first, second string   // what it is set to, and then changed to
	empty         string   // its "", [], {} or 0, if there is one
	refused       string   // what is said of the empty one; when nothing is, it means that very value
	also          []string // the outputs that change with it
	replaces      bool     // a change makes another object
	stays         bool     // left out, it is what it was
	local         bool     // Terraform's own: the server is not told
}

// written is a resource type whose attributes are written, each on an object of its own that has its name.
type written struct {
	kind     string
	rows     map[string]attribute
	base     func(row string) map[string]string // the minimal configuration
	standard any                                // what the rest is
	get      func(id string) (any, error)
	put      func(id string, spec []byte) error
	settle   func() // until nothing is under way
}

// newServer runs a server on a fresh database.
type newServer func(testing.TB, ...servertest.Option) *servertest.Server

func writtenProfiles(t *testing.T, start newServer) (*servertest.Server, written) {
	// The bypass stands for the second person: turning the gate off applies, too.
	s := start(t, servertest.Bypass())
	olga := s.Client(t, "olga")
	return s, written{
		kind: profileType,
		rows: map[string]attribute{
			"id":                     {first: `"p-first"`, second: `"p-second"`, empty: `""`, refused: "at least 1", also: []string{"created_at"}, replaces: true, stays: true},
			"name":                   {first: `"One, für <alle> & mehr"`, second: `"two"`, empty: `""`, refused: "between 1"},
			"description":            {first: `"one\ntwo"`, second: `"two"`, empty: `""`},
			"enabled":                {first: `false`, second: `true`},
			"requires_approval":      {first: `true`, second: `false`},
			"issuer_id":              {first: `"iss-local"`, second: `"iss-local"`, empty: `""`, refused: "at least 1"}, // a server has one
			"allowed_key_algorithms": {first: `[{"algorithm":"Ed25519"}]`, second: `[{"algorithm":"RSA","min_size":3072}]`, empty: `[]`, refused: "at least 1"},
			"allowed_ekus":           {first: `["clientAuth"]`, second: `["clientAuth","serverAuth"]`, empty: `[]`, refused: "at least 1"},
			"allowed_dns_names":      {first: `["**.example.com"]`, second: `["*.example.org","example.net"]`, empty: `[]`},
			"allow_wildcard_names":   {first: `true`, second: `false`},
			"allowed_ip_ranges":      {first: `["10.0.0.0/8"]`, second: `["192.0.2.0/24","2001:db8::/32"]`, empty: `[]`},
			"allowed_uris":           {first: `["spiffe://example.com/ns/*"]`, second: `["spiffe://example.com/**"]`, empty: `[]`},
			"allowed_email_domains":  {first: `["example.com"]`, second: `["example.com","example.org"]`, empty: `[]`},
			"max_sans":               {first: `7`, second: `1`, empty: `0`, refused: "between 1 and 1000"},
			"max_ttl_seconds":        {first: `3600`, second: `315360000`, empty: `0`, refused: "between 3600"},
			"labels":                 {first: `{"example.com/tier":"1","team":"edge"}`, second: `{"team":""}`, empty: `{}`},
		},
		base: func(row string) map[string]string {
			base := map[string]string{"id": quoted("p-" + dashed(row)), "name": quoted(row), "requires_approval": "false"}
			if row == "id" {
				delete(base, "id")
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
			_, err := olga.ReplaceProfile(t.Context(), id, decoded(t, text, &spec))
			return err
		},
		settle: func() {},
	}
}

func writtenCertificates(t *testing.T, start newServer) (*servertest.Server, written) {
	s := start(t)
	olga := s.Client(t, "olga")
	profiles := []string{s.Profile(t, false).ID, s.Profile(t, false).ID, s.Profile(t, false).ID}
	csrs := map[string]string{}
	rows := map[string]attribute{
		"id":                   {first: `"mc-first"`, second: `"mc-second"`, empty: `""`, refused: "at least 1", also: issuance, replaces: true},
		"profile_id":           {first: quoted(profiles[1]), second: quoted(profiles[2]), empty: `""`, refused: "at least 1", also: issuance, replaces: true},
		"common_name":          {first: `"common-name.example.com"`, second: `"b.example.com"`, empty: `""`, also: issuance},
		"sans":                 {first: `["a.example.com"]`, second: `["a.example.com","b.a.example.com"]`, empty: `[]`, refused: "at least 1", also: issuance},
		"csr_pem":              {first: quoted(servertest.CSR(t)), second: quoted(servertest.CSR(t)), empty: `""`, refused: "A CSR is required", also: issuance},
		"auto_renew":           {first: `false`, second: `true`},
		"renew_before_seconds": {first: `86400`, second: `1`, empty: `0`, refused: "at least 1", also: []string{"renew_at", "ready_for_renewal"}},
		"labels":               {first: `{"example.com/tier":"1","team":"edge"}`, second: `{"team":""}`, empty: `{}`},
		"renewal_triggers":     {first: `{"n":"1"}`, second: `{"n":"2"}`, empty: `{}`, also: issuance, local: true},
		"wait_for_issuance":    {first: `true`, second: `false`, local: true},
		"timeouts":             {first: `{"create":"1m"}`, second: `{"create":"1m","delete":"1m"}`, empty: `{}`, local: true},
	}
	for row := range rows {
		csrs[row] = quoted(servertest.CSR(t))
	}
	return s, written{
		kind: certificateType, rows: rows,
		base: func(row string) map[string]string {
			return map[string]string{
				"id": quoted("mc-" + dashed(row)), "profile_id": quoted(profiles[0]), "csr_pem": csrs[row],
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
			_, err := olga.ReplaceCertificate(t.Context(), id, decoded(t, text, &spec))
			return err
		},
		settle: func() { nothingOpen(t, s) },
	}
}

// issuance are the outputs of a plan that asks for it.
var issuance = []string{
	"status", "job_id", "approval_id", "approval_state", "serial_number", "not_after", "renew_at", "ready_for_renewal", "certificate_pem", "chain_pem",
}

func nothingOpen(t *testing.T, s *servertest.Server) {
	t.Helper()
	servertest.Eventually(t, func() error {
		open := 0
		if s.Query(t, &open, `SELECT count(*) FROM jobs WHERE status IN ('Pending', 'Running')`); open > 0 {
			return fmt.Errorf("%d jobs are open", open)
		}
		return nil
	})
}

// eachWritten runs a test for both resource types at once.
func eachWritten(t *testing.T, start newServer, test func(t *testing.T, s *servertest.Server, w written)) {
	t.Helper()
	t.Parallel()
	for kind, written := range map[string]func(*testing.T, newServer) (*servertest.Server, written){"profile": writtenProfiles, "certificate": writtenCertificates} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s, w := written(t, start)
			test(t, s, w)
		})
	}
}

// A value is what the configuration gives an attribute; empty where it says what the minimal one says.
type value func(w written, row string) string

func asMinimal(written, string) string    { return "" }
func first(w written, row string) string  { return w.rows[row].first }
func second(w written, row string) string { return w.rows[row].second }

// emptied keeps the second value where there is no empty one.
func emptied(w written, row string) string {
	if a := w.rows[row]; a.empty != "" && a.refused == "" {
		return a.empty
	}
	return second(w, row)
}

// null is for what may be left out; the rest goes back to the minimal configuration.
func null(w written, row string) string {
	if w.base(row)[row] != "" {
		return ""
	}
	return "null"
}

// fromElsewhere takes the values from another resource, so that they are unknown in a plan that changes it.
func fromElsewhere(_ written, row string) string { return "terraform_data.in.output." + row }

// configuration has an object for every row, in which only that attribute has its value.
func (w written) configuration(of value) string {
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

// elsewhere holds the values of every row.
func (w written) elsewhere(of value) string {
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

// effective is what a row comes to: what the configuration says, or the default.
func (w written) effective(row string, of value) any {
	v := cmp.Or(of(w, row), w.base(row)[row], "null")
	if v == "null" {
		return members(w.standard)[row]
	}
	var out any
	if err := json.Unmarshal([]byte(v), &out); err != nil {
		panic(err)
	}
	return sorted(out)
}

// changes are the lines that a plan shall show for each object that it changes.
func (w written) changes(from, to value) map[string][]string {
	out := map[string][]string{}
	for row, a := range w.rows {
		stays := a.stays && to(w, row) == "null"
		before, after := w.effective(row, from), w.effective(row, to)
		switch {
		case stays || reflect.DeepEqual(before, after):
		case isNone(before) && isNone(after):
			out[row] = []string{row} // it means the same
		default:
			out[row] = a.lines(row)
		}
	}
	return out
}

// isNone says that a map has no members, or is not there.
func isNone(v any) bool {
	members, isMap := v.(map[string]any)
	return v == nil || isMap && len(members) == 0
}

func (a attribute) lines(row string) []string {
	return slices.Sorted(slices.Values(append([]string{row}, a.also...)))
}

// shows fails a plan in which anything else changes than these lines.
func (w written) shows(want map[string][]string) resource.ConfigPlanChecks {
	return resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{planIs(func(plan plancheck.CheckPlanRequest) error {
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

type planIs func(plancheck.CheckPlanRequest) error

// CheckPlan implements plancheck.PlanCheck.
func (f planIs) CheckPlan(_ context.Context, req plancheck.CheckPlanRequest, resp *plancheck.CheckPlanResponse) {
	resp.Error = f(req)
}

// changedLines are the attributes that a plan changes or does not know.
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

// isTrue finds a true anywhere in a value.
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

// holds compares every object with what the server has.
func (w written) holds(of value) resource.TestCheckFunc {
	return func(state *terraform.State) error {
		var all []error
		for row := range w.rows {
			got, err := w.get(state.RootModule().Resources[w.kind+"."+row].Primary.ID)
			if diff := gocmp.Diff(w.spec(row, of), members(got)); err == nil && diff != "" {
				err = errors.New(diff)
			}
			if err != nil {
				all = append(all, fmt.Errorf("%s on the server: %w", row, err))
			}
		}
		return errors.Join(all...)
	}
}

// spec is what the server shall hold.
func (w written) spec(row string, of value) map[string]any {
	want := members(w.standard)
	for name := range w.base(row) {
		want[name] = w.effective(name, func(written, string) string { return w.base(row)[name] })
	}
	want[row] = w.effective(row, of)
	delete(want, "id")
	for name, a := range w.rows {
		if a.local {
			delete(want, name)
		}
	}
	return want
}

// drift sets every attribute to its first value on the server.
func (w written) drift(t *testing.T) func() {
	return func() {
		w.settle()
		for row, a := range w.rows {
			if a.local || a.replaces {
				continue
			}
			var id string
			decoded(t, []byte(w.base(row)["id"]), &id)
			text, err := json.Marshal(w.spec(row, first))
			if err == nil {
				err = w.put(id, text)
			}
			if err != nil {
				t.Fatalf("%s: %v", row, err)
			}
		}
	}
}

// drifted are the values that drift leaves.
func drifted(w written, row string) string {
	if a := w.rows[row]; a.local || a.replaces {
		return null(w, row)
	}
	return first(w, row)
}

// Each attribute is set, changed, emptied, set to null, and changed by somebody else: the plan shows that attribute and
// the outputs that it moves, and no other; the server holds it; and then there is nothing left to do.
func TestAttributes_ChangeAlone(t *testing.T) {
	eachWritten(t, servertest.New, func(t *testing.T, s *servertest.Server, w written) {
		step := func(before func(), from, to value) resource.TestStep {
			return resource.TestStep{
				PreConfig: before, Config: as(t, s, "terraform", w.configuration(to)),
				ConfigPlanChecks: w.shows(w.changes(from, to)), Check: w.holds(to),
			}
		}
		run(t,
			resource.TestStep{Config: as(t, s, "terraform", w.configuration(asMinimal)), Check: w.holds(asMinimal)},
			step(w.settle, asMinimal, first),
			step(w.settle, first, second),
			step(w.settle, second, emptied),
			step(w.settle, emptied, null),
			step(w.drift(t), drifted, null),
		)
	})
}

// What another resource has yet to make is unknown in the plan, when an object is made as when it is changed. On
// PostgreSQL, so that the race detector sees Terraform call the provider for many resources at once.
func TestAttributes_Unknown(t *testing.T) {
	eachWritten(t, servertest.Postgres, func(t *testing.T, s *servertest.Server, w written) {
		all := map[string][]string{}
		for row, a := range w.rows {
			all[row] = a.lines(row)
		}
		configuration := func(of value) string {
			return as(t, s, "terraform", w.elsewhere(of)+w.configuration(fromElsewhere))
		}
		run(t,
			resource.TestStep{Config: configuration(first), Check: w.holds(first)},
			resource.TestStep{PreConfig: w.settle, Config: configuration(second), ConfigPlanChecks: w.shows(all), Check: w.holds(second)},
		)
	})
}

// Whether to wait may be unknown, too. The plan then knows no more of what comes out of it than one that waits.
func TestCertificate_MayHaveToWait(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	profile, key := s.Profile(t, true).ID, servertest.CSR(t)
	configuration := func(wait string) string {
		return as(t, s, "terraform", certificate(profile, key, www, "timeouts = { update = \"1ms\" }\n"+wait))
	}
	run(t,
		resource.TestStep{Config: configuration("")},
		resource.TestStep{
			Config: configuration("wait_for_issuance = terraform_data.in.output") + "resource \"terraform_data\" \"in\" {\n  input = true\n}\n",
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{
				plancheck.ExpectUnknownValue(certificateAddress, tfjsonpath.New("status")),
			}},
			ExpectNonEmptyPlan: true,
		},
	)
}

// Every attribute that can be written has a row above, and an empty value that means nothing is refused before anything
// is sent.
func TestAttributes_Empty(t *testing.T) {
	eachWritten(t, servertest.New, func(t *testing.T, s *servertest.Server, w written) {
		p := configured(t, s.URL, s.Key(t, "vera"), nil)
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

// invalid is what the provider has against a configuration.
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

// What Terraform did not make is imported by a block of each form, and the configuration that Terraform writes for it
// needs no edit: it is valid, and there is nothing left to do.
func TestImport_WritesTheConfiguration(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	olga := s.Client(t, "olga")
	if _, err := olga.CreateProfile(t.Context(), api.CreateProfile{ID: "p-cdn", ProfileSpec: everyFieldSpec()}); err != nil {
		t.Fatal(err)
	}
	open, gated := s.Profile(t, false), s.Profile(t, true)
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
	waiting := s.Certificate(t, gated.ID)
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
			run(t, resource.TestStep{
				Config: as(t, s, "terraform", ""), ResourceName: address, ImportState: true, ImportStateId: id,
				ImportStateKind: resource.ImportBlockWithID, GenerateConfig: true,
			})
		})
	}
}

// A certificate that is archived under Terraform's feet is destroyed already.
func TestCertificate_ArchivedBeforeDestroy(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	configuration := as(t, s, "terraform", certificate(s.Profile(t, true).ID, servertest.CSR(t), www, ""))
	archive := duringPlan(func(ctx context.Context) error { return s.Client(t, "olga").DeleteCertificate(ctx, "mc-www") })
	run(t,
		resource.TestStep{Config: configuration},
		resource.TestStep{
			Config: configuration, Destroy: true,
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{archive}},
		},
	)
}

// members are those of something's JSON, sets sorted.
func members(of any) map[string]any {
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

func decoded[T any](t *testing.T, text []byte, into *T) T {
	t.Helper()
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatal(err)
	}
	return *into
}

func quoted(s string) string { return fmt.Sprintf("%q", s) }

func dashed(s string) string { return strings.ReplaceAll(s, "_", "-") }
