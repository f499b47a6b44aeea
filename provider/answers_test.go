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

// operation is a call of Terraform to the provider, with the summary of its error.
type operation struct {
	summary string
	makes   string // the import id in the advice of a create
	schema  func(*tfprotov6.GetProviderSchemaResponse) *tfprotov6.Schema
	do      func(*testing.T, fakeServer) outcome
}

// outcome is the provider's diagnostics, and whether the state is unchanged.
type outcome struct {
	diags []*tfprotov6.Diagnostic
	kept  bool
}

func (o outcome) isError() bool {
	return len(o.diags) > 0 && o.diags[0].Severity == tfprotov6.DiagnosticSeverityError
}

var operations = map[string]operation{
	"create profile":     {`Could not create certificate profile "CDN"`, "p-cdn", resourceSchema(profileType), create(profileType)},
	"read profile":       {`Could not read certificate profile p-cdn`, "", resourceSchema(profileType), read(profileType)},
	"update profile":     {`Could not update certificate profile p-cdn`, "", resourceSchema(profileType), update(profileType)},
	"delete profile":     {`Could not delete certificate profile p-cdn`, "", resourceSchema(profileType), remove(profileType)},
	"import profile":     {`Could not import name:CDN`, "", resourceSchema(profileType), importNamed},
	"create certificate": {`Could not create certificate mc-www`, "mc-www", resourceSchema(certificateType), create(certificateType)},
	"read certificate":   {`Could not read certificate mc-www`, "", resourceSchema(certificateType), read(certificateType)},
	"update certificate": {`Could not update certificate mc-www`, "", resourceSchema(certificateType), update(certificateType)},
	"delete certificate": {`Could not delete certificate mc-www`, "", resourceSchema(certificateType), remove(certificateType)},
	"profile data":       readDataSource("certctl_certificate_profile", "id", "p-cdn", `Could not read certificate profile p-cdn`),
	"profiles data":      readDataSource("certctl_certificate_profiles", "name", "CDN", `Could not read the certificate profiles`),
	"approval data":      readDataSource("certctl_approval", "id", "ar-a", `Could not read approval ar-a`),
	"pending data":       readDataSource("certctl_pending_approvals", "profile_id", "p-cdn", `Could not read the pending approvals`),
}

// objectID has the id of the object in all operations.
var objectID = map[string]string{profileType: "p-cdn", certificateType: "mc-www"}

func resourceSchema(kind string) func(*tfprotov6.GetProviderSchemaResponse) *tfprotov6.Schema {
	return func(all *tfprotov6.GetProviderSchemaResponse) *tfprotov6.Schema { return all.ResourceSchemas[kind] }
}

// fakeServer is a provider with a server that answers as the test says.
type fakeServer struct {
	wire
	schemas *tfprotov6.GetProviderSchemaResponse
	answer  *atomic.Pointer[http.HandlerFunc]
}

func newFakeServer(t *testing.T) fakeServer {
	t.Helper()
	st := fakeServer{answer: new(atomic.Pointer[http.HandlerFunc])}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*st.answer.Load())(w, r) }))
	t.Cleanup(server.Close)
	st.answerWith(status(http.StatusNotFound)) // to the check of the key
	st.wire = configuredProvider(t, server.URL, "ctl_a_b", nil)
	var err error
	if st.schemas, err = st.GetProviderSchema(t.Context(), &tfprotov6.GetProviderSchemaRequest{}); err != nil {
		t.Fatal(err)
	}
	return st
}

func (st fakeServer) answerWith(h http.HandlerFunc) { st.answer.Store(&h) }

func (st fakeServer) typeOf(name string) tftypes.Type {
	return st.schemas.ResourceSchemas[name].ValueType()
}

// minimalObject returns a minimal configuration of a type.
func (st fakeServer) minimalObject(t *testing.T, name string) tftypes.Value {
	members := map[string]tftypes.Value{"id": tftypes.NewValue(tftypes.String, objectID[name])}
	if name == profileType {
		members["name"] = tftypes.NewValue(tftypes.String, "CDN")
		members["requires_approval"] = tftypes.NewValue(tftypes.Bool, false)
		return newObject(st.typeOf(name), members)
	}
	members["profile_id"] = tftypes.NewValue(tftypes.String, "p-cdn")
	members["csr_pem"] = tftypes.NewValue(tftypes.String, servertest.CSR(t))
	members["sans"] = tftypes.NewValue(tftypes.Set{ElementType: tftypes.String}, []tftypes.Value{tftypes.NewValue(tftypes.String, www[0])})
	duration := tftypes.NewValue(tftypes.String, "1ms") // the timeout of a delete while a job runs
	kind := st.typeOf(name).(tftypes.Object).AttributeTypes["timeouts"]
	members["timeouts"] = newObject(kind, map[string]tftypes.Value{"delete": duration})
	return newObject(st.typeOf(name), members)
}

// readObject returns the state of an object after a successful read.
func (st fakeServer) readObject(t *testing.T, name string) (*tfprotov6.DynamicValue, []byte) {
	t.Helper()
	defer st.answer.Store(st.answer.Load())
	profile := api.Profile{ID: "p-cdn", ProfileSpec: api.DefaultProfileSpec(), Version: 1}
	certificate := api.Certificate{ID: "mc-www", CertificateSpec: api.DefaultCertificateSpec(), Version: 1}
	profile.Name, certificate.ProfileID, certificate.CSRPEM, certificate.SANs = "CDN", "p-cdn", servertest.CSR(t), www
	if st.answerWith(sendJSON(profile)); name == certificateType {
		st.answerWith(sendJSON(certificate))
	}
	now := newDynamicValue(t, st.typeOf(name), st.minimalObject(t, name))
	resp, err := st.ReadResource(t.Context(), &tfprotov6.ReadResourceRequest{TypeName: name, CurrentState: now})
	if err != nil || len(resp.Diagnostics) > 0 {
		t.Fatal(err, resp)
	}
	return resp.NewState, resp.Private
}

func sendJSON(v any) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v)
	}
}

// isSameState reports whether a state is unchanged.
func isSameState(t *testing.T, kind tftypes.Type, before, after *tfprotov6.DynamicValue) bool {
	t.Helper()
	b, err := before.Unmarshal(kind)
	if err != nil {
		t.Fatal(err)
	}
	a, err := after.Unmarshal(kind)
	return err == nil && a.Equal(b)
}

func (st fakeServer) apply(t *testing.T, name string, prior, planned, config *tfprotov6.DynamicValue, private []byte) outcome {
	t.Helper()
	resp, err := st.ApplyResourceChange(t.Context(), &tfprotov6.ApplyResourceChangeRequest{
		TypeName: name, PriorState: prior, PlannedState: planned, Config: config, PlannedPrivate: private,
	})
	if err != nil {
		t.Fatal(err)
	}
	return outcome{resp.Diagnostics, isSameState(t, st.typeOf(name), prior, resp.NewState)}
}

func create(name string) func(*testing.T, fakeServer) outcome {
	return func(t *testing.T, st fakeServer) outcome {
		kind := st.typeOf(name)
		nothing, config := newDynamicValue(t, kind, tftypes.NewValue(kind, nil)), newDynamicValue(t, kind, st.minimalObject(t, name))
		answer := st.answer.Load()
		st.answerWith(sendJSON(map[string]string{"outcome": "creates"})) // to the preview
		plan, err := st.PlanResourceChange(t.Context(), &tfprotov6.PlanResourceChangeRequest{TypeName: name, PriorState: nothing, Config: config, ProposedNewState: config})
		if err != nil || (outcome{diags: plan.Diagnostics}).isError() {
			t.Fatal(err, plan)
		}
		st.answer.Store(answer)
		return st.apply(t, name, nothing, plan.PlannedState, config, plan.PlannedPrivate)
	}
}

func read(name string) func(*testing.T, fakeServer) outcome {
	return func(t *testing.T, st fakeServer) outcome {
		state, private := st.readObject(t, name)
		resp, err := st.ReadResource(t.Context(), &tfprotov6.ReadResourceRequest{TypeName: name, CurrentState: state, Private: private})
		if err != nil {
			t.Fatal(err)
		}
		return outcome{resp.Diagnostics, isSameState(t, st.typeOf(name), state, resp.NewState)}
	}
}

func update(name string) func(*testing.T, fakeServer) outcome {
	return func(t *testing.T, st fakeServer) outcome {
		state, private := st.readObject(t, name)
		planned := st.labelledState(t, name, state)
		return st.apply(t, name, state, planned, planned, private)
	}
}

// labelledState returns a state with another label.
func (st fakeServer) labelledState(t *testing.T, name string, state *tfprotov6.DynamicValue) *tfprotov6.DynamicValue {
	t.Helper()
	v, err := state.Unmarshal(st.typeOf(name))
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]tftypes.Value
	if err := v.As(&members); err != nil {
		t.Fatal(err)
	}
	members["labels"] = tftypes.NewValue(tftypes.Map{ElementType: tftypes.String}, map[string]tftypes.Value{"team": tftypes.NewValue(tftypes.String, "edge")})
	return newDynamicValue(t, st.typeOf(name), newObject(st.typeOf(name), members))
}

func remove(name string) func(*testing.T, fakeServer) outcome {
	return func(t *testing.T, st fakeServer) outcome {
		state, private := st.readObject(t, name)
		nothing := newDynamicValue(t, st.typeOf(name), tftypes.NewValue(st.typeOf(name), nil))
		return st.apply(t, name, state, nothing, nothing, private)
	}
}

func importNamed(t *testing.T, st fakeServer) outcome {
	resp, err := st.ImportResourceState(t.Context(), &tfprotov6.ImportResourceStateRequest{TypeName: profileType, ID: "name:CDN"})
	if err != nil {
		t.Fatal(err)
	}
	return outcome{resp.Diagnostics, len(resp.ImportedResources) == 0}
}

// readDataSource returns the read of a data source with one argument.
func readDataSource(name, argument, is, summary string) operation {
	schema := func(all *tfprotov6.GetProviderSchemaResponse) *tfprotov6.Schema { return all.DataSourceSchemas[name] }
	return operation{summary: summary, schema: schema, do: func(t *testing.T, st fakeServer) outcome {
		kind := schema(st.schemas).ValueType()
		config := newDynamicValue(t, kind, newObject(kind, map[string]tftypes.Value{argument: tftypes.NewValue(tftypes.String, is)}))
		resp, err := st.ReadDataSource(t.Context(), &tfprotov6.ReadDataSourceRequest{TypeName: name, Config: config})
		if err != nil {
			t.Fatal(err)
		}
		return outcome{resp.Diagnostics, isSameState(t, kind, config, resp.State)}
	}}
}

// refusal is a problem of the server, and the advice that the provider adds.
type refusal struct {
	status  int
	problem api.Problem
	words   []string
	summary string // the summary, if it does not name the attempt
	dropped string // a text that the detail must not have
}

const serverDetail = "so says the server"

func newRefusal(status int, code string, words ...string) refusal {
	return refusal{status: status, problem: *api.Refuse(api.Code(code), serverDetail), words: append(words, "So says the server.")}
}

// explained removes the server's sentence: the advice says it better.
func (r refusal) explained() refusal {
	r.words, r.dropped = r.words[:len(r.words)-1], serverDetail
	return r
}

func (r refusal) withMembers(f func(*api.Problem)) refusal {
	f(&r.problem)
	return r
}

// newFaults returns a problem with faults. Each fault is an error.
func newFaults(faults ...string) refusal {
	r := refusal{status: http.StatusUnprocessableEntity, problem: *api.Refuse(api.CodeInvalidRequest, "the request is wrong")}
	for _, pointer := range faults {
		r.problem.Errors = append(r.problem.Errors, api.Fault{Pointer: pointer, Detail: serverDetail})
	}
	r.words = []string{serverDetail}
	return r
}

func refusals() map[string]refusal {
	at := time.UnixMicro(1)
	return map[string]refusal{
		"malformed":       newRefusal(400, "malformed_request"),
		"unauthenticated": newRefusal(401, "unauthenticated", "CERTCTL_API_KEY", "revoked").explained(),
		"forbidden": newRefusal(403, "forbidden", "CERTCTL_API_KEY", `principal "terraform"`, "operator").withMembers(func(p *api.Problem) {
			p.Principal, p.RequiredRoles = "terraform", []api.Role{api.RoleOperator}
		}).explained(),
		"two people":     newRefusal(403, "two_person_integrity"),
		"human required": newRefusal(403, "human_required"),
		"not found": newRefusal(404, "not_found").withMembers(func(p *api.Problem) {
			p.ResourceType, p.ResourceID = "job", "job-a"
		}),
		"no such route":      newRefusal(404, "no_such_route", "may be older than this provider", "CERTCTL_ENDPOINT"),
		"method not allowed": newRefusal(405, "method_not_allowed", "may be older than this provider"),
		"in progress":        newRefusal(409, "request_in_progress"),
		"already exists":     newRefusal(409, "already_exists").withMembers(func(p *api.Problem) { p.ID = "x-other" }),
		"in use": newRefusal(409, "in_use", "certificate mc-a", "12 in all").withMembers(func(p *api.Problem) {
			p.UsedBy, p.UsedByCount = []api.Ref{{Type: "certificate", ID: "mc-a"}}, 12
		}),
		"job open":     newRefusal(409, "job_already_open").withMembers(func(p *api.Problem) { p.JobID = "job-a" }),
		"edit pending": newRefusal(409, "edit_already_pending", "until approval ar-other is decided").withMembers(func(p *api.Problem) { p.ApprovalID = "ar-other" }),
		"edit rejected": {409, api.Problem{
			Type: "urn:certctl:problem:edit_rejected", Detail: serverDetail, ApprovalID: "ar-other", DecidedBy: "bob", DecidedAt: &at, Note: "not on a Friday",
		}, []string{"bob rejected", "ar-other", "not on a Friday", "CERTCTL_RESUBMIT_REJECTED"}, "Edit rejected by bob", ""},
		"profile disabled": newRefusal(409, "profile_disabled"),
		"approval required": {409, api.Problem{
			Type: "urn:certctl:problem:approval_required", Detail: "errors lists what needs it",
			Errors: []api.Fault{{Pointer: "/sans/0", Detail: serverDetail}, {Pointer: "/extended_key_usages/0", Detail: serverDetail}},
		}, []string{serverDetail, "requires_approval = true", "ungated-names"}, "", ""},
		"a newer server's": newRefusal(409, "not_known_yet"),
		"stale":            newRefusal(412, "precondition_failed", "Somebody else changed the object").explained(),
		"too large":        newRefusal(413, "body_too_large"),
		"media type":       newRefusal(415, "unsupported_media_type"),
		"key reused":       newRefusal(422, "idempotency_key_reused"),
		"no pointer":       newRefusal(422, "invalid_request"),
		"label":            newFaults("/labels/team"),
		"element":          newFaults("/sans/0", "/allowed_key_algorithms/0/min_size"),
		"query":            newFaults("?name"),
		"unknown":          newFaults("/nonsense/3", "?after", ""),
		"rate limited":     newRefusal(429, "rate_limited", "Try again later"),
		"internal":         newRefusal(500, "internal", "log"),
		"unavailable":      newRefusal(503, "unavailable", "Try again later"),
	}
}

// attributePaths has the attributes of pointers. If an object has no such attribute, the text has the pointer.
var attributePaths = map[string]string{
	"/labels/team":                       `AttributeName("labels").ElementKeyString("team")`,
	"/sans/0":                            `AttributeName("sans")`,
	"/allowed_key_algorithms/0/min_size": `AttributeName("allowed_key_algorithms")`,
	"?name":                              `AttributeName("name")`,
}

// Every problem becomes an error with the attempt, the server's words, the attribute, the advice and the request id. The
// state stays.
func TestAnswers_Refusals(t *testing.T) {
	t.Parallel()
	st := newFakeServer(t)
	for name, r := range refusals() {
		for doing, v := range operations {
			t.Run(name+"/"+doing, func(t *testing.T) {
				st.answerWith(r.send)
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

func (r refusal) check(t *testing.T, v operation, d *tfprotov6.Diagnostic) {
	t.Helper()
	want := v.summary
	if r.summary != "" {
		want = r.summary
	}
	if d.Severity != tfprotov6.DiagnosticSeverityError || d.Summary != want {
		t.Errorf("%s: %q, want %q", d.Severity, d.Summary, want)
	}
	mustSay(t, d.Detail, append(r.words, "Request id: req-7")...)
	if exists := r.problem.ID; exists != "" && v.makes != "" {
		mustSay(t, d.Detail, "Nothing was adopted", "import {", fmt.Sprintf("id = %q", exists))
	}
	if r.dropped != "" && strings.Contains(strings.ToLower(d.Detail), r.dropped) {
		t.Errorf("the server's sentence is for callers of the API: %s", d.Detail)
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
		if strings.HasPrefix(attributePaths[pointer], fmt.Sprintf("AttributeName(%q)", a.Name)) {
			want = attributePaths[pointer]
		}
	}
	if got != want {
		t.Errorf("%q is marked at %q, want %q", pointer, got, want)
	}
	if want == "" && !strings.Contains(d.Detail, pointer) {
		t.Errorf("%q is not named: %s", pointer, d.Detail)
	}
}

// brokenAnswers are answers that certctl did not write, or incomplete answers.
var brokenAnswers = map[string]http.HandlerFunc{
	"HTML":           newAnswer("text/html", "<html>welcome</html>"),
	"empty":          newAnswer("application/json", ""),
	"an empty thing": newAnswer("application/json", "{}"),
	"another thing":  newAnswer("application/json", `{"id":"x-other","version":1,"state":"approved"}`),
	"half":           newAnswer("application/json", `{"id":"p-`),
	"text":           newAnswer("application/json", `"p-cdn"`),
	"a proxy's 404":  status(404),
	"a proxy's 500":  status(500),
	"a gateway's":    status(502),
	"a redirect":     status(307),
	"another 2xx":    status(206),
	"too short": func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "1000")
		newAnswer("application/json", `{"id":"p-cdn"`)(w, r)
	},
	"not gzip": func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		newAnswer("application/json", `{"id":"p-cdn"}`)(w, r)
	},
	"reset": func(w http.ResponseWriter, _ *http.Request) {
		connection, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			_, _ = io.WriteString(connection, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Le")
			connection.Close()
		}
	},
}

// newAnswer returns an answer with a successful status.
func newAnswer(media, body string) http.HandlerFunc {
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

// certainlyRefused are the broken answers after which no object can exist.
var certainlyRefused = map[string]bool{"a proxy's 404": true, "a redirect": true}

// An answer that is not certctl's answer about the object is an error, and the state stays. The error of a create says
// that the object may exist, and how to import it.
func TestAnswers_Broken(t *testing.T) {
	t.Parallel()
	st := newFakeServer(t)
	for name, h := range brokenAnswers {
		for doing, v := range operations {
			t.Run(name+"/"+doing, func(t *testing.T) {
				st.answerWith(h)
				o := v.do(t, st)
				if !o.kept || !o.isError() || len(o.diags) != 1 {
					t.Fatalf("kept: %t, %v", o.kept, o.diags)
				}
				d := o.diags[0]
				if d.Summary != v.summary {
					t.Errorf("%q, want %q", d.Summary, v.summary)
				}
				if name == "a gateway's" {
					mustSay(t, d.Detail, "A proxy answers, and the server behind it does not. Try again later.")
				}
				if v.makes != "" && !certainlyRefused[name] {
					mustSay(t, d.Detail, "may exist", fmt.Sprintf("id = %q", v.makes))
				} else if strings.Contains(d.Detail, "may exist") {
					t.Errorf("nothing was made: %s", d.Detail)
				}
			})
		}
	}
}

// If no server was reached, no error says that an object may exist. One error says what to check.
func TestAnswers_Unreachable(t *testing.T) {
	t.Parallel()
	st := newFakeServer(t)
	st.wire = configuredProvider(t, "http://127.0.0.1:9", "ctl_a_b", nil)
	for _, tc := range []struct{ kind, words string }{
		{profileType, "CERTCTL_ENDPOINT"}, {certificateType, "The error of an earlier call says what to check"},
	} {
		o := create(tc.kind)(t, st)
		if len(o.diags) != 1 || !o.kept {
			t.Fatalf("%v", o)
		}
		mustSay(t, o.diags[0].Detail, "No answer from http://127.0.0.1:9", tc.words)
		if strings.Contains(o.diags[0].Detail, "may exist") {
			t.Error(o.diags[0].Detail)
		}
	}
}

// Only the problem not_found about the same type and id removes an object from the state, or makes a delete succeed. A
// data source returns it as an error.
func TestAnswers_Gone(t *testing.T) {
	t.Parallel()
	st := newFakeServer(t)
	type subject struct{ kind, id string }
	own := map[string]subject{
		"read profile": {"profile", "p-cdn"}, "delete profile": {"profile", "p-cdn"}, "profile data": {"profile", "p-cdn"},
		"read certificate": {"certificate", "mc-www"}, "delete certificate": {"certificate", "mc-www"}, "approval data": {"approval", "ar-a"},
	}
	for doing, own := range own {
		for _, of := range []subject{own, {own.kind, "x-other"}, {"job", own.id}, {"", own.id}, {own.kind, ""}} {
			t.Run(doing+"/"+of.kind+" "+of.id, func(t *testing.T) {
				st.answerWith(refusal{status: 404, problem: *api.NotFound(of.kind, of.id)}.send)
				o := operations[doing].do(t, st)
				data := strings.HasSuffix(doing, "data")
				if gone := of == own && !data; o.kept == gone || o.isError() == gone {
					t.Errorf("kept: %t, %v", o.kept, o.diags)
				}
				if of == own && data {
					mustSay(t, o.diags[0].Detail, "no ", own.kind)
				}
			})
		}
	}
}
