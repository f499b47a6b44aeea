package rest_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// Each body breaks the form. The pointers name all faults, in the order of the body, and nothing is stored.
func TestBody_ReportsEveryFault(t *testing.T) {
	const malformed, invalid = api.CodeMalformedRequest, api.CodeInvalidRequest
	cases := []struct {
		name, method, path, body string
		code                     api.Code
		at                       []string
	}{
		{"unknown field", "POST", "profiles", `{"name":"a","bogus":{"x":[1]}}`, invalid, []string{"/bogus"}},
		{"wrongly cased gate", "POST", "profiles", `{"name":"a","Requires_Approval":true}`, invalid, []string{"/Requires_Approval"}},
		{"wrongly cased gate, replaced", "PUT", "profiles/p-open", `{"name":"a","Requires_Approval":true}`, invalid, []string{"/Requires_Approval", "/requires_approval"}},
		{"no gate", "PUT", "profiles/p-open", `{"name":"a"}`, invalid, []string{"/requires_approval"}},
		{"no name", "PUT", "profiles/p-open", `{"requires_approval":true}`, invalid, []string{"/name"}},
		{"nothing", "PUT", "profiles/p-open", `{}`, invalid, []string{"/name", "/requires_approval"}},
		{"null gate", "PUT", "profiles/p-open", `{"name":"a","requires_approval":null}`, invalid, []string{"/requires_approval"}},

		{"no body", "POST", "profiles", ``, malformed, nil},
		{"white space", "POST", "profiles", ` `, malformed, nil},
		{"half a body", "POST", "profiles", `{"name":"a"`, malformed, nil},
		{"no JSON", "POST", "profiles", `name=a`, malformed, nil},
		{"byte order mark", "POST", "profiles", "\ufeff" + `{"name":"a"}`, malformed, nil},
		{"an array", "POST", "profiles", `[]`, invalid, []string{""}},
		{"null", "POST", "profiles", `null`, invalid, []string{""}},
		{"key twice", "POST", "profiles", `{"name":"a","name":"b"}`, malformed, nil},
		{"key twice, spelled otherwise", "POST", "profiles", `{"name":"a","n\u0061me":"b"}`, malformed, nil},
		{"label twice", "POST", "profiles", `{"name":"a","labels":{"k":"1","k":"2"}}`, malformed, nil},
		{"key twice in what is unknown", "POST", "profiles", `{"name":"a","bogus":{"k":1,"k":2}}`, malformed, nil},
		{"trailing value", "POST", "profiles", `{"name":"a"} {}`, malformed, nil},
		{"trailing letter", "POST", "profiles", `{"name":"a"}x`, malformed, nil},
		{"NUL", "POST", "profiles", "{\"name\":\"a\x00\"}", malformed, nil},
		{"invalid UTF-8", "POST", "profiles", "{\"name\":\"a\xff\"}", malformed, nil},
		{"half a surrogate pair", "POST", "profiles", `{"name":"a\ud800"}`, malformed, nil},

		{"escaped NUL", "POST", "profiles", `{"name":"a\u0000"}`, invalid, []string{"/name"}},
		{"control characters", "POST", "profiles", `{"name":"a\u0007","description":"a\rb","labels":{"a\u0085":"\u007f"}}`, invalid, []string{"/name", "/description", "/labels/a\u0085", "/labels/a\u0085"}},
		{
			"invisible characters", "POST", "profiles", `{"name":"Production\u200b CDN","description":"a\u200d b","labels":{"a\u00a0b":"c\u2060"},"allowed_dns_names":["a\u00adb"]}`, invalid,
			[]string{"/name", "/labels/a\u00a0b", "/labels/a\u00a0b", "/allowed_dns_names/0"},
		},
		{"two lines", "POST", "profiles", `{"name":"a\nb","labels":{"a":"b\tc"},"description":"a\n\tb"}`, invalid, []string{"/name", "/labels/a"}},
		{"text that runs the other way", "POST", "profiles", `{"name":"a\u202eb","description":"\u2067ab\u2069"}`, invalid, []string{"/name", "/description"}},
		{"a note that runs the other way", "POST", "approvals/ar-x/reject", `{"note":"a\n\u200fb"}`, invalid, []string{"/note"}},
		{"a reason of separators", "POST", "certificates/mc-x/renew", `{"reason":"a\u2028b"}`, invalid, []string{"/reason"}},
		{"two spaces in a name", "POST", "profiles", `{"name":"Production  CDN"}`, invalid, []string{"/name"}},
		{"a reason in the query", "POST", "certificates?reason=a%E2%80%AEb", `{}`, invalid, []string{"?reason", "/profile_id", "/csr_pem", "/sans"}},
		{"not NFC", "POST", "profiles", `{"name":"e\u0301","labels":{"e\u0301":"x"},"allowed_dns_names":["ok.example.com","e\u0301"]}`, invalid, []string{"/name", "/labels/e\u0301", "/allowed_dns_names/1"}},
		{"empty name and id", "POST", "profiles", `{"name":"","id":""}`, invalid, []string{"/name", "/id"}},
		{"long name", "POST", "profiles", `{"name":"` + strings.Repeat("é", 256) + `"}`, invalid, []string{"/name"}},
		{
			"null everywhere", "POST", "profiles", `{"name":null,"enabled":null,"requires_approval":null,"allowed_dns_names":null,"allowed_key_algorithms":[null],"max_sans":null,"labels":null,"issuer_id":null}`, invalid,
			[]string{"/name", "/enabled", "/requires_approval", "/allowed_dns_names", "/allowed_key_algorithms/0", "/max_sans", "/labels", "/issuer_id"},
		},
		{
			"wrong types", "POST", "profiles", `{"name":1,"enabled":"true","requires_approval":0,"max_sans":"1","allowed_dns_names":"x","labels":["a"],"allowed_key_algorithms":{}}`, invalid,
			[]string{"/name", "/enabled", "/requires_approval", "/max_sans", "/allowed_dns_names", "/labels", "/allowed_key_algorithms"},
		},
		{"no integers", "POST", "profiles", `{"name":"a","max_sans":1.5,"max_ttl_seconds":1e4}`, invalid, []string{"/max_sans", "/max_ttl_seconds"}},
		{"huge integers", "POST", "profiles", `{"name":"a","max_sans":9223372036854775808,"max_ttl_seconds":-99999999999999999999}`, invalid, []string{"/max_sans", "/max_ttl_seconds"}},
		{
			"key algorithms", "POST", "profiles", `{"name":"a","allowed_key_algorithms":[{"algorithm":"ECDSA","min_size":"256"},{"min_size":1},{"algorithm":"DSA"},{"Algorithm":"RSA"},{"algorithm":"Ed25519","min_size":0}]}`, invalid,
			[]string{"/allowed_key_algorithms/0/min_size", "/allowed_key_algorithms/1/algorithm", "/allowed_key_algorithms/2/algorithm", "/allowed_key_algorithms/3/Algorithm", "/allowed_key_algorithms/3/algorithm", "/allowed_key_algorithms/4/min_size"},
		},
		{
			"dots, slashes and tildes", "POST", "profiles", `{"odd.name/x~":1,"labels":{"a.b/c~d":1,"ok.ok":"v","y[0]":2},"allowed_dns_names":["ok.example.com",3],"a.b.c":{},"enabled":0,"name":""}`, invalid,
			[]string{"/odd.name~1x~0", "/labels/a.b~1c~0d", "/labels/y[0]", "/allowed_dns_names/1", "/a.b.c", "/enabled", "/name"},
		},
		{"beside the query", "POST", "profiles?zeal=1&bogus=", `{"name":""}`, invalid, []string{"?bogus", "?zeal", "/name"}},

		{"beside other values of the query", "PUT", "profiles/p-open?bogus=1&resubmit=maybe&reason=" + strings.Repeat("r", 501), `{"name":"a"}`, invalid, []string{"?bogus", "?reason", "?resubmit", "/requires_approval"}},

		{
			"rules, all at once", "POST", "profiles", `{"id":"P-x","name":" x ","issuer_id":"no","allowed_key_algorithms":[{"algorithm":"Ed25519","min_size":1},{"algorithm":"RSA"}],"allowed_ekus":[],"allowed_dns_names":["A.example.com","a.example.com","a.example.com"],"allowed_ip_ranges":["10.0.0.1/8"],"max_sans":0,"max_ttl_seconds":1,"labels":{"":"v","a.b/c":"` + strings.Repeat("v", 256) + `"}}`, invalid,
			[]string{"/name", "/issuer_id", "/allowed_key_algorithms/0/min_size", "/allowed_key_algorithms/1/min_size", "/allowed_ekus", "/allowed_dns_names/0", "/allowed_dns_names/2", "/allowed_ip_ranges/0", "/max_sans", "/max_ttl_seconds", "/labels/", "/labels/a.b~1c", "/id"},
		},

		{"certificate without anything", "POST", "certificates", `{"auto_renew":null}`, invalid, []string{"/auto_renew", "/profile_id", "/csr_pem", "/sans"}},
		{"another certificate's id", "PUT", "certificates/mc-one", newCertificateBody(t, "p-open", `,"id":"mc-two"`), invalid, []string{"/id"}},
		{"carriage return beside a CSR", "POST", "certificates", newCertificateBody(t, "p-open", `,"labels":{"csr_pem":"\r"}`), invalid, []string{"/labels/csr_pem"}},

		{"decision with more", "POST", "approvals/ar-x/approve", `{"note":"x","extra":1}`, invalid, []string{"/extra"}},
		{"decision, nulls", "POST", "approvals/ar-x/reject", `{"note":null,"digest":null}`, invalid, []string{"/note", "/digest"}},
		{"decision, empty digest", "POST", "approvals/ar-x/approve", `{"digest":""}`, invalid, []string{"/digest"}},
		{"decision, null", "POST", "approvals/ar-x/approve", `null`, invalid, []string{""}},
		{"decision for another", "POST", "approvals/ar-x/approve", `{"decided_by":"carol"}`, invalid, []string{"/decided_by"}},
		{"long note", "POST", "approvals/ar-x/withdraw", `{"note":"` + strings.Repeat("n", 2001) + `"}`, invalid, []string{"/note"}},
		{"renewal for another", "POST", "certificates/mc-one/renew", `{"requested_by":"carol"}`, invalid, []string{"/requested_by"}},
		{"long reason, no CSR", "POST", "certificates/mc-one/renew", `{"reason":"` + strings.Repeat("n", 501) + `","csr_pem":""}`, invalid, []string{"/reason", "/csr_pem"}},
	}
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		decodeSuccess[api.Profile](t, send(t, s, "bob", "POST", "/api/v1/profiles", `{"id":"p-open","name":"open","allowed_dns_names":["**.example.com"]}`), 201)
		decodeSuccess[api.Certificate](t, send(t, s, "bob", "POST", "/api/v1/certificates", newCertificateBody(t, "p-open", `,"id":"mc-one"`)), 201)
		before := countAuditRows(t, s)
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				p := requireRefusal(t, send(t, s, "bob", c.method, "/api/v1/"+c.path, c.body, "Content-Type", "application/json"), c.code)
				if diff := cmp.Diff(c.at, pointersOf(p)); diff != "" {
					t.Errorf("pointers: %s\n%+v", diff, p.Errors)
				}
			})
		}
		if after := countAuditRows(t, s); after != before {
			t.Errorf("there were %d audit rows, now there are %d", before, after)
		}
	}, servertest.NoWorkers())
}

func countAuditRows(t *testing.T, s *servertest.Server) (n int) {
	t.Helper()
	s.Query(t, &n, "SELECT count(*) FROM audit_events")
	return n
}

// A value that is sent is stored, even false, an empty list, or an algorithm without a size. In a PUT a missing field takes
// its default, not the stored value.
func TestBody_IsStoredAsSent(t *testing.T) {
	explicit := `{"id":"p-x","name":"ö\u00e4 <&> \"x\"","description":"a\n\tb","enabled":false,"requires_approval":false,"issuer_id":"iss-local",` +
		`"allowed_key_algorithms":[{"algorithm":"Ed25519"}],"allowed_ekus":["clientAuth"],"allowed_dns_names":[],"allow_wildcard_names":false,` +
		`"allowed_ip_ranges":["2001:db8::/32","10.0.0.0/8"],"allowed_uris":[],"allowed_email_domains":[],"max_sans":1,"max_ttl_seconds":3600,"labels":{"a.b/c~d":""}}`
	minimal := `{"name":"x","requires_approval":false}`
	defaults := `{"name":"x","description":"","enabled":true,"requires_approval":false,"issuer_id":"iss-local",` +
		`"allowed_key_algorithms":[{"algorithm":"ECDSA","min_size":256},{"algorithm":"RSA","min_size":2048},{"algorithm":"Ed25519"}],` +
		`"allowed_ekus":["serverAuth"],"allowed_dns_names":[],"allow_wildcard_names":false,"allowed_ip_ranges":[],"allowed_uris":[],` +
		`"allowed_email_domains":[],"max_sans":100,"max_ttl_seconds":7776000,"labels":{}}`
	csr := toJSON(strings.ReplaceAll(servertest.CSR(t), "\n", "\r\n"))
	written := `{"id":"mc-x","common_name":"","sans":["b.example.com","a.example.com"],"profile_id":"p-y","csr_pem":` + csr +
		`,"auto_renew":false,"renew_before_seconds":60,"labels":{}}`
	rest := `"sans":["a.example.com"],"profile_id":"p-y","csr_pem":` + csr
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		for _, step := range []struct {
			method, path, send, get, want string
			status                        int
		}{
			{"POST", "profiles", explicit, "profiles/p-x", explicit, 201},
			{"PUT", "profiles/p-x", minimal, "profiles/p-x", defaults, 200},
			{"PUT", "profiles/p-x", strings.Replace(explicit, `"id":"p-x",`, "", 1), "profiles/p-x", explicit, 200},
			{"POST", "profiles", `{"name":"y","id":"p-y","allowed_dns_names":["*.example.com"]}`, "profiles/p-y", `{"requires_approval":false,"enabled":true}`, 201},
			{"POST", "certificates", written, "certificates/mc-x", written, 201},
			{"PUT", "certificates/mc-x", `{` + rest + `}`, "certificates/mc-x", `{` + rest + `,"auto_renew":true,"renew_before_seconds":null,"labels":{},"common_name":""}`, 200},
			{"PUT", "certificates/mc-x", `{` + rest + `,"renew_before_seconds":null,"auto_renew":false}`, "certificates/mc-x", `{` + rest + `,"auto_renew":false}`, 200},
		} {
			put := send(t, s, "olga", step.method, "/api/v1/"+step.path, step.send)
			if put.status != step.status {
				t.Fatalf("%s %s: %d %s", step.method, step.path, put.status, put.body)
			}
			got := send(t, s, "vera", "GET", "/api/v1/"+step.get, "")
			if got.body != put.body || got.header.Get("ETag") != put.header.Get("ETag") {
				t.Errorf("%s answers %s, GET %s", step.method, put.body, got.body)
			}
			members := membersOf(t, got.body)
			for name, want := range membersOf(t, step.want) {
				if diff := cmp.Diff(want, members[name]); diff != "" {
					t.Errorf("%s %s: %s", step.method, name, diff)
				}
			}
		}
	}, servertest.NoWorkers())
}

func TestBody_HasASizeLimit(t *testing.T) {
	const limit = 1 << 20
	body := func(name string, size int) string {
		text := `{"name":"` + name + `"}`
		return text + strings.Repeat(" ", size-len(text))
	}
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		decodeSuccess[api.Profile](t, send(t, s, "olga", "POST", "/api/v1/profiles", body("a", limit)), 201)
		decodeSuccess[api.Profile](t, sendReader(t, s, "olga", "POST", "/api/v1/profiles", hideLength(body("b", limit))), 201)
		requireRefusal(t, send(t, s, "olga", "POST", "/api/v1/profiles", body("c", limit+1)), api.CodeBodyTooLarge)
		requireRefusal(t, sendReader(t, s, "olga", "POST", "/api/v1/profiles", hideLength(body("c", limit+1))), api.CodeBodyTooLarge)
		// The answer lists at most 1000 faults.
		many := requireRefusal(t, send(t, s, "olga", "POST", "/api/v1/profiles", `{"allowed_uris":[`+strings.Repeat("1,", limit/3)+`1]}`), api.CodeInvalidRequest)
		if len(many.Errors) != 1000 {
			t.Errorf("%d faults are reported", len(many.Errors))
		}
	}, servertest.NoWorkers())
}

// A body that breaks off, or has broken chunks, is malformed_request.
func TestBody_RefusesABrokenBody(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		for _, body := range []string{"zz\r\n", "5\r\n{\"nam\r\nzz\r\n", "5\r\n{\"nam\r\n"} {
			conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			fmt.Fprintf(conn, "POST /api/v1/profiles HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n"+
				"Transfer-Encoding: chunked\r\n\r\n%s", s.Key(t, "olga"), body)
			if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			requireRefusal(t, answer{resp.StatusCode, resp.Header, string(text)}, api.CodeMalformedRequest)
		}
	}, servertest.NoWorkers())
}

func TestBody_NeedsTheContentTypeJSON(t *testing.T) {
	cases := map[string]int{
		"application/json": 201, "application/json; charset=utf-8": 201, "Application/JSON;charset=UTF-8": 201,
		"": 415, "text/plain": 415, "application/x-www-form-urlencoded": 415, "application/json; charset=latin1": 415,
		"application/problem+json": 415, "application/json, text/plain": 415, ";": 415,
	}
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		for contentType, want := range cases {
			for _, a := range []answer{
				send(t, s, "olga", "POST", "/api/v1/profiles", `{"name":`+toJSON("with "+contentType)+`}`, "Content-Type", contentType),
				sendReader(t, s, "olga", "POST", "/api/v1/profiles", hideLength(`{"name":`+toJSON("chunked with "+contentType)+`}`), "Content-Type", contentType),
			} {
				if a.status != want {
					t.Errorf("%q: %d %s", contentType, a.status, a.body)
				}
				if want == 415 {
					requireRefusal(t, a, api.CodeUnsupportedMediaType)
				}
			}
		}
	}, servertest.NoWorkers())
}

// The body of a verb may be left out, in every way that clients leave bodies out.
func TestBody_MayBeLeftOutOfAVerb(t *testing.T) {
	type sendFunc func(t *testing.T, s *servertest.Server, who, path string) answer
	ways := map[string]sendFunc{
		"absent": func(t *testing.T, s *servertest.Server, who, path string) answer {
			return sendReader(t, s, who, "POST", path, http.NoBody)
		},
		"absent, a form": func(t *testing.T, s *servertest.Server, who, path string) answer {
			return sendReader(t, s, who, "POST", path, http.NoBody, "Content-Type", "application/x-www-form-urlencoded")
		},
		"an object": func(t *testing.T, s *servertest.Server, who, path string) answer {
			return send(t, s, who, "POST", path, `{}`)
		},
		"chunked": func(t *testing.T, s *servertest.Server, who, path string) answer {
			return sendReader(t, s, who, "POST", path, hideLength(`{}`))
		},
		"chunked, nothing": func(t *testing.T, s *servertest.Server, who, path string) answer {
			return sendReader(t, s, who, "POST", path, hideLength(``), "Content-Type", "")
		},
	}
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		for name, way := range ways {
			t.Run(name, func(t *testing.T) {
				for verb, who := range map[string]string{"approve": "bob", "reject": "bob", "withdraw": "alice"} {
					id := *s.RequestOlgasCertificate(t, "alice").ApprovalID
					decodeSuccess[api.Approval](t, way(t, s, who, "/api/v1/approvals/"+id+"/"+verb), 200)
				}
				c := s.CreateCertificateAsOlga(t, s.CreateProfileAsOlga(t, true).ID)
				decodeSuccess[api.Job](t, way(t, s, "olga", "/api/v1/certificates/"+c.ID+"/renew"), 202)
			})
		}
		requireRefusal(t, sendReader(t, s, "bob", "POST", "/api/v1/approvals/ar-x/approve", hideLength(`{}`), "Content-Type", ""), api.CodeUnsupportedMediaType)
		note := strings.Repeat("é", 2000)
		a := decodeSuccess[api.Approval](t, send(t, s, "bob", "POST", "/api/v1/approvals/"+*s.RequestOlgasCertificate(t, "alice").ApprovalID+"/approve", `{"note":"`+note+`"}`), 200)
		if a.Note != note {
			t.Errorf("the note is %q", a.Note)
		}
	}, servertest.NoWorkers())
}
