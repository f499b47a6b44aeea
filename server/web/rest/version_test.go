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

// If-Match on both kinds of object: what was based on another version is refused, but not what is stored already.
// An older client that asks for a dry run is told what replaced it, and nothing is stored.
func TestReplaceProfile_DryRunIsRefused(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		p := s.CreateProfileAsOlga(t, false)
		a := ask(t, s, "olga", http.MethodPut, "/api/v1/profiles/"+p.ID+"?dry_run=true", `{"name":"other","requires_approval":true}`)
		if a.status != http.StatusUnprocessableEntity || !strings.Contains(string(a.body), "POST /api/v1/profiles/preview") {
			t.Errorf("%d %s", a.status, a.body)
		}
		now, err := s.Client(t, "vera").GetProfile(t.Context(), p.ID)
		if err != nil || now.Version != p.Version {
			t.Errorf("version %d, %v", now.Version, err)
		}
	})
}

func TestIfMatch(t *testing.T) {
	// Each object is at version 3. The headers are its lines.
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
		succeeded[api.Profile](t, ask(t, s, "olga", "POST", "/api/v1/profiles", `{"id":"p-of-mc","name":"of mc","allowed_dns_names":["a.example.com"]}`), 201)
		for path, content := range map[string]string{
			"profiles/p-x":      `{"name":"x","requires_approval":false,"allowed_dns_names":["a.example.com"],"labels":{"n":"%d"}}`,
			"certificates/mc-x": certificateBody(t, "p-of-mc", `,"labels":{"n":"%d"}`),
		} {
			collection, id, _ := strings.Cut(path, "/")
			path = "/api/v1/" + path
			make3 := func() {
				t.Helper()
				create := strings.Replace(strings.Replace(fmt.Sprintf(content, 1), "{", `{"id":"`+id+`",`, 1), `"requires_approval":false,`, "", 1)
				succeeded[struct{}](t, ask(t, s, "olga", "POST", "/api/v1/"+collection, create), 201)
				for n := range 2 {
					succeeded[struct{}](t, ask(t, s, "olga", "PUT", path, fmt.Sprintf(content, n+2)), 200)
				}
			}
			make3()
			for _, c := range cases {
				var lines []string
				for _, tag := range c.tags {
					lines = append(lines, "If-Match", tag)
				}
				// What is stored already is so whatever it was based on.
				if a := ask(t, s, "olga", "PUT", path, fmt.Sprintf(content, 3), lines...); a.status != 200 || a.header.Get("ETag") != `"3"` {
					t.Errorf("%s: equal with %q: %d %s", id, c.tags, a.status, a.body)
				}
				put := ask(t, s, "olga", "PUT", path, fmt.Sprintf(content, 4), lines...)
				if c.matches {
					if put.status != 200 || put.header.Get("ETag") != `"4"` {
						t.Errorf("%s: PUT with %q: %d %s", id, c.tags, put.status, put.body)
					}
					succeeded[struct{}](t, ask(t, s, "olga", "DELETE", path, "", "If-Match", `"4"`), 204)
					make3()
					succeeded[struct{}](t, ask(t, s, "olga", "DELETE", path, "", lines...), 204)
					make3()
					continue
				}
				for _, a := range []answer{put, ask(t, s, "olga", "DELETE", path, "", lines...)} {
					if p := refused(t, a, api.CodePreconditionFailed); p.Version != 3 {
						t.Errorf("%s: %q: version %d", id, c.tags, p.Version)
					}
				}
			}
			refused(t, ask(t, s, "olga", "PUT", strings.Replace(path, "-x", "-y", 1), fmt.Sprintf(content, 1), "If-Match", "*"), api.CodeNotFound)
			succeeded[struct{}](t, ask(t, s, "olga", "DELETE", path, ""), 204)
		}
	}, servertest.NoWorkers())
}

// What GET gives may be sent back whole. What the server sets is ignored, but the version, which counts as If-Match,
// and the id, which must be the path's.
func TestPut_WhatWasGot(t *testing.T) {
	const garbage = `{"x":[null,1]}`
	written := map[string][]string{
		"profiles":     fieldsOf(api.DefaultProfileSpec()),
		"certificates": fieldsOf(api.DefaultCertificateSpec()),
	}
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		succeeded[api.Profile](t, ask(t, s, "olga", "POST", "/api/v1/profiles", `{"id":"p-x","name":"x","allowed_dns_names":["a.example.com"]}`), 201)
		succeeded[api.Certificate](t, ask(t, s, "olga", "POST", "/api/v1/certificates", certificateBody(t, "p-x", `,"id":"mc-x"`)), 201)
		for path, written := range map[string][]string{"/api/v1/profiles/p-x": written["profiles"], "/api/v1/certificates/mc-x": written["certificates"]} {
			got := ask(t, s, "olga", "GET", path, "")
			same := ask(t, s, "olga", "PUT", path, got.body)
			if same.status != 200 || same.body != got.body || same.header.Get("ETag") != `"1"` {
				t.Fatalf("PUT of what was got: %d %s", same.status, same.body)
			}
			object := succeeded[map[string]json.RawMessage](t, got, 200)
			with := func(changes ...string) string {
				body := maps.Clone(object)
				for i := 0; i < len(changes); i += 2 {
					body[changes[i]] = json.RawMessage(changes[i+1])
				}
				return toJSON(body)
			}
			for name := range object {
				if slices.Contains(written, name) || name == "id" || name == "version" {
					continue
				}
				if a := ask(t, s, "olga", "PUT", path, with(name, garbage)); a.status != 200 || a.body != got.body {
					t.Errorf("%s: %s is not ignored: %d %s", path, name, a.status, a.body)
				}
			}
			for name, value := range map[string]string{"id": `"other"`, "version": garbage, "labels": garbage, "unknown": garbage} {
				p := refused(t, ask(t, s, "olga", "PUT", path, with(name, value)), api.CodeInvalidRequest)
				if at := pointers(p); !strings.HasPrefix(at[0], "/"+name) {
					t.Errorf("%s: %s: %+v", path, name, p.Errors)
				}
			}
			edited := with("labels", `{"a":"b"}`)
			for range 2 { // the second is a retry
				if a := ask(t, s, "olga", "PUT", path, edited); a.status != 200 || a.header.Get("ETag") != `"2"` {
					t.Errorf("%s: the edit: %d %s", path, a.status, a.body)
				}
			}
			stale := with("labels", `{"a":"c"}`)
			for _, headers := range [][]string{nil, {"If-Match", `"2"`}, {"If-Match", `"1"`}, {"If-Match", "*"}} {
				if p := refused(t, ask(t, s, "olga", "PUT", path, stale, headers...), api.CodePreconditionFailed); p.Version != 2 {
					t.Errorf("%s: %v: version %d", path, headers, p.Version)
				}
			}
			fresh := with("labels", `{"a":"c"}`, "version", "2")
			refused(t, ask(t, s, "olga", "PUT", path, fresh, "If-Match", `"1"`), api.CodePreconditionFailed)
			if a := ask(t, s, "olga", "PUT", path, fresh, "If-Match", `"2", "7"`); a.status != 200 || a.header.Get("ETag") != `"3"` {
				t.Errorf("%s: both hold: %d %s", path, a.status, a.body)
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
