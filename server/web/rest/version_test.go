package rest_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// The retired parameter dry_run is refused with the name of its replacement, and nothing is stored.
func TestReplaceProfile_RefusesADryRun(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		p := s.CreateProfileAsOlga(t, false)
		a := send(t, s, "olga", http.MethodPut, "/api/v1/profiles/"+p.ID+"?dry_run=true", `{"name":"other","requires_approval":true}`)
		if a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, "POST /api/v1/profiles/preview") {
			t.Errorf("%d %s", a.status, a.body)
		}
		stored, err := s.Client(t, "vera").GetProfile(t.Context(), p.ID)
		if err != nil || stored.Version != p.Version {
			t.Errorf("version %d, %v", stored.Version, err)
		}
	})
}

// If If-Match names another version, a write is refused. If the content is stored already, it succeeds.
func TestIfMatch_RefusesAnotherVersion(t *testing.T) {
	// Each object has version 3. Each tag is one header line.
	cases := []struct {
		tags    []string
		matches bool
	}{
		{[]string{`"3"`}, true},
		{[]string{`*`}, true},
		{[]string{`"2", "3"`}, true},
		{[]string{`"2"`, `"3"`}, true},
		{[]string{`W/"3", "3"`}, true},
		{[]string{`"2"`}, false},
		{[]string{`"4"`}, false},
		{[]string{`W/"3"`}, false},
		{[]string{`3`}, false},
		{[]string{`'3'`}, false},
		{[]string{`"3`}, false},
		{[]string{`""3""`}, false},
		{[]string{`"03"`}, false},
		{[]string{`"+3"`}, false},
		{[]string{`"3 "`}, false},
		{[]string{`"-1"`}, false},
		{[]string{`""`}, false},
		{[]string{` `}, false},
		{[]string{`"*"`}, false},
		{[]string{`*, "2"`}, false},
		{[]string{`"18446744073709551619"`}, false},
	}
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		decodeSuccess[api.Profile](t, send(t, s, "olga", "POST", "/api/v1/profiles", `{"id":"p-of-mc","name":"of mc","allowed_dns_names":["a.example.com"]}`), 201)
		for path, content := range map[string]string{
			"profiles/p-x":      `{"name":"x","requires_approval":false,"allowed_dns_names":["a.example.com"],"labels":{"n":"%d"}}`,
			"certificates/mc-x": newCertificateBody(t, "p-of-mc", `,"labels":{"n":"%d"}`),
		} {
			collection, id, _ := strings.Cut(path, "/")
			path = "/api/v1/" + path
			make3 := func() {
				t.Helper()
				create := strings.Replace(strings.Replace(fmt.Sprintf(content, 1), "{", `{"id":"`+id+`",`, 1), `"requires_approval":false,`, "", 1)
				decodeSuccess[struct{}](t, send(t, s, "olga", "POST", "/api/v1/"+collection, create), 201)
				for n := range 2 {
					decodeSuccess[struct{}](t, send(t, s, "olga", "PUT", path, fmt.Sprintf(content, n+2)), 200)
				}
			}
			make3()
			for _, c := range cases {
				var lines []string
				for _, tag := range c.tags {
					lines = append(lines, "If-Match", tag)
				}
				// Content that is stored already needs no matching version.
				if a := send(t, s, "olga", "PUT", path, fmt.Sprintf(content, 3), lines...); a.status != 200 || a.header.Get("ETag") != `"3"` {
					t.Errorf("%s: equal with %q: %d %s", id, c.tags, a.status, a.body)
				}
				put := send(t, s, "olga", "PUT", path, fmt.Sprintf(content, 4), lines...)
				if c.matches {
					if put.status != 200 || put.header.Get("ETag") != `"4"` {
						t.Errorf("%s: PUT with %q: %d %s", id, c.tags, put.status, put.body)
					}
					decodeSuccess[struct{}](t, send(t, s, "olga", "DELETE", path, "", "If-Match", `"4"`), 204)
					make3()
					decodeSuccess[struct{}](t, send(t, s, "olga", "DELETE", path, "", lines...), 204)
					make3()
					continue
				}
				for _, a := range []answer{put, send(t, s, "olga", "DELETE", path, "", lines...)} {
					if p := requireRefusal(t, a, api.CodePreconditionFailed); p.Version != 3 {
						t.Errorf("%s: %q: version %d", id, c.tags, p.Version)
					}
				}
			}
			requireRefusal(t, send(t, s, "olga", "PUT", strings.Replace(path, "-x", "-y", 1), fmt.Sprintf(content, 1), "If-Match", "*"), api.CodeNotFound)
			decodeSuccess[struct{}](t, send(t, s, "olga", "DELETE", path, ""), 204)
		}
	}, servertest.NoWorkers())
}

// The answer to a GET may be sent back. Fields that the server sets are ignored, except version and id. version counts as
// If-Match, and id must be the id in the path.
func TestPut_AcceptsTheAnswerOfAGet(t *testing.T) {
	const garbage = `{"x":[null,1]}`
	fields := map[string][]string{
		"profiles":     fieldsOf(api.DefaultProfileSpec()),
		"certificates": fieldsOf(api.DefaultCertificateSpec()),
	}
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		decodeSuccess[api.Profile](t, send(t, s, "olga", "POST", "/api/v1/profiles", `{"id":"p-x","name":"x","allowed_dns_names":["a.example.com"]}`), 201)
		decodeSuccess[api.Certificate](t, send(t, s, "olga", "POST", "/api/v1/certificates", newCertificateBody(t, "p-x", `,"id":"mc-x"`)), 201)
		for path, callerFields := range map[string][]string{"/api/v1/profiles/p-x": fields["profiles"], "/api/v1/certificates/mc-x": fields["certificates"]} {
			got := send(t, s, "olga", "GET", path, "")
			same := send(t, s, "olga", "PUT", path, got.body)
			if same.status != 200 || same.body != got.body || same.header.Get("ETag") != `"1"` {
				t.Fatalf("PUT of the answer: %d %s", same.status, same.body)
			}
			object := decodeSuccess[map[string]json.RawMessage](t, got, 200)
			with := func(changes ...string) string {
				body := maps.Clone(object)
				for i := 0; i < len(changes); i += 2 {
					body[changes[i]] = json.RawMessage(changes[i+1])
				}
				return toJSON(body)
			}
			for name := range object {
				if slices.Contains(callerFields, name) || name == "id" || name == "version" {
					continue
				}
				if a := send(t, s, "olga", "PUT", path, with(name, garbage)); a.status != 200 || a.body != got.body {
					t.Errorf("%s: %s is not ignored: %d %s", path, name, a.status, a.body)
				}
			}
			for name, value := range map[string]string{"id": `"other"`, "version": garbage, "labels": garbage, "unknown": garbage} {
				p := requireRefusal(t, send(t, s, "olga", "PUT", path, with(name, value)), api.CodeInvalidRequest)
				if at := pointersOf(p); !strings.HasPrefix(at[0], "/"+name) {
					t.Errorf("%s: %s: %+v", path, name, p.Errors)
				}
			}
			edited := with("labels", `{"a":"b"}`)
			for range 2 { // the second is a retry
				if a := send(t, s, "olga", "PUT", path, edited); a.status != 200 || a.header.Get("ETag") != `"2"` {
					t.Errorf("%s: the edit: %d %s", path, a.status, a.body)
				}
			}
			stale := with("labels", `{"a":"c"}`)
			for _, headers := range [][]string{nil, {"If-Match", `"2"`}, {"If-Match", `"1"`}, {"If-Match", "*"}} {
				if p := requireRefusal(t, send(t, s, "olga", "PUT", path, stale, headers...), api.CodePreconditionFailed); p.Version != 2 {
					t.Errorf("%s: %v: version %d", path, headers, p.Version)
				}
			}
			fresh := with("labels", `{"a":"c"}`, "version", "2")
			requireRefusal(t, send(t, s, "olga", "PUT", path, fresh, "If-Match", `"1"`), api.CodePreconditionFailed)
			if a := send(t, s, "olga", "PUT", path, fresh, "If-Match", `"2", "7"`); a.status != 200 || a.header.Get("ETag") != `"3"` {
				t.Errorf("%s: both match: %d %s", path, a.status, a.body)
			}
		}
	}, servertest.NoWorkers())
}

func fieldsOf(spec any) []string {
	var object map[string]any
	if err := json.Unmarshal([]byte(toJSON(spec)), &object); err != nil {
		panic(err)
	}
	return slices.Collect(maps.Keys(object))
}
