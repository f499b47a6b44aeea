package provider_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// verb is something that Terraform does with an object, and how the provider names it in an error.
type verb struct {
	summary string
	makes   string // by what to import the object that may have been made
	schema  func(*tfprotov6.GetProviderSchemaResponse) *tfprotov6.Schema
	do      func(*testing.T, stand) outcome
}

// outcome is what the provider says, and whether Terraform goes on knowing what it knew.
type outcome struct {
	diags []*tfprotov6.Diagnostic
	kept  bool
}

func (o outcome) failed() bool {
	return len(o.diags) > 0 && o.diags[0].Severity == tfprotov6.DiagnosticSeverityError
}

var verbs = map[string]verb{
	"create profile":     {`Could not create certificate profile "CDN"`, "p-cdn", resourceSchema(profileType), create(profileType)},
	"read profile":       {`Could not read certificate profile p-cdn`, "", resourceSchema(profileType), read(profileType)},
	"update profile":     {`Could not update certificate profile p-cdn`, "", resourceSchema(profileType), update(profileType)},
	"delete profile":     {`Could not delete certificate profile p-cdn`, "", resourceSchema(profileType), remove(profileType)},
	"import profile":     {`Could not import name:CDN`, "", resourceSchema(profileType), importNamed},
	"create certificate": {`Could not create certificate mc-www`, "mc-www", resourceSchema(certificateType), create(certificateType)},
	"read certificate":   {`Could not read certificate mc-www`, "", resourceSchema(certificateType), read(certificateType)},
	"update certificate": {`Could not update certificate mc-www`, "", resourceSchema(certificateType), update(certificateType)},
	"delete certificate": {`Could not delete certificate mc-www`, "", resourceSchema(certificateType), remove(certificateType)},
	"profile data":       lookUp("certctl_certificate_profile", "id", "p-cdn", `Could not read certificate profile p-cdn`),
	"profiles data":      lookUp("certctl_certificate_profiles", "name", "CDN", `Could not read the certificate profiles`),
	"approval data":      lookUp("certctl_approval", "id", "ar-a", `Could not read approval ar-a`),
	"pending data":       lookUp("certctl_pending_approvals", "profile_id", "p-cdn", `Could not read the pending approvals`),
}

// objectID is what the verbs are about.
var objectID = map[string]string{profileType: "p-cdn", certificateType: "mc-www"}

func resourceSchema(kind string) func(*tfprotov6.GetProviderSchemaResponse) *tfprotov6.Schema {
	return func(all *tfprotov6.GetProviderSchemaResponse) *tfprotov6.Schema { return all.ResourceSchemas[kind] }
}

// stand is a provider in front of a server that answers as the test says.
type stand struct {
	wire
	schemas *tfprotov6.GetProviderSchemaResponse
	answer  *atomic.Pointer[http.HandlerFunc]
}

func newStand(t *testing.T) stand {
	t.Helper()
	st := stand{answer: new(atomic.Pointer[http.HandlerFunc])}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*st.answer.Load())(w, r) }))
	t.Cleanup(server.Close)
	st.wire = configured(t, server.URL, "ctl_a_b", nil)
	var err error
	if st.schemas, err = st.GetProviderSchema(t.Context(), &tfprotov6.GetProviderSchemaRequest{}); err != nil {
		t.Fatal(err)
	}
	return st
}

func (st stand) answers(h http.HandlerFunc) { st.answer.Store(&h) }

func (st stand) kind(name string) tftypes.Type { return st.schemas.ResourceSchemas[name].ValueType() }

// minimalObject is a configuration of either type.
func (st stand) minimalObject(t *testing.T, name string) tftypes.Value {
	members := map[string]tftypes.Value{"id": tftypes.NewValue(tftypes.String, objectID[name])}
	if name == profileType {
		members["name"] = tftypes.NewValue(tftypes.String, "CDN")
		members["requires_approval"] = tftypes.NewValue(tftypes.Bool, false)
		return object(st.kind(name), members)
	}
	members["profile_id"] = tftypes.NewValue(tftypes.String, "p-cdn")
	members["csr_pem"] = tftypes.NewValue(tftypes.String, servertest.CSR(t))
	members["sans"] = tftypes.NewValue(tftypes.Set{ElementType: tftypes.String}, []tftypes.Value{tftypes.NewValue(tftypes.String, www[0])})
	duration := tftypes.NewValue(tftypes.String, "1ms") // a delete that meets a running job tries again until then
	kind := st.kind(name).(tftypes.Object).AttributeTypes["timeouts"]
	members["timeouts"] = object(kind, map[string]tftypes.Value{"delete": duration})
	return object(st.kind(name), members)
}

// held is an object as Terraform holds it after it was read, while the server was well.
func (st stand) held(t *testing.T, name string) (*tfprotov6.DynamicValue, []byte) {
	t.Helper()
	defer st.answer.Store(st.answer.Load())
	profile := api.Profile{ID: "p-cdn", ProfileSpec: api.DefaultProfileSpec(), Version: 1}
	certificate := api.Certificate{ID: "mc-www", CertificateSpec: api.DefaultCertificateSpec(), Version: 1}
	profile.Name, certificate.ProfileID, certificate.CSRPEM, certificate.SANs = "CDN", "p-cdn", servertest.CSR(t), www
	if st.answers(sends(profile)); name == certificateType {
		st.answers(sends(certificate))
	}
	now := dynamic(t, st.kind(name), st.minimalObject(t, name))
	resp, err := st.ReadResource(t.Context(), &tfprotov6.ReadResourceRequest{TypeName: name, CurrentState: now})
	if err != nil || len(resp.Diagnostics) > 0 {
		t.Fatal(err, resp)
	}
	return resp.NewState, resp.Private
}

func sends(v any) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v)
	}
}

// same says whether a state is as it was.
func same(t *testing.T, kind tftypes.Type, before, after *tfprotov6.DynamicValue) bool {
	t.Helper()
	b, err := before.Unmarshal(kind)
	if err != nil {
		t.Fatal(err)
	}
	a, err := after.Unmarshal(kind)
	return err == nil && a.Equal(b)
}

func (st stand) apply(t *testing.T, name string, prior, planned, config *tfprotov6.DynamicValue, private []byte) outcome {
	t.Helper()
	resp, err := st.ApplyResourceChange(t.Context(), &tfprotov6.ApplyResourceChangeRequest{
		TypeName: name, PriorState: prior, PlannedState: planned, Config: config, PlannedPrivate: private,
	})
	if err != nil {
		t.Fatal(err)
	}
	return outcome{resp.Diagnostics, same(t, st.kind(name), prior, resp.NewState)}
}

func create(name string) func(*testing.T, stand) outcome {
	return func(t *testing.T, st stand) outcome {
		kind := st.kind(name)
		nothing, config := dynamic(t, kind, tftypes.NewValue(kind, nil)), dynamic(t, kind, st.minimalObject(t, name))
		plan, err := st.PlanResourceChange(t.Context(), &tfprotov6.PlanResourceChangeRequest{TypeName: name, PriorState: nothing, Config: config, ProposedNewState: config})
		if err != nil || len(plan.Diagnostics) > 0 {
			t.Fatal(err, plan)
		}
		return st.apply(t, name, nothing, plan.PlannedState, config, plan.PlannedPrivate)
	}
}

func read(name string) func(*testing.T, stand) outcome {
	return func(t *testing.T, st stand) outcome {
		state, private := st.held(t, name)
		resp, err := st.ReadResource(t.Context(), &tfprotov6.ReadResourceRequest{TypeName: name, CurrentState: state, Private: private})
		if err != nil {
			t.Fatal(err)
		}
		return outcome{resp.Diagnostics, same(t, st.kind(name), state, resp.NewState)}
	}
}

func update(name string) func(*testing.T, stand) outcome {
	return func(t *testing.T, st stand) outcome {
		state, private := st.held(t, name)
		planned := st.labelled(t, name, state)
		return st.apply(t, name, state, planned, planned, private)
	}
}

// labelled is a state with one change.
func (st stand) labelled(t *testing.T, name string, state *tfprotov6.DynamicValue) *tfprotov6.DynamicValue {
	t.Helper()
	v, err := state.Unmarshal(st.kind(name))
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]tftypes.Value
	if err := v.As(&members); err != nil {
		t.Fatal(err)
	}
	members["labels"] = tftypes.NewValue(tftypes.Map{ElementType: tftypes.String}, map[string]tftypes.Value{"team": tftypes.NewValue(tftypes.String, "edge")})
	return dynamic(t, st.kind(name), object(st.kind(name), members))
}

func remove(name string) func(*testing.T, stand) outcome {
	return func(t *testing.T, st stand) outcome {
		state, private := st.held(t, name)
		nothing := dynamic(t, st.kind(name), tftypes.NewValue(st.kind(name), nil))
		return st.apply(t, name, state, nothing, nothing, private)
	}
}

func importNamed(t *testing.T, st stand) outcome {
	resp, err := st.ImportResourceState(t.Context(), &tfprotov6.ImportResourceStateRequest{TypeName: profileType, ID: "name:CDN"})
	if err != nil {
		t.Fatal(err)
	}
	return outcome{resp.Diagnostics, len(resp.ImportedResources) == 0}
}

// lookUp reads a data source that has one argument.
func lookUp(name, argument, is, summary string) verb {
	schema := func(all *tfprotov6.GetProviderSchemaResponse) *tfprotov6.Schema { return all.DataSourceSchemas[name] }
	return verb{summary: summary, schema: schema, do: func(t *testing.T, st stand) outcome {
		kind := schema(st.schemas).ValueType()
		config := dynamic(t, kind, object(kind, map[string]tftypes.Value{argument: tftypes.NewValue(tftypes.String, is)}))
		resp, err := st.ReadDataSource(t.Context(), &tfprotov6.ReadDataSourceRequest{TypeName: name, Config: config})
		if err != nil {
			t.Fatal(err)
		}
		return outcome{resp.Diagnostics, same(t, kind, config, resp.State)}
	}}
}

// refusal is a problem that a server sends, and what the user must read of it besides its own words.
type refusal struct {
	status  int
	problem api.Problem
	words   []string
	summary string // where it is not what was attempted
}

const serversWords = "so says the server"

func refuse(status int, code string, words ...string) refusal {
	return refusal{status: status, problem: *api.Refuse(api.Code(code), serversWords), words: append(words, "So says the server.")}
}

func (r refusal) with(f func(*api.Problem)) refusal {
	f(&r.problem)
	return r
}

// faulty has faults, each of which is an error of its own.
func faulty(faults ...string) refusal {
	r := refusal{status: http.StatusUnprocessableEntity, problem: *api.Refuse(api.CodeInvalidRequest, "the request is wrong")}
	for _, pointer := range faults {
		r.problem.Errors = append(r.problem.Errors, api.Fault{Pointer: pointer, Detail: serversWords})
	}
	r.words = []string{serversWords}
	return r
}

func refusals() map[string]refusal {
	at := time.UnixMicro(1)
	return map[string]refusal{
		"malformed":       refuse(400, "malformed_request"),
		"unauthenticated": refuse(401, "unauthenticated", "CERTCTL_API_KEY", "revoked"),
		"forbidden": refuse(403, "forbidden", "CERTCTL_API_KEY", `principal "terraform"`, "operator").with(func(p *api.Problem) {
			p.Principal, p.RequiredRoles = "terraform", []api.Role{api.RoleOperator}
		}),
		"two people":     refuse(403, "two_person_integrity"),
		"human required": refuse(403, "human_required"),
		"not found": refuse(404, "not_found").with(func(p *api.Problem) {
			p.ResourceType, p.ResourceID = "job", "job-a"
		}),
		"no such route":      refuse(404, "no_such_route"),
		"method not allowed": refuse(405, "method_not_allowed"),
		"in progress":        refuse(409, "request_in_progress"),
		"already exists":     refuse(409, "already_exists").with(func(p *api.Problem) { p.ID = "x-other" }),
		"in use": refuse(409, "in_use", "certificate mc-a", "12 in all").with(func(p *api.Problem) {
			p.UsedBy, p.UsedByCount = []api.Ref{{Type: "certificate", ID: "mc-a"}}, 12
		}),
		"job open":     refuse(409, "job_already_open").with(func(p *api.Problem) { p.JobID = "job-a" }),
		"edit pending": refuse(409, "edit_already_pending", "until approval ar-other is decided").with(func(p *api.Problem) { p.ApprovalID = "ar-other" }),
		"edit rejected": {409, api.Problem{
			Type: "urn:certctl:problem:edit_rejected", Detail: serversWords, ApprovalID: "ar-other", DecidedBy: "bob", DecidedAt: &at, Note: "not on a Friday",
		}, []string{"bob rejected", "ar-other", "not on a Friday", "CERTCTL_RESUBMIT_REJECTED"}, "Edit rejected by bob"},
		"profile disabled": refuse(409, "profile_disabled"),
		"approval required": {409, api.Problem{
			Type: "urn:certctl:problem:approval_required", Detail: "errors lists what needs it",
			Errors: []api.Fault{{Pointer: "/sans/0", Detail: serversWords}, {Pointer: "/extended_key_usages/0", Detail: serversWords}},
		}, []string{serversWords, "requires_approval = true", "ungated-names"}, ""},
		"a newer server's": refuse(409, "not_known_yet"),
		"stale":            refuse(412, "precondition_failed", "Somebody else changed the object"),
		"too large":        refuse(413, "body_too_large"),
		"media type":       refuse(415, "unsupported_media_type"),
		"key reused":       refuse(422, "idempotency_key_reused"),
		"no pointer":       refuse(422, "invalid_request"),
		"label":            faulty("/labels/team"),
		"element":          faulty("/sans/0", "/allowed_key_algorithms/0/min_size"),
		"query":            faulty("?name"),
		"unknown":          faulty("/nonsense/3", "?after", ""),
		"rate limited":     refuse(429, "rate_limited", "Try again later"),
		"internal":         refuse(500, "internal", "log"),
		"unavailable":      refuse(503, "unavailable", "Try again later"),
	}
}

// marks are where Terraform points to, if the object has the attribute; elsewhere the words tell the pointer.
var marks = map[string]string{
	"/labels/team":                       `AttributeName("labels").ElementKeyString("team")`,
	"/sans/0":                            `AttributeName("sans")`,
	"/allowed_key_algorithms/0/min_size": `AttributeName("allowed_key_algorithms")`,
	"?name":                              `AttributeName("name")`,
}

// Whatever the server refuses is an error: of what was attempted, in the server's words, at the attribute, with what to do
// and the request id. Nothing that Terraform knew is lost.
func TestAnswers_Refusals(t *testing.T) {
	t.Parallel()
	st := newStand(t)
	for name, r := range refusals() {
		for doing, v := range verbs {
			t.Run(name+"/"+doing, func(t *testing.T) {
				st.answers(r.send)
				o := v.do(t, st)
				if !o.kept {
					t.Error("Terraform knows something else now")
				}
				if want := max(1, len(r.problem.Errors)); len(o.diags) != want {
					t.Fatalf("%d diagnostics, want %d: %v", len(o.diags), want, o.diags)
				}
				for i, d := range o.diags {
					r.check(t, v, d)
					if i < len(r.problem.Errors) {
						checkMark(t, r.problem.Errors[i].Pointer, v.schema(st.schemas), d)
					}
				}
			})
		}
	}
}

func (r refusal) send(w http.ResponseWriter, _ *http.Request) {
	r.problem.RequestID, r.problem.Status = "req-7", r.status
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Retry-After", "3600")
	w.WriteHeader(r.status)
	_ = json.NewEncoder(w).Encode(r.problem)
}

func (r refusal) check(t *testing.T, v verb, d *tfprotov6.Diagnostic) {
	t.Helper()
	want := v.summary
	if r.summary != "" {
		want = r.summary
	}
	if d.Severity != tfprotov6.DiagnosticSeverityError || d.Summary != want {
		t.Errorf("%s: %q, want %q", d.Severity, d.Summary, want)
	}
	says(t, d.Detail, append(r.words, "Request id: req-7")...)
	if exists := r.problem.ID; exists != "" && v.makes != "" {
		says(t, d.Detail, "Nothing was adopted", "import {", fmt.Sprintf("id = %q", exists))
	}
	if strings.Contains(d.Detail, "may exist") {
		t.Errorf("a refusal leaves nothing open: %s", d.Detail)
	}
}

func checkMark(t *testing.T, pointer string, s *tfprotov6.Schema, d *tfprotov6.Diagnostic) {
	t.Helper()
	got := ""
	if d.Attribute != nil {
		got = d.Attribute.String()
	}
	want := ""
	for _, a := range s.Block.Attributes {
		if strings.HasPrefix(marks[pointer], fmt.Sprintf("AttributeName(%q)", a.Name)) {
			want = marks[pointer]
		}
	}
	if got != want {
		t.Errorf("%q is marked at %q, want %q", pointer, got, want)
	}
	if want == "" && !strings.Contains(d.Detail, pointer) {
		t.Errorf("%q is not named: %s", pointer, d.Detail)
	}
}

// broken answers are none of certctl's, or break off.
var broken = map[string]http.HandlerFunc{
	"HTML":           answer("text/html", "<html>welcome</html>"),
	"empty":          answer("application/json", ""),
	"an empty thing": answer("application/json", "{}"),
	"another thing":  answer("application/json", `{"id":"x-other","version":1,"state":"approved"}`),
	"half":           answer("application/json", `{"id":"p-`),
	"text":           answer("application/json", `"p-cdn"`),
	"a proxy's 404":  status(404),
	"a proxy's 500":  status(500),
	"a gateway's":    status(502),
	"a redirect":     status(307),
	"another 2xx":    status(206),
	"too short": func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "1000")
		answer("application/json", `{"id":"p-cdn"`)(w, r)
	},
	"not gzip": func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		answer("application/json", `{"id":"p-cdn"}`)(w, r)
	},
	"reset": func(w http.ResponseWriter, _ *http.Request) {
		connection, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			_, _ = io.WriteString(connection, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Le")
			connection.Close()
		}
	},
}

// answer is a success as far as its status goes.
func answer(media, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", media)
		if r.Method == http.MethodPost {
			w.WriteHeader(http.StatusCreated)
		}
		_, _ = io.WriteString(w, body)
	}
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Location", "https://login.example.com/")
		w.WriteHeader(code)
	}
}

// refusedForSure are broken answers after which nothing can have been made.
var refusedForSure = map[string]bool{"a proxy's 404": true, "a redirect": true}

// What is not certctl's answer about this very object is an error, and Terraform goes on knowing what it knew. A create
// says that the object may be there all the same, and how to import it.
func TestAnswers_Broken(t *testing.T) {
	t.Parallel()
	st := newStand(t)
	for name, h := range broken {
		for doing, v := range verbs {
			t.Run(name+"/"+doing, func(t *testing.T) {
				st.answers(h)
				o := v.do(t, st)
				if !o.kept || !o.failed() || len(o.diags) != 1 {
					t.Fatalf("kept: %t, %v", o.kept, o.diags)
				}
				d := o.diags[0]
				if d.Summary != v.summary {
					t.Errorf("%q, want %q", d.Summary, v.summary)
				}
				if v.makes != "" && !refusedForSure[name] {
					says(t, d.Detail, "may exist", fmt.Sprintf("id = %q", v.makes))
				} else if strings.Contains(d.Detail, "may exist") {
					t.Errorf("nothing was made: %s", d.Detail)
				}
			})
		}
	}
}

// A server that was never reached made nothing, and no error says that it might have. What to check is said once.
func TestAnswers_Unreachable(t *testing.T) {
	t.Parallel()
	st := newStand(t)
	st.wire = configured(t, "http://127.0.0.1:9", "ctl_a_b", nil)
	for _, tc := range []struct{ kind, words string }{
		{profileType, "CERTCTL_ENDPOINT"}, {certificateType, "The error of an earlier call says what to check"},
	} {
		o := create(tc.kind)(t, st)
		if len(o.diags) != 1 || !o.kept {
			t.Fatalf("%v", o)
		}
		says(t, o.diags[0].Detail, "No answer from http://127.0.0.1:9", tc.words)
		if strings.Contains(o.diags[0].Detail, "may exist") {
			t.Error(o.diags[0].Detail)
		}
	}
}

// Only the server's own word that there is no object of this very type and id takes it out of the state, or makes a
// delete content. For a data source it is an error like any other.
func TestAnswers_Gone(t *testing.T) {
	t.Parallel()
	st := newStand(t)
	type subject struct{ kind, id string }
	own := map[string]subject{
		"read profile": {"profile", "p-cdn"}, "delete profile": {"profile", "p-cdn"}, "profile data": {"profile", "p-cdn"},
		"read certificate": {"certificate", "mc-www"}, "delete certificate": {"certificate", "mc-www"}, "approval data": {"approval", "ar-a"},
	}
	for doing, own := range own {
		for _, of := range []subject{own, {own.kind, "x-other"}, {"job", own.id}, {"", own.id}, {own.kind, ""}} {
			t.Run(doing+"/"+of.kind+" "+of.id, func(t *testing.T) {
				st.answers(refusal{status: 404, problem: *api.NotFound(of.kind, of.id)}.send)
				o := verbs[doing].do(t, st)
				data := strings.HasSuffix(doing, "data")
				if gone := of == own && !data; o.kept == gone || o.failed() == gone {
					t.Errorf("kept: %t, %v", o.kept, o.diags)
				}
				if of == own && data {
					says(t, o.diags[0].Detail, "no ", own.kind)
				}
			})
		}
	}
}
