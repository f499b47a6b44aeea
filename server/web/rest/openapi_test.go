package rest_test

import (
	"bytes"
	"flag"
	"io"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
	"github.com/certctl/terraform-provider-certctl/server/web/rest"
)

var update = flag.Bool("update", false, "write the golden file instead of comparing with it")

const golden = "../../../api/openapi.yaml"

func TestOpenAPI_IsTheGoldenFile(t *testing.T) {
	generated, err := rest.OpenAPI("dev")
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(golden, generated, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	stored, err := os.ReadFile(golden)
	if err != nil || !bytes.Equal(generated, stored) {
		t.Errorf("%s differs from the code: run make generate (%v)", golden, err)
	}
	if err := document(t).Validate(t.Context()); err != nil {
		t.Error(err)
	}
}

var loadDocument = sync.OnceValues(func() (*openapi3.T, error) {
	made, err := rest.OpenAPI("dev")
	if err != nil {
		return nil, err
	}
	return openapi3.NewLoader().LoadFromData(made)
})

func document(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := loadDocument()
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

type operation struct {
	id, method, path string
	*openapi3.Operation
}

// listOperations returns all operations of the document, sorted by id.
func listOperations(t *testing.T) []operation {
	t.Helper()
	var all []operation
	for path, item := range document(t).Paths.Map() {
		for method, op := range item.Operations() {
			all = append(all, operation{op.OperationID, method, path, op})
		}
	}
	slices.SortFunc(all, func(a, b operation) int { return strings.Compare(a.id, b.id) })
	return all
}

// documentOperations serve the document. The client has no methods for them.
var documentOperations = []string{"get-openapi-json", "get-openapi-yaml"}

func TestOpenAPI_EveryOperationHasAClientMethod(t *testing.T) {
	for _, op := range listOperations(t) {
		if slices.Contains(documentOperations, op.id) {
			continue
		}
		name := ""
		for word := range strings.SplitSeq(op.id, "-") {
			name += strings.ToUpper(word[:1]) + word[1:]
		}
		if _, ok := reflect.TypeFor[*client.Client]().MethodByName(name); !ok {
			t.Errorf("%s: there is no client.%s", op.id, name)
		}
	}
}

func TestOpenAPI_DescribesEveryOperation(t *testing.T) {
	var known []string
	for _, tag := range document(t).Tags {
		if known = append(known, tag.Name); tag.Description == "" {
			t.Errorf("the tag %s has no description", tag.Name)
		}
	}
	for _, op := range listOperations(t) {
		if len(op.Tags) != 1 || !slices.Contains(known, op.Tags[0]) {
			t.Errorf("%s has the tags %v", op.id, op.Tags)
		}
		if op.Summary == "" || strings.HasSuffix(op.Summary, ".") || !strings.HasSuffix(op.Description, ".") {
			t.Errorf("%s has the summary %q and the description %q", op.id, op.Summary, op.Description)
		}
		if len(op.Responses.Value("500").Value.Content["application/problem+json"].Examples) != 1 {
			t.Errorf("%s does not list its codes", op.id)
		}
		for _, p := range op.Parameters {
			checkDescription(t, op.id+" "+p.Value.Name, p.Value.Description, p.Value.Schema, p.Value.Example)
		}
		for status, response := range op.Responses.Map() {
			if response.Value.Description == nil || *response.Value.Description == "" {
				t.Errorf("%s: %s has no description", op.id, status)
			}
			for name, header := range response.Value.Headers {
				checkDescription(t, op.id+" "+status+" "+name, header.Value.Description, header.Value.Schema, header.Value.Example)
			}
		}
	}
}

func TestOpenAPI_DescribesEveryField(t *testing.T) {
	for name, schema := range document(t).Components.Schemas {
		if schema.Value.Description == "" {
			t.Errorf("%s has no description", name)
		}
		for field, s := range schema.Value.Properties {
			// A reference is described at its schema. A field that the server sets is ignored in a body.
			if s.Ref == "" && s.Value.Description != "Set by the server, and ignored here." {
				checkDescription(t, name+"."+field, s.Value.Description, s, nil)
			}
		}
	}
}

func TestOpenAPI_ExamplesOfProblemsAreValid(t *testing.T) {
	problem := document(t).Components.Schemas["Problem"].Value
	for code, example := range document(t).Components.Examples {
		if err := problem.VisitJSON(example.Value.Value); err != nil {
			t.Errorf("%s: %v", code, err)
		}
	}
}

// checkDescription checks that there is a description, and one valid example. Booleans, and objects whose fields have
// examples, need no example.
func checkDescription(t *testing.T, name, description string, schema *openapi3.SchemaRef, example any) {
	t.Helper()
	if !strings.HasSuffix(description, ".") {
		t.Errorf("%s has the description %q", name, description)
	}
	s := schema.Value
	examples := slices.Clone(s.Examples)
	if example != nil {
		examples = append(examples, example)
	}
	if len(examples) != 1 && !s.Type.Is("boolean") && len(s.OneOf) == 0 && (s.Items == nil || s.Items.Ref == "") {
		t.Errorf("%s has %d examples", name, len(examples))
	}
	for _, example := range examples {
		if err := s.VisitJSON(example, openapi3.EnableFormatValidation()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The document has the statuses, the security and the body of every operation.
func TestOpenAPI_HasStatusesSecurityAndBodies(t *testing.T) {
	optional := []string{"approve-approval", "reject-approval", "withdraw-approval", "renew-certificate", "preview-renewal"}
	public := slices.Concat([]string{"get-health", "get-ready"}, documentOperations)
	statuses := map[string][]string{
		"create-profile": {"201"}, "create-certificate": {"201"}, "renew-certificate": {"202"}, "replace-profile": {"200", "202"},
		"delete-profile": {"204"}, "delete-certificate": {"204"},
	}
	for _, op := range listOperations(t) {
		want := statuses[op.id]
		if len(want) == 0 {
			want = []string{"200"}
		}
		var successes []string
		for status, response := range op.Responses.Map() {
			if status < "300" {
				successes = append(successes, status)
			} else if media := response.Value.Content; len(media) != 1 || media["application/problem+json"] == nil {
				t.Errorf("%s refuses with %s and %v", op.id, status, media)
			}
		}
		if slices.Sort(successes); !slices.Equal(successes, want) {
			t.Errorf("%s succeeds with %v", op.id, successes)
		}
		if op.Security == nil || (len(*op.Security) == 0) != slices.Contains(public, op.id) {
			t.Errorf("%s has security %v", op.id, op.Security)
		}
		hasBody := op.method == http.MethodPost || op.method == http.MethodPut
		if (op.RequestBody != nil) != hasBody {
			t.Errorf("%s has body %v", op.id, op.RequestBody)
		} else if hasBody {
			body := op.RequestBody.Value
			if len(body.Content) != 1 || body.Content["application/json"] == nil || body.Required == slices.Contains(optional, op.id) {
				t.Errorf("%s takes %v, required %v", op.id, body.Content, body.Required)
			}
			if body.Content["application/json"].Schema.Value.AdditionalProperties.Has == nil {
				t.Errorf("%s does not say that it takes no other fields", op.id)
			}
		}
		if op.id == "replace-profile" {
			if required := op.RequestBody.Value.Content["application/json"].Schema.Value.Required; !slices.Equal(required, []string{"name", "requires_approval"}) {
				t.Errorf("a replacement requires %v", required)
			}
		}
	}
}

// Every answer and every refusal matches the document.
func TestOpenAPI_DocumentsEveryAnswer(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		ops, called := map[string]operation{}, map[string]bool{}
		for _, op := range listOperations(t) {
			ops[op.id] = op
		}
		call := func(who, id, object, body string) answer {
			t.Helper()
			op := ops[id]
			called[id] = true
			a := send(t, s, who, op.method, strings.ReplaceAll(op.path, "{id}", object), body)
			if a.status >= 300 {
				t.Errorf("%s: %d %s", id, a.status, a.body)
			}
			checkDocumented(t, op, a)
			for _, query := range []string{"", "?bogus=1"} {
				absent := strings.ReplaceAll(op.path, "{id}", "absent")
				if query != "" || absent != op.path {
					checkDocumented(t, op, send(t, s, who, op.method, absent+query, body))
				}
			}
			return a
		}
		p := decodeSuccess[api.Profile](t, call("olga", "create-profile", "", `{"name":"x","allowed_dns_names":["**.example.com"]}`), 201)
		call("olga", "replace-profile", p.ID, `{"name":"gated","requires_approval":true,"allowed_dns_names":["**.example.com"],"labels":{"a":"b"}}`)
		wider := `{"name":"gated","requires_approval":false,"allowed_dns_names":["**"]}`
		preview := strings.Replace(wider, "{", `{"id":"`+p.ID+`",`, 1)
		call("vera", "preview-profile", "", preview)
		edit := decodeSuccess[api.Approval](t, call("olga", "replace-profile", p.ID, wider), 202)
		for _, body := range []string{preview, strings.Replace(preview, "gated", "x", 1), `{"name":"new"}`} {
			call("bob", "preview-profile", "", body)
		}
		call("vera", "get-approval", edit.ID, "")
		call("vera", "get-profile", p.ID, "")
		body := newCertificateBody(t, p.ID, "")
		c := decodeSuccess[api.Certificate](t, call("olga", "create-certificate", "", body), 201)
		call("olga", "replace-certificate", c.ID, strings.Replace(body, "{", `{"renew_before_seconds":60,`, 1))
		call("vera", "preview-certificate", "", body)
		call("vera", "preview-certificate", "", strings.Replace(body, "{", `{"id":"`+c.ID+`",`, 1))
		call("vera", "preview-renewal", c.ID, `{"digest":"sha256:0"}`)
		call("vera", "preview-renewal", c.ID, "")
		for _, verb := range []struct{ who, id string }{{"bob", "reject-approval"}, {"olga", "withdraw-approval"}, {"bob", "approve-approval"}} {
			j := decodeSuccess[api.Job](t, call("olga", "renew-certificate", c.ID, `{"reason":"r"}`), 202)
			call("vera", "get-approval", *j.ApprovalID, "")
			call("vera", "get-eligibility", *j.ApprovalID, "")
			call(verb.who, verb.id, *j.ApprovalID, `{"note":"n"}`)
			call("vera", "get-certificate", c.ID, "")
			call("vera", "get-job", j.ID, "")
		}
		s.Drain(t)
		for _, id := range []string{"get-certificate", "get-certificate-chain", "list-certificate-versions"} {
			call("vera", id, c.ID, "")
		}
		for _, id := range []string{
			"get-me", "list-profiles", "list-certificates", "list-jobs", "list-approvals", "get-approval-summary", "get-ungated-names", "list-audit-events", "get-health", "get-ready",
		} {
			call("audrey", id, "", "")
		}
		call("adam", "list-principals", "", "")
		call("adam", "get-principal", "terraform", "")
		call("vera", "get-profile", p.ID, "")
		call("olga", "delete-certificate", c.ID, "")
		call("olga", "delete-profile", p.ID, "")
		for _, id := range documentOperations {
			op := ops[id]
			called[id] = true
			a := send(t, s, "", op.method, op.path, "")
			if checkDocumented(t, op, a); !strings.Contains(a.body, "replace-profile") {
				t.Errorf("%s: %d %.100s", id, a.status, a.body)
			}
		}
		for id := range ops {
			if !called[id] {
				t.Errorf("%s is not called", id)
			}
		}
	}, servertest.NoWorkers())
}

func init() {
	openapi3filter.RegisterBodyDecoder("application/pem-certificate-chain", openapi3filter.FileBodyDecoder)
	openapi3filter.RegisterBodyDecoder("application/openapi+json", openapi3filter.JSONBodyDecoder)
	openapi3filter.RegisterBodyDecoder("application/openapi+yaml", openapi3filter.FileBodyDecoder)
}

// checkDocumented validates an answer with the document.
func checkDocumented(t *testing.T, op operation, a answer) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), op.method, "http://localhost"+op.path, nil)
	if err != nil {
		t.Fatal(err)
	}
	doc := document(t)
	route := &routers.Route{Spec: doc, Path: op.path, PathItem: doc.Paths.Value(op.path), Method: op.method, Operation: op.Operation}
	input := openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: request, Route: route},
		Status:                 a.status,
		Header:                 a.header,
		Body:                   io.NopCloser(strings.NewReader(a.body)),
		Options:                &openapi3filter.Options{IncludeResponseStatus: true},
	}
	if err := openapi3filter.ValidateResponse(t.Context(), &input); err != nil {
		t.Errorf("%s: %d %s: %v", op.id, a.status, a.body, err)
	}
}
