package httpapi_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// If-Match on both kinds of object: what was based on another version is refused, but not what is stored already.
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
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
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

// What GET gives may be sent back whole. What the server sets must then be what is stored, unless the version says
// that it is out of date.
func TestPut_WhatWasGot(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		const path = "/api/v1/profiles/p-x"
		succeeded[api.Profile](t, ask(t, s, "olga", "POST", "/api/v1/profiles", `{"id":"p-x","name":"x","labels":{"a.b/c":"d"}}`), 201)
		got := ask(t, s, "olga", "GET", path, "")
		same := ask(t, s, "olga", "PUT", path, got.body)
		if same.status != 200 || same.body != got.body || same.header.Get("ETag") != `"1"` {
			t.Fatalf("PUT of what was got: %d %s", same.status, same.body)
		}
		p := succeeded[api.Profile](t, got, 200)
		for pointer, change := range map[string][2]string{
			"/id":                  {`"id":"p-x"`, `"id":"p-y"`},
			"/version":             {`"version":1`, `"version":2`},
			"/pending_approval_id": {`"pending_approval_id":null`, `"pending_approval_id":"ar-x"`},
			"/created_at":          {`"created_at":"2`, `"created_at":"1`},
			"/updated_at":          {`"updated_at":"2`, `"updated_at":"1`},
		} {
			body := strings.Replace(got.body, change[0], change[1], 1)
			for _, edited := range []string{body, strings.Replace(body, `"d"`, `"e"`, 1)} {
				if p := refused(t, ask(t, s, "olga", "PUT", path, edited, "If-Match", `"1"`), api.CodeInvalidRequest); !slices.Equal(pointers(p), []string{pointer}) {
					t.Errorf("%s: %+v", pointer, p.Errors)
				}
			}
		}
		edited := strings.Replace(got.body, `"d"`, `"e"`, 1)
		for range 2 { // the second is a retry
			after := succeeded[api.Profile](t, ask(t, s, "olga", "PUT", path, edited, "If-Match", `"1"`), 200)
			if after.Version != 2 || !after.CreatedAt.Equal(p.CreatedAt) || !after.UpdatedAt.After(p.UpdatedAt) || after.Labels["a.b/c"] != "e" {
				t.Errorf("%+v", after)
			}
		}
		other := strings.Replace(got.body, `"d"`, `"f"`, 1)
		refused(t, ask(t, s, "olga", "PUT", path, other, "If-Match", `"1"`), api.CodePreconditionFailed)
		refused(t, ask(t, s, "olga", "PUT", path, other), api.CodeInvalidRequest)
	}, servertest.NoWorkers())
}
