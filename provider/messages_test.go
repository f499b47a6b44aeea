package provider

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
)

var updateGolden = flag.Bool("update", false, "write the golden file")

const messagesFile = "testdata/messages.golden"

// messageList collects the messages of the provider.
type messageList struct {
	text strings.Builder
	conn connection
}

// add adds diagnostics under a title.
func (l *messageList) add(title string, diags ...diag.Diagnostic) {
	fmt.Fprintf(&l.text, "=== %s\n", title)
	for _, d := range diags {
		at := ""
		if p, ok := d.(diag.DiagnosticWithPath); ok {
			at = " (" + p.Path().String() + ")"
		}
		fmt.Fprintf(&l.text, "%s: %s%s\n\n%s\n\n", d.Severity(), d.Summary(), at, strings.ReplaceAll(d.Detail(), l.conn.client.Endpoint(), "https://certctl.example.com"))
	}
}

// exampleServer answers with these objects.
func exampleServer(t *testing.T) connection {
	t.Helper()
	someone, at := "carol", time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
	earlier := "ar-0"
	approval := api.Approval{ID: "ar-1", State: api.ApprovalPending, RequestedBy: "terraform", Accountable: "alice", Excluded: []string{"alice"}, ExpiresAt: at, PreviousApprovalID: &earlier}
	rejected, expired, closed := approval, approval, approval
	rejected.State, rejected.DecidedBy, rejected.Note = api.ApprovalRejected, &someone, "wrong team"
	expired.State = api.ApprovalExpired
	closed.State, closed.ClosedBy = api.ApprovalCancelled, &someone
	answers := map[string]any{
		"/api/v1/approvals/ar-1": approval, "/api/v1/approvals/ar-rejected": rejected, "/api/v1/approvals/ar-expired": expired, "/api/v1/approvals/ar-closed": closed,
		"/api/v1/profiles": []api.Profile{}, "/api/v1/jobs/job-1": api.Job{},
	}
	users := make([]api.Certificate, maxNamedUsers+1)
	for i := range users {
		users[i].ID = fmt.Sprintf("mc-%d", i+1)
	}
	answers["/api/v1/certificates"] = users
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, ok := answers[r.URL.Path]
		w.Header().Set("Content-Type", "application/json")
		if !ok {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusNotFound)
			kind := map[bool]string{true: typeCertificate, false: typeProfile}[strings.Contains(r.URL.Path, "certificates")]
			if strings.Contains(r.URL.Path, "approvals") {
				kind = typeApproval
			}
			answer = api.Problem{Type: api.ProblemTypePrefix + string(api.CodeNotFound), ResourceType: kind, ResourceID: filepath.Base(r.URL.Path)}
		}
		_ = json.NewEncoder(w).Encode(answer)
	}))
	t.Cleanup(server.Close)
	c, err := client.New(server.URL, "ctl_a_b", client.WithRetries(0))
	if err != nil {
		t.Fatal(err)
	}
	return connection{client: c, previews: &previews{}}
}

func newProblem(code api.Code, detail string, faults ...api.Fault) *api.Problem {
	return &api.Problem{Type: api.ProblemTypePrefix + string(code), Detail: detail, RequestID: "req-1", Errors: faults}
}

func newFault(pointer, detail string) api.Fault { return api.Fault{Pointer: pointer, Detail: detail} }

// TestMessages_GoldenFile compares every message with the golden file, for people to read. Each sentence in the code is in it.
func TestMessages_GoldenFile(t *testing.T) {
	l := &messageList{conn: exampleServer(t)}
	l.addSettings(t)
	l.addConfiguration(t)
	l.addPlans()
	l.addOutcomes()
	l.addRefusals()
	l.addFailures()
	got := l.text.String()
	if *updateGolden {
		if err := os.WriteFile(messagesFile, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(messagesFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("run this test with -update, and read the changes:\n%s", diff)
	}
	for _, missing := range missingSentences(t, got) {
		t.Errorf("no message of the golden file has: %s", missing)
	}
}

func (l *messageList) addSettings(t *testing.T) {
	endpoint, key := types.StringValue("https://certctl.example.com"), types.StringValue("ctl_a_b")
	l.add("settings that are unknown or empty", providerModel{Endpoint: types.StringUnknown(), APIKey: types.StringValue("")}.checkSettings()...)
	l.add("a setting that is missing", providerModel{APIKey: key}.checkSettings()...)
	for _, tc := range []struct {
		title string
		model providerModel
	}{
		{"CAs twice", providerModel{CAFile: types.StringValue("ca.pem"), CAPEM: types.StringValue("-----BEGIN")}},
		{"a client certificate without a key", providerModel{ClientCert: types.StringValue("x")}},
		{"a client key without a certificate", providerModel{ClientKey: types.StringValue("x")}},
	} {
		_, diags := tc.model.clientOptions()
		l.add(tc.title, diags...)
	}
	for _, tc := range []struct {
		title string
		model providerModel
	}{
		{"an endpoint without a scheme", providerModel{Endpoint: types.StringValue("localhost:8080"), APIKey: key}},
		{"an endpoint over http to another host", providerModel{Endpoint: types.StringValue("http://certctl.example.com"), APIKey: key}},
		{"an API key with a space at its end", providerModel{Endpoint: endpoint, APIKey: types.StringValue("ctl_a_b ")}},
		{"a CA file that does not exist", providerModel{Endpoint: endpoint, APIKey: key, CAFile: types.StringValue("/none/ca.pem")}},
		{"CAs that are no PEM", providerModel{Endpoint: endpoint, APIKey: key, CAPEM: types.StringValue("x")}},
		{"a client certificate that is no PEM", providerModel{Endpoint: endpoint, APIKey: key, ClientCert: types.StringValue("x"), ClientKey: types.StringValue("x")}},
	} {
		opts, _ := tc.model.clientOptions()
		_, err := tc.model.newClient(opts...)
		l.add(tc.title, explainSetting(err))
	}
	l.add("another fault of the configuration", explainSetting(errors.New("the configuration is wrong")))
	_, diags := providerModel{ChangeReason: types.StringValue(strings.Repeat("x", maxReason+1))}.readReason()
	l.add("a reason that is too long", diags...)
	t.Setenv(resubmitVariable, "maybe")
	_, diags = providerModel{}.readResubmit()
	l.add("a variable that is no boolean", diags...)
	t.Setenv(authorsVariable, "alice,Bob!")
	_, diags = readChangeAuthors()
	l.add("an author who is no handle", diags...)
	refused := newRefusingServer(t, newProblem(api.CodeUnauthenticated, "send a valid key"))
	_, diags = providerModel{Endpoint: types.StringValue(refused), APIKey: key}.checkKey(t.Context(), nil)
	l.add("a key that the server refuses", diags...)
	viewer := l.conn
	viewer.me = api.Me{ID: "ci-plan", Roles: []api.Role{api.RoleViewer}}
	l.add("a key that may not write", viewer.warnOfMissingRole()...)
}

func newRefusingServer(t *testing.T, p *api.Problem) (endpoint string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusUnauthorized)
		_ = json.NewEncoder(w).Encode(p)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func (l *messageList) addConfiguration(t *testing.T) {
	ctx := t.Context()
	duration := &validator.StringResponse{}
	positiveDuration{}.ValidateString(ctx, validator.StringRequest{Path: path.Root("request_timeout"), ConfigValue: types.StringValue("soon")}, duration)
	l.add("a duration that is none", duration.Diagnostics...)
	id := &validator.StringResponse{}
	chosenID{"mc-"}.ValidateString(ctx, validator.StringRequest{Path: path.Root("id"), ConfigValue: types.StringValue("www")}, id)
	l.add("an id in a wrong form", id.Diagnostics...)
	l.add("a fraction", wholeNumberType{}.Validate(ctx, tftypes.NewValue(tftypes.Number, 1.5), path.Root("max_sans"))...)
	csr := &validator.StringResponse{}
	csrValidator{}.ValidateString(ctx, validator.StringRequest{Path: path.Root("csr_pem"), ConfigValue: types.StringValue("-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----\n")}, csr)
	l.add("a private key for a CSR", csr.Diagnostics...)
	l.add("a CSR that is known only during the apply", checkCSR(certificateModel{CSRPEM: types.StringValue("x")})...)
	l.add("a certificate without a name", checkForm(ctx, certificateModel{CommonName: types.StringNull(), SANs: newStringSet(nil)}, certificateSchema(ctx))...)
	l.add("a name in a wrong spelling", checkForm(ctx, certificateModel{CommonName: types.StringUnknown(), SANs: newStringSet([]string{"WWW.example.com"})}, certificateSchema(ctx))...)
	l.add("rules of a profile that disagree", explainFaults(ctx, attempt{schema: certificateProfileSchema()}, summaryRefused,
		[]api.Fault{newFault("/allowed_common_names", "not with serverAuth in allowed_ekus")})...)
	for _, i := range []struct {
		importable
		id string
	}{{importableProfile, ""}, {importableProfile, "Web"}, {importableCertificate, "www"}} {
		l.add(fmt.Sprintf("an import of %q as %s", i.id, i.name), i.check(i.id)...)
	}
}

func (l *messageList) addPlans() {
	ctx := context.Background()
	schema, profiles := certificateSchema(ctx), certificateProfileSchema()
	certificates := attempt{body: api.CertificateSpec{SANs: []string{"www.example.com"}}, schema: schema}
	object := "Certificate mc-www"
	waits := api.CertificatePreview{Issuance: api.IssuanceWaits, Warnings: []string{"nobody can decide this request"}}
	l.add("plan: a certificate will wait, and the server warns", certificates.explainPreview(ctx, object, waits, nil)...)
	refused := newProblem(api.CodeInvalidRequest, "", newFault("/sans/0", `the DNS name "www.example.com" matches nothing in the profile's allowed_dns_names`))
	l.add("plan: a certificate would be refused", certificates.explainPreview(ctx, object, api.CertificatePreview{Problem: refused}, nil)...)
	disabled := newProblem(api.CodeProfileDisabled, "profile p-cdn is disabled")
	l.add("plan: the profile is disabled", certificates.explainPreview(ctx, object, api.CertificatePreview{Problem: disabled}, nil)...)
	limited := newProblem(api.CodeRateLimited, "terraform asked for too many previews: wait a moment")
	l.add("plan: too many previews", certificates.explainPreview(ctx, object, api.CertificatePreview{}, limited)...)

	p := &certificateProfileResource{l.conn}
	edits := attempt{body: api.CreateProfile{ProfileSpec: api.ProfileSpec{Name: "CDN", AllowedIPRanges: []string{"10.0.0.1/8"}}}, schema: profiles}
	broken := newProblem(api.CodeInvalidRequest, "", newFault("/allowed_ip_ranges/0", `"10.0.0.1/8" has bits set after its prefix; write "10.0.0.0/8"`))
	l.add("plan: a profile with a broken rule", edits.explainRefusal(ctx, summaryRefused, "", broken)...)
	taken := newProblem(api.CodeAlreadyExists, `profile p-cdn has the name "CDN" already: choose another name`)
	taken.ID = "p-cdn"
	l.add("plan: a name is taken", edits.explainRefusal(ctx, summaryRefused, `Certificate profile "CDN"`, taken)...)
	waiting := newProblem(api.CodeEditAlreadyPending, "another edit of bob waits")
	waiting.ApprovalID = "ar-2"
	l.add("plan: another edit waits", edits.explainRefusal(ctx, summaryRefusedEdit, "Certificate profile p-cdn", waiting)...)
	edited := api.EditPreview{Changes: []api.Change{{Pointer: "/max_sans"}}, Effects: api.EditEffects{JobsCancelled: 1, RenewalsBlocked: 2}, Warnings: []string{"1,000 of 2,400 certificates were checked"}}
	l.add("plan: an edit needs an approval", warnOfApproval("p-cdn", edited)...)
	same, before := "ar-1", "ar-0"
	l.add("plan: the same edit waits", warnOfApproval("p-cdn", api.EditPreview{ApprovalID: &same, Changes: edited.Changes})...)
	l.add("plan: the same edit was not approved", warnOfApproval("p-cdn", api.EditPreview{PreviousApprovalID: &before, Changes: edited.Changes})...)
	l.add("plan: an edit has effects", warnOfEffects("p-cdn", edited)...)
	gated := certificateProfileModel{ID: types.StringValue("p-cdn"), RequiresApproval: true}
	l.add("plan: an edit with unknown values", warnOfUnknownEdit(gated, []string{"labels"})...)
	l.add("plan: a profile is replaced", p.warnOfReplacement(ctx, gated)...)
	l.add("plan: an edit is still pending", p.warnOfPendingEdit(ctx, "p-cdn", privateText(`"ar-1"`))...)

	lost := certificateModel{ID: types.StringValue("mc-www")}
	lost.CertificatePEM, lost.NotAfter = types.StringValue("pem"), newTimestamp(time.Date(2026, 12, 24, 0, 0, 0, 0, time.UTC))
	l.add("plan: a certificate is destroyed", warnOfLoss(lost, summaryDestroyed)...)
	l.add("plan: a certificate is replaced", warnOfLoss(lost, summaryReplaced)...)
	_, diags := readPrivate[string](ctx, privateText("{"), stateKey)
	l.add("plan: the private state is broken", diags...)
	_, diags = ifMatch(ctx, privateText("{"))
	l.add("apply: the private state has no version", diags...)
	diags = target{private: privateText("")}.setPrivate(ctx, map[string]any{"x": make(chan int)})
	l.add("apply: the private state cannot be written", diags...)
	r := &certificateResource{l.conn}
	l.add("plan: a certificate is requested again", warnOfRequestAgain("mc-www", r.explainUnmet(ctx, "mc-www")))
	l.add("plan: a certificate cannot be requested", warnOfDisabled("mc-www", "Nobody has requested the certificate yet.", disabled))
}

// privateText is a private state in which every key has the same text.
type privateText string

func (p privateText) GetKey(context.Context, string) ([]byte, diag.Diagnostics) {
	return []byte(p), nil
}

func (p privateText) SetKey(context.Context, string, []byte) diag.Diagnostics { return nil }

func (l *messageList) addOutcomes() {
	ctx := context.Background()
	r := &certificateResource{l.conn}
	id := func(s string) *string { return &s }
	cause := api.CauseApprovalWithdrawn
	ended := func(approval string) api.Certificate {
		return api.Certificate{ID: "mc-www", ApprovalID: &approval, Job: &api.JobSummary{ID: "job-1", Status: api.JobCancelled, Cause: &cause}}
	}
	leaf := &api.Leaf{NotAfter: time.Date(2026, 12, 24, 0, 0, 0, 0, time.UTC)}
	completed := &api.JobSummary{ID: "job-1", Status: api.JobCompleted}
	for _, tc := range []struct {
		title string
		c     api.Certificate
		state certificateState
	}{
		{"a certificate awaits approval", api.Certificate{ID: "mc-www", Status: api.CertificateAwaitingApproval, ApprovalID: id("ar-1"), OpenJobID: id("job-1")}, stateWaiting},
		{"a certificate is still being issued", api.Certificate{ID: "mc-www", OpenJobID: id("job-1")}, stateWaiting},
		{"the request was rejected", ended("ar-rejected"), stateRejected},
		{"the request was rejected, and the approval cannot be read", ended("ar-none"), stateRejected},
		{"the request expired", ended("ar-expired"), stateUnmet},
		{"the request was closed", ended("ar-closed"), stateUnmet},
		{"the request ended, and the approval cannot be read", ended("ar-none"), stateUnmet},
		{"nobody requested the certificate", api.Certificate{ID: "mc-www"}, stateUnmet},
		{"the leaf has expired", api.Certificate{ID: "mc-www", Job: completed, Current: leaf, Status: api.CertificateExpired}, stateUnmet},
		{"the leaf is not what would be signed", api.Certificate{ID: "mc-www", Job: completed, Current: leaf}, stateUnmet},
		{"the issuer failed", api.Certificate{ID: "mc-www", Job: &api.JobSummary{ID: "job-1", Status: api.JobFailed, ErrorMessage: "the issuer did not answer"}}, stateUnmet},
	} {
		l.add("outcome: "+tc.title, r.warnOfOutcome(ctx, tc.c, tc.state)...)
	}
	state := certificateModel{ID: types.StringValue("mc-www")}
	state.ApprovalID = types.StringValue("ar-rejected")
	l.add("outcome: a rejection in a later plan", r.warnOfRejection(ctx, state)...)
	l.add("outcome: the wait ended", warnOfStopped("mc-www", errors.New("no answer")))
	l.add("outcome: the action stops following", warnOfStoppedJob("mc-www", api.Job{ID: "job-1", Status: api.JobRunning}))
	l.add("outcome: the action's job ended", attempt{action: "renew certificate mc-www"}.explainJob(api.Job{ID: "job-1", Status: api.JobFailed, ErrorMessage: "the issuer did not answer"})...)
	l.add("outcome: parts of the CSR are ignored", warnOfIgnored(api.Certificate{ID: "mc-www", CSRIgnored: []api.Ignored{{What: "organizationName (2.5.4.10)", Value: "Example"}}})...)
}

func (l *messageList) addRefusals() {
	ctx := context.Background()
	profile := attempt{action: `create certificate profile "CDN"`, schema: certificateProfileSchema(), body: api.CreateProfile{ProfileSpec: api.ProfileSpec{Name: "CDN"}}}
	edit := attempt{action: "update certificate profile p-cdn", schema: certificateProfileSchema(), body: api.ProfileSpec{Name: "CDN", AllowedDNSNames: []string{"*.*.example.com"}}}
	certificate := attempt{action: "create certificate mc-www", schema: certificateSchema(ctx), body: api.CreateCertificate{ID: "mc-www", CertificateSpec: api.CertificateSpec{SANs: []string{"www.example.com"}}}}
	for _, tc := range []struct {
		title   string
		a       attempt
		problem api.Problem
	}{
		{"an element of a set", edit, *newProblem(api.CodeInvalidRequest, "", newFault("/allowed_dns_names/0", `"*.*.example.com" has a second wildcard`))},
		{"a duplicate", edit, *newProblem(api.CodeInvalidRequest, "", newFault("/allowed_dns_names/0", `"*.*.example.com" is there already, as element 3`))},
		{"a setting of the provider", edit, *newProblem(api.CodeInvalidRequest, "", newFault("?reason", "has a control character"))},
		{"a field that an older server does not know", edit, *newProblem(api.CodeInvalidRequest, "", newFault("/csr_extras", "unexpected property"))},
		{"a parameter that an older server does not know", edit, *newProblem(api.CodeInvalidRequest, "", newFault("?also_excluded", "unknown query parameter"))},
		{"the whole request", edit, *newProblem(api.CodeInvalidRequest, "", newFault("", "is not valid"))},
		{"a refused key", edit, *newProblem(api.CodeUnauthenticated, "")},
		{"a missing role", edit, api.Problem{Type: api.ProblemTypePrefix + "forbidden", RequestID: "req-1", Principal: "ci-plan", RequiredRoles: []api.Role{api.RoleOperator}}},
		{"names that need an approval", certificate, *newProblem(api.CodeApprovalRequired, "these names need an approval", newFault("/sans/0", `"www.example.com" needs an approval`))},
		{"a stale version", edit, *newProblem(api.CodePreconditionFailed, "")},
		{"another edit", edit, api.Problem{Type: api.ProblemTypePrefix + "edit_already_pending", Detail: "another edit of bob waits", RequestID: "req-1", ApprovalID: "ar-2"}},
		{"an absent object", edit, *newProblem(api.CodeNotFound, `there is no profile "p-cdn"`)},
		{"a name that is taken", profile, api.Problem{Type: api.ProblemTypePrefix + "already_exists", Detail: `profile p-cdn has the name "CDN" already: choose another name`, RequestID: "req-1", ID: "p-cdn"}},
		{"an id that is taken", certificate, api.Problem{Type: api.ProblemTypePrefix + "already_exists", Detail: "there is a certificate mc-www already: choose another id", RequestID: "req-1", ID: "mc-www"}},
		{"a profile in use", edit, api.Problem{Type: api.ProblemTypePrefix + "in_use", Detail: "certificates use profile p-cdn", RequestID: "req-1", UsedBy: []api.Ref{{Type: "certificate", ID: "mc-www"}}, UsedByCount: 12}},
		{"an older server", edit, *newProblem(api.CodeNoSuchRoute, "there is no /api/v1/profiles/preview: see /openapi.json")},
		{"a server that cannot write", edit, *newProblem(api.CodeUnavailable, "the database cannot be written")},
		{"a fault of the server", edit, *newProblem(api.CodeInternal, "an internal error")},
		{"a rejected edit", edit, api.Problem{Type: api.ProblemTypePrefix + "edit_rejected", RequestID: "req-1", DecidedBy: "bob", ApprovalID: "ar-1", Note: "no"}},
	} {
		l.add("refused: "+tc.title, tc.a.explainProblem(ctx, &tc.problem)...)
	}
	approval, _ := l.conn.client.GetApproval(ctx, "ar-1")
	l.add("refused: an edit awaits approval", edit.explain(ctx, &client.AwaitingApprovalError{Approval: approval, Endpoint: l.conn.client.Endpoint()})...)
}

func (l *messageList) addFailures() {
	ctx := context.Background()
	named := attempt{action: "create certificate mc-www", body: api.CreateCertificate{ID: "mc-www"}}
	unnamed := attempt{action: "create certificate of www.example.com", body: api.CreateCertificate{}}
	const endpoint = "https://certctl.example.com"
	refused := errors.New("dial tcp 10.0.0.1:443: connect: connection refused")
	l.add("failure: no server", named.explain(ctx, &client.UnreachableError{Endpoint: endpoint, Err: refused})...)
	l.add("failure: no server again", named.explain(ctx, &client.UnreachableError{Endpoint: endpoint, Err: refused, Again: true})...)
	l.add("failure: no answer to a create", named.explain(ctx, &client.UnreachableError{Endpoint: endpoint, Err: io.ErrUnexpectedEOF, Sent: true})...)
	l.add("failure: no answer to a create without an id", unnamed.explain(ctx, &client.UnreachableError{Endpoint: endpoint, Err: io.ErrUnexpectedEOF, Sent: true})...)
	l.add("failure: another program answers", named.explain(ctx, &client.ForeignAnswerError{Request: "GET /api/v1/profiles", Endpoint: endpoint, Status: 404, Why: "its type is text/html"})...)
	l.add("failure: a proxy answers", attempt{action: "read certificate mc-www"}.explain(ctx, &client.ForeignAnswerError{Request: "GET /api/v1/certificates/mc-www", Endpoint: endpoint, Status: 503, Why: "its type is text/html"})...)
	for _, action := range []string{
		"delete certificate profile p-cdn", "wait for certificate mc-www", "list the certificates", "list the certificate profiles",
		"read the certificates", "read the certificate profiles", "renew certificate mc-www",
	} {
		l.add("failure: "+action, attempt{action: action}.fail("The server's sentence.")...)
	}
	l.add("failure: another object", attempt{action: "read certificate mc-www"}.wrongObject(typeCertificate, "mc-other")...)

	_, diags := l.conn.certificateByID(ctx, nil, "mc-none")
	l.add("read: no such certificate", diags...)
	for _, name := range []string{"", "CDN"} {
		_, diags = l.conn.profileByName(ctx, attempt{action: fmt.Sprintf("read certificate profile %q", name)}, name)
		l.add(fmt.Sprintf("read: no profile of the name %q", name), diags...)
	}
	_, diags = l.conn.profileByIDOrName(ctx, nil, "p-none", "")
	l.add("read: no such profile", diags...)
	read := attempt{action: "read approval ar-none"}
	l.add("read: no such approval", read.explainNoApproval("ar-none", endpoint))
	l.add("read: a subject of a newer server", read.explainSubject(errors.New("approval ar-1: it is not JSON"))...)
	l.add("read: no summary", attempt{action: "read the pending approvals"}.explainNoSummary(endpoint)...)
}

// verb is what fmt replaces, and a line break.
var verb = regexp.MustCompile(`%(\[\d+\])?[a-z]|\n`)

// missingSentences returns the parts of string literals in the provider's code that no message has. A part has three words or
// more. Descriptions of schemas and lines of the log are no messages.
func missingSentences(t *testing.T, messages string) (missing []string) {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	messages = strings.Join(strings.Fields(messages), " ")
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") || strings.HasSuffix(name, "_schema.go") || slices.Contains([]string{"attributes.go", "certificate_filter.go"}, name) {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, literal := range literalsIn(file) {
			for _, part := range verb.Split(literal, -1) {
				words := strings.Fields(part)
				if len(words) >= 3 && !strings.Contains(messages, strings.Join(words, " ")) {
					missing = append(missing, name+": "+part)
				}
			}
		}
	}
	slices.Sort(missing)
	return missing
}

// literalsIn returns the texts of a file that can be messages.
func literalsIn(file *ast.File) (literals []string) {
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			return !isDescription(n)
		case *ast.ImportSpec, *ast.Field:
			return false
		case *ast.CallExpr:
			switch f := n.Fun.(type) {
			case *ast.SelectorExpr:
				return f.Sel.Name != "Debug" && f.Sel.Name != "MustCompile"
			case *ast.Ident:
				switch name := f.Name; {
				case name == "report": // the progress of an action
					return false
				case strings.HasPrefix(name, "computed"), strings.HasPrefix(name, "optional"), strings.HasPrefix(name, "output"): // descriptions
					return false
				}
			}
		case *ast.BasicLit:
			if text, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING {
				literals = append(literals, text)
			}
		}
		return true
	})
	return literals
}

// isDescription reports whether a function returns descriptions, and no message.
func isDescription(f *ast.FuncDecl) bool {
	return strings.HasSuffix(f.Name.Name, "Description") || strings.HasSuffix(f.Name.Name, "Schema")
}
