package servertest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/certctl/terraform-provider-certctl/api"
)

// operationCodes are the codes that the OpenAPI document lists: method, path, codes.
type operationCodes map[string]map[string][]string

// checkProblems fails the test if the document does not list the code of an answer for its operation.
func checkProblems(t testing.TB, handler http.Handler) http.Handler {
	t.Helper()
	codes := readCodes(t, handler)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		recorder := &problemRecorder{ResponseWriter: w}
		handler.ServeHTTP(recorder, r)
		if recorder.problem == nil {
			return
		}
		var p api.Problem
		if err := json.Unmarshal(recorder.problem.Bytes(), &p); err != nil {
			return // the answer broke off
		}
		path, known := codes.find(r.Method, r.URL.Path)
		if path != "" && !slices.Contains(known, string(p.Code())) {
			t.Errorf("%s %s answers %s, which its operation in the OpenAPI document does not list: add the code in routes.go", r.Method, path, p.Code())
		}
	})
}

// find returns the path and the codes of the operation of a request; an empty path if there is none.
func (d operationCodes) find(method, path string) (template string, codes []string) {
	for candidate, codes := range d[strings.ToLower(method)] {
		if candidate == path {
			return candidate, codes
		}
		if matchesTemplate(candidate, path) {
			template = candidate
		}
	}
	return template, d[strings.ToLower(method)][template]
}

func matchesTemplate(template, path string) bool {
	names, parts := strings.Split(template, "/"), strings.Split(path, "/")
	return slices.EqualFunc(names, parts, func(name, part string) bool { return name == part || strings.HasPrefix(name, "{") })
}

func readCodes(t testing.TB, handler http.Handler) operationCodes {
	t.Helper()
	type response struct {
		Ref     string `json:"$ref"`
		Content map[string]struct {
			Examples map[string]any `json:"examples"`
		} `json:"content"`
	}
	var doc struct {
		Paths map[string]map[string]struct {
			Responses map[string]response `json:"responses"`
		} `json:"paths"`
	}
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/openapi.json", nil))
	if err := json.Unmarshal(answer.Body.Bytes(), &doc); err != nil {
		t.Fatalf("the OpenAPI document: %v", err)
	}
	codes := operationCodes{}
	for path, operations := range doc.Paths {
		for method, operation := range operations {
			if codes[method] == nil {
				codes[method] = map[string][]string{}
			}
			ofOperation := []string{}
			for _, r := range operation.Responses {
				if code, ok := strings.CutPrefix(r.Ref, "#/components/responses/"); ok {
					ofOperation = append(ofOperation, code)
				}
				for code := range r.Content["application/problem+json"].Examples {
					ofOperation = append(ofOperation, code)
				}
			}
			codes[method][path] = ofOperation
		}
	}
	return codes
}

// problemRecorder copies the body of an answer if it is a problem.
type problemRecorder struct {
	http.ResponseWriter
	problem *bytes.Buffer
}

func (r *problemRecorder) WriteHeader(status int) {
	if r.Header().Get("Content-Type") == "application/problem+json" {
		r.problem = &bytes.Buffer{}
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *problemRecorder) Write(body []byte) (int, error) {
	if r.problem != nil {
		r.problem.Write(body)
	}
	return r.ResponseWriter.Write(body)
}

// Unwrap lets http.ResponseController reach the connection.
func (r *problemRecorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
