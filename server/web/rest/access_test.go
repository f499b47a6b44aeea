package rest_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/principal"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Each operation of the document is called as each principal, on objects that do not exist. A caller with the role learns
// that the object does not exist. A caller without the role does not.
func TestOperations_RefuseCallersWithoutTheRole(t *testing.T) {
	all := []string{"vera", "audrey", "olga", "carol", "adam", "terraform"}
	readers, operators, public := all, []string{"olga", "terraform"}, append([]string{""}, all...)
	allowed := map[string][]string{
		"get-me": readers, "list-profiles": readers, "get-profile": readers, "list-certificates": readers, "get-certificate": readers,
		"list-certificate-versions": readers, "get-certificate-chain": readers, "list-jobs": readers, "get-job": readers,
		"list-approvals": readers, "get-approval": readers, "get-approval-summary": readers, "get-eligibility": readers, "get-ungated-names": readers, "list-audit-events": {"audrey"},
		"list-principals": {"adam"}, "get-principal": {"adam"}, "preview-renewal": readers, "preview-profile": readers,
		"preview-certificate": readers,
		"create-profile":      operators, "replace-profile": operators, "delete-profile": operators,
		"create-certificate": operators, "replace-certificate": operators, "delete-certificate": operators,
		"renew-certificate": operators, "withdraw-approval": operators,
		"approve-approval": {"carol"}, "reject-approval": {"carol"}, "get-health": public, "get-ready": public,
		"get-openapi-json": public, "get-openapi-yaml": public,
	}
	required := func(operation string) []api.Role {
		switch {
		case slices.Equal(allowed[operation], operators):
			return []api.Role{api.RoleOperator}
		case slices.Equal(allowed[operation], []string{"carol"}):
			return []api.Role{api.RoleApprover}
		case slices.Equal(allowed[operation], []string{"adam"}):
			return []api.Role{api.RoleAdmin}
		default:
			return []api.Role{api.RoleAuditor}
		}
	}
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		for _, op := range listOperations(t) {
			may, known := allowed[op.id]
			if !known {
				t.Errorf("%s is not in the table of this test", op.id)
			}
			for _, who := range append([]string{""}, all...) {
				a := send(t, s, who, op.method, strings.ReplaceAll(op.path, "{id}", "absent"), "")
				decides := slices.Equal(may, []string{"carol"})
				switch {
				case slices.Contains(may, who):
					if a.status == 401 || a.status == 403 || a.status >= 500 {
						t.Errorf("%s may not %s: %s", who, op.id, a.body)
					}
				case who == "":
					requireRefusal(t, a, api.CodeUnauthenticated)
				case who == "terraform" && decides:
					requireRefusal(t, a, api.CodeHumanRequired)
				default:
					if p := requireRefusal(t, a, api.CodeForbidden); p.Principal != who || !slices.Equal(p.RequiredRoles, required(op.id)) {
						t.Errorf("%s, %s: %+v", op.id, who, p)
					}
				}
			}
		}
	}, servertest.NoWorkers())
}

// A key counts only in one Authorization header, as Bearer.
func TestCredentials_CountOnlyAsOneBearerHeader(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		key := s.Key(t, "vera")
		for name, c := range map[string]struct {
			query   string
			headers []string
			good    bool
		}{
			"bearer":           {"", []string{"Authorization", "Bearer " + key}, true},
			"scheme in lower":  {"", []string{"Authorization", "bearer " + key}, true},
			"nothing":          {"", nil, false},
			"empty":            {"", []string{"Authorization", "Bearer "}, false},
			"no scheme":        {"", []string{"Authorization", key}, false},
			"another scheme":   {"", []string{"Authorization", "Token " + key}, false},
			"basic":            {"", []string{"Authorization", "Basic dmVyYTp4"}, false},
			"two keys in one":  {"", []string{"Authorization", "Bearer " + key + "," + key}, false},
			"two headers":      {"", []string{"Authorization", "Bearer " + key, "Authorization", "Bearer " + key}, false},
			"one good one bad": {"", []string{"Authorization", "Bearer " + key, "Authorization", "Bearer x"}, false},
			"other header":     {"", []string{"X-API-Key", key}, false},
			"proxy header":     {"", []string{"Proxy-Authorization", "Bearer " + key}, false},
			"cookie":           {"", []string{"Cookie", "api_key=" + key + "; Authorization=Bearer " + key}, false},
			"query":            {"?access_token=" + key + "&api_key=" + key, nil, false},
			"name of a person": {"", []string{"X-Forwarded-User", "vera", "X-Remote-User", "vera"}, false},
			"cut short":        {"", []string{"Authorization", "Bearer " + key[:len(key)-1]}, false},
			"longer":           {"", []string{"Authorization", "Bearer " + key + "a"}, false},
			"other secret":     {"", []string{"Authorization", "Bearer " + key[:21] + strings.Repeat("a", 43)}, false},
		} {
			a := send(t, s, "", "GET", "/api/v1/profiles"+c.query, "", c.headers...)
			if c.good {
				decodeSuccess[[]api.Profile](t, a, 200)
			} else if p := requireRefusal(t, a, api.CodeUnauthenticated); strings.Contains(a.body, key[21:]) || p.Errors != nil {
				t.Errorf("%s: %s", name, a.body)
			}
		}
	}, servertest.NoWorkers())
}

// A key whose holder was disabled, revoked or demoted writes nothing, though the server still caches the key. It also gets
// no replay of a decision.
func TestWrites_ReloadTheCaller(t *testing.T) {
	bodies := map[string]string{
		"create-profile": `{"name":"x"}`, "replace-profile": `{"name":"x","requires_approval":false}`, "replace-certificate": newCertificateBody(t, "p-x", ""),
		"create-certificate": newCertificateBody(t, "p-x", ""),
	}
	changes := map[string]struct {
		code  api.Code
		apply func(*store.Tx, string, string) error
	}{
		"disabled": {api.CodeUnauthenticated, func(tx *store.Tx, id, _ string) error { return disablePrincipal(tx, id) }},
		"revoked":  {api.CodeUnauthenticated, func(tx *store.Tx, _, key string) error { return principal.RevokeKey(tx, key) }},
		"demoted":  {api.CodeForbidden, func(tx *store.Tx, id, _ string) error { return principal.SetRoles(tx, id, []api.Role{api.RoleViewer}) }},
		"orphaned": {api.CodeUnauthenticated, func(tx *store.Tx, id, _ string) error { return disablePrincipal(tx, "owner-"+id) }},
	}
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		for how, change := range changes {
			s.Write(t, func(tx *store.Tx) error {
				if how != "orphaned" {
					return principal.Create(tx, how, api.KindHuman, "", []api.Role{api.RoleOperator, api.RoleApprover})
				}
				if err := principal.Create(tx, "owner-"+how, api.KindHuman, "", []api.Role{api.RoleViewer}); err != nil {
					return err
				}
				return principal.Create(tx, how, api.KindService, "owner-"+how, []api.Role{api.RoleOperator})
			})
			key := s.NewKey(t, how)
			as := []string{"Authorization", "Bearer " + key, "Idempotency-Key", "k"}
			approvePath := "/api/v1/approvals/" + *s.RequestOlgasCertificate(t, "alice").ApprovalID + "/approve"
			if how != "orphaned" {
				decodeSuccess[api.Approval](t, send(t, s, "", "POST", approvePath, "", as...), 200)
			}
			decodeSuccess[api.Me](t, send(t, s, "", "GET", "/api/v1/me", "", as...), 200)
			s.Write(t, func(tx *store.Tx) error { return change.apply(tx, how, key) })
			if a := send(t, s, "", "GET", "/api/v1/me", "", as...); a.status != 200 {
				t.Logf("%s: this machine is too slow: the cache entry of the key has expired", how)
				continue
			}
			for _, op := range listOperations(t) {
				if op.method == "GET" || strings.HasPrefix(op.id, "preview-") || op.id == "approve-approval" || op.id == "reject-approval" {
					continue
				}
				path := strings.ReplaceAll(op.path, "{id}", "absent")
				requireRefusal(t, send(t, s, "", op.method, path, bodies[op.id], as[:2]...), change.code)
			}
			if how != "orphaned" {
				requireRefusal(t, send(t, s, "", "POST", approvePath, "", as...), change.code)
			}
		}
	}, servertest.NoWorkers())
}

func disablePrincipal(tx *store.Tx, id string) error {
	_, err := principal.Disable(tx, id)
	return err
}

// No header, cookie or other key lets a caller decide as another person.
func TestApproval_HandlerApproveAsSameActor_Returns403(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		for _, requester := range []string{"alice", "terraform"} {
			id := *s.RequestOlgasCertificate(t, requester).ApprovalID
			for _, as := range [][]string{
				{},
				{"X-Forwarded-User", "bob"},
				{"X-Remote-User", "bob", "X-User", "bob", "Impersonate-User", "bob"},
				{"Cookie", "principal=bob"},
				{"Authorization", "Bearer " + s.NewKey(t, "alice")},
			} {
				who := "alice"
				if slices.Contains(as, "Authorization") {
					who = ""
				}
				for _, verb := range []string{"approve", "reject"} {
					a := send(t, s, who, "POST", "/api/v1/approvals/"+id+"/"+verb, `{"note":"as bob"}`, as...)
					requireRefusal(t, a, api.CodeTwoPersonIntegrity)
					if a.status != http.StatusForbidden || !strings.Contains(a.body, "two-person integrity") {
						t.Errorf("%d %s", a.status, a.body)
					}
				}
			}
			if got := decodeSuccess[api.Approval](t, send(t, s, "vera", "GET", "/api/v1/approvals/"+id, ""), 200); got.State != api.ApprovalPending {
				t.Errorf("the approval is %s", got.State)
			}
		}
	})
}

// An impossible id is not found, on every path and both databases.
func TestPath_RefusesImpossibleIDs(t *testing.T) {
	ids := []string{
		"%00", "p-%00", "mc-a%00", "%ff", "p-%c3%a9", "p-%F0%9F%98%80", "..", "%2e%2e", ".", "p-x'--", "p-x%22%20OR%201=1", "P-UPPER", "%20",
		"%0a", "p-" + strings.Repeat("a", 500), "null", "0", "-1", "summary", "p-x%2fy", "%25", "ar-", "job-", "a%5cb",
	}
	bodies := map[string]string{
		"replace-profile": `{"name":"x","requires_approval":true}`, "replace-certificate": newCertificateBody(t, "p-x", ""),
	}
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		for _, op := range listOperations(t) {
			if !strings.Contains(op.path, "{id}") {
				continue
			}
			for _, id := range ids {
				if op.id == "get-approval" && id == "summary" {
					continue // another route
				}
				who := "bob"
				if op.id == "get-principal" {
					who = "adam"
				}
				a := send(t, s, who, op.method, strings.ReplaceAll(op.path, "{id}", id), bodies[op.id])
				code := api.CodeNotFound
				if strings.Contains(a.body, string(api.CodeNoSuchRoute)) && strings.Contains(id, "%2f") {
					code = api.CodeNoSuchRoute
				}
				if p := requireRefusal(t, a, code); code == api.CodeNotFound && (p.ResourceType == "" || p.ResourceID == "") {
					t.Errorf("%s of %q: %s", op.id, id, a.body)
				}
			}
		}
		requireRefusal(t, send(t, s, "bob", "POST", "/api/v1/certificates//renew", ""), api.CodeNoSuchRoute)
	}, servertest.NoWorkers())
}

// Every fault of a query is reported under the name of its parameter.
func TestQuery_ReportsEveryFault(t *testing.T) {
	const zero = "2026-01-01T00:00:00Z"
	cases := map[string][]string{
		"profiles?bogus=1":                                   {"?bogus"},
		"profiles?Limit=1":                                   {"?Limit"},
		"profiles?bogus":                                     {"?bogus"},
		"profiles?name=":                                     {"?name"},
		"profiles?limit=1&limit=1":                           {"?limit"},
		"profiles?limit=0":                                   {"?limit"},
		"profiles?limit=501":                                 {"?limit"},
		"profiles?limit=-1":                                  {"?limit"},
		"profiles?limit=x":                                   {"?limit"},
		"profiles?limit=1.5":                                 {"?limit"},
		"profiles?limit=99999999999999999999":                {"?limit"},
		"profiles?name=%00":                                  {"?name"},
		"profiles?name=%ff":                                  {"?name"},
		"profiles?name=e%CC%81":                              {"?name"},
		"profiles?after=x":                                   {"?after"},
		"profiles?after=" + strings.Repeat("A", 5000):        {"?after"},
		"profiles?bogus=1&limit=0&zeal=2&after=x&name=%00":   {"?bogus", "?name", "?zeal", "?limit", "?after"},
		"profiles/absent?dry=true":                           {"?dry"},
		"approvals?state=Pending":                            {"?state"},
		"approvals?kind=other":                               {"?kind"},
		"approvals?order=down":                               {"?order"},
		"approvals/summary?after=x":                          {"?after"},
		"approvals/summary?state=all&limit=0":                {"?state", "?limit"},
		"certificates?archived=maybe":                        {"?archived"},
		"certificates?expires_before=yesterday":              {"?expires_before"},
		"certificates?profile_id=" + strings.Repeat("p", 66): {"?profile_id"},
		"jobs?status=pending":                                {"?status"},
		"jobs?type=renewal":                                  {"?type"},
		"audit-events?since=" + zero + "&since=" + zero:      {"?since"},
		"audit-events?until=1":                               {"?until"},
	}
	fine := []string{
		"profiles?limit=500&name=%F0%9F%98%80", "profiles?name=%27%3B--", "certificates?archived=true&common_name=%25&profile_id=p-x&expires_before=" + zero,
		"certificates?expires_before=0000-01-01T00:00:00Z", "certificates?expires_before=9999-12-31T23:59:59.999999999-23:59",
		"audit-events?since=0001-01-01T00:00:00Z&until=2026-01-01T00:00:00%2B02:00", "jobs?certificate_id=nope", "approvals?requested_by=%22", "approvals?order=newest&state=pending",
	}
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		for path, want := range cases {
			p := requireRefusal(t, send(t, s, "audrey", "GET", "/api/v1/"+path, ""), api.CodeInvalidRequest)
			if !slices.Equal(pointersOf(p), want) || strings.Contains(p.Errors[0].Detail, "2006") {
				t.Errorf("%s: %+v", path, p.Errors)
			}
		}
		for _, path := range fine {
			if a := send(t, s, "audrey", "GET", "/api/v1/"+path, ""); a.status != 200 || a.body != "[]\n" && !strings.HasPrefix(path, "audit") {
				t.Errorf("%s: %d %s", path, a.status, a.body)
			}
		}
	}, servertest.NoWorkers())
}
