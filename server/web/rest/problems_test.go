package rest_test

import (
	"context"
	"database/sql"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/gate"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// fixture has the objects of every refusal: profiles with and without a gate, and requests in each state.
type fixture struct {
	openProfile                    api.Profile
	unissuedID, disabledID         string // certificates under the open and a disabled profile
	waitingJob, rejectedJob        api.Job
	overdueID, withdrawnID         string      // approvals
	editedProfile, rejectedProfile api.Profile // gated, with an edit by alice that waits, and one that was rejected
	edits                          [2]api.Approval
}

func newFixture(t *testing.T, s *servertest.Server) fixture {
	t.Helper()
	ctx := context.Background()
	overdue := s.RequestOlgasCertificate(t, "alice")
	s.Clock.Advance(200 * time.Hour)
	f := fixture{
		openProfile: s.CreateProfileAsOlga(t, false), editedProfile: s.CreateProfileAsOlga(t, true), rejectedProfile: s.CreateProfileAsOlga(t, true), overdueID: *overdue.ApprovalID,
		waitingJob: s.RequestOlgasCertificate(t, "terraform"), rejectedJob: s.RequestOlgasCertificate(t, "alice"),
	}
	f.unissuedID = s.CreateCertificateAsOlga(t, f.openProfile.ID).ID
	for i, p := range []api.Profile{f.editedProfile, f.rejectedProfile} {
		f.edits[i] = decodeSuccess[api.Approval](t, send(t, s, "alice", "PUT", "/api/v1/profiles/"+p.ID, newEditBody(p, "alice")), 202)
	}
	if _, err := s.Client(t, "bob").RejectApproval(ctx, f.edits[1].ID, api.Decision{Note: "too wide"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Client(t, "bob").RejectApproval(ctx, *f.rejectedJob.ApprovalID, api.Decision{}); err != nil {
		t.Fatal(err)
	}
	f.withdrawnID = *s.RequestOlgasCertificate(t, "alice").ApprovalID
	if _, err := s.Client(t, "alice").WithdrawApproval(ctx, f.withdrawnID, api.Withdrawal{}); err != nil {
		t.Fatal(err)
	}
	off := s.CreateProfileAsOlga(t, false)
	f.disabledID = s.CreateCertificateAsOlga(t, off.ID).ID
	off.Enabled = false
	if _, err := s.Client(t, "olga").ReplaceProfile(ctx, off.ID, off.ProfileSpec); err != nil {
		t.Fatal(err)
	}
	return f
}

// newEditBody returns the body of an edit that must wait.
func newEditBody(p api.Profile, whose string) string {
	p.AllowedDNSNames = []string{"**", whose + ".example"}
	return toJSON(p.ProfileSpec)
}

// Every refusal of the contract has its status and its own members.
func TestProblems_HaveStatusAndMembers(t *testing.T) {
	type members = map[string]any
	cases := []struct {
		name, who, method, path, body string
		code                          api.Code
		status                        int
		own                           func(fixture) members // members beyond those of all; a nil value matches anything
	}{
		{"syntax", "olga", "POST", "/api/v1/profiles", `{`, api.CodeMalformedRequest, 400, nil},
		{"query", "vera", "GET", "/api/v1/profiles?name=%zz", ``, api.CodeMalformedRequest, 400, nil},
		{"no key", "", "GET", "/api/v1/profiles", ``, api.CodeUnauthenticated, 401, nil},
		{"viewer writes", "vera", "DELETE", "/api/v1/profiles/p-absent", ``, api.CodeForbidden, 403, func(fixture) members {
			return members{"principal": "vera", "required_roles": []any{"operator"}}
		}},
		{"viewer decides", "vera", "POST", "/api/v1/approvals/ar-absent/approve", ``, api.CodeForbidden, 403, func(fixture) members {
			return members{"principal": "vera", "required_roles": []any{"approver"}}
		}},
		{"withdraw what another asked", "vera", "POST", "/api/v1/approvals/{waiting-of-bob}/withdraw", ``, api.CodeForbidden, 403, func(fixture) members {
			return members{"principal": "vera", "required_roles": nil}
		}},
		{"same person", "alice", "POST", "/api/v1/approvals/{waiting}/approve", ``, api.CodeTwoPersonIntegrity, 403, nil},
		{"service decides", "terraform", "POST", "/api/v1/approvals/ar-absent/reject", ``, api.CodeHumanRequired, 403, nil},
		{"absent", "vera", "GET", "/api/v1/certificates/mc-absent", ``, api.CodeNotFound, 404, func(fixture) members {
			return members{"resource_type": "certificate", "resource_id": "mc-absent"}
		}},
		{"no route", "", "GET", "/api/v1/nothing", ``, api.CodeNoSuchRoute, 404, nil},
		{"no route, with a slash", "vera", "GET", "/api/v1/profiles/", ``, api.CodeNoSuchRoute, 404, nil},
		{"no method", "", "PATCH", "/api/v1/profiles/p-x", ``, api.CodeMethodNotAllowed, 405, nil},
		{"not issued", "vera", "GET", "/api/v1/certificates/{fresh}/chain", ``, api.CodeNotIssued, 409, nil},
		{"decided", "carol", "POST", "/api/v1/approvals/{decided}/approve", ``, api.CodeAlreadyDecided, 409, func(fixture) members {
			return members{"state": "rejected", "decided_by": "bob", "decided_at": nil}
		}},
		{"withdraw what is decided", "alice", "POST", "/api/v1/approvals/{decided}/withdraw", ``, api.CodeAlreadyDecided, 409, func(fixture) members {
			return members{"state": "rejected", "decided_by": "bob", "decided_at": nil}
		}},
		{"withdrawn", "carol", "POST", "/api/v1/approvals/{withdrawn}/approve", ``, api.CodeAlreadyDecided, 409, func(fixture) members {
			return members{"state": "cancelled", "closed_by": "alice", "cause": "approval_withdrawn"}
		}},
		{"too late", "bob", "POST", "/api/v1/approvals/{late}/approve", ``, api.CodeApprovalExpired, 409, nil},
		{"disabled", "olga", "POST", "/api/v1/certificates/{disabled}/renew", ``, api.CodeProfileDisabled, 409, nil},
		{"other digest", "bob", "POST", "/api/v1/approvals/{waiting}/approve", `{"digest":"sha256:0"}`, api.CodeDigestMismatch, 409, nil},
		{"job open", "olga", "POST", "/api/v1/certificates/{waiting-certificate}/renew", ``, api.CodeJobAlreadyOpen, 409, func(f fixture) members {
			return members{"job_id": f.waitingJob.ID, "approval_id": *f.waitingJob.ApprovalID}
		}},
		{"id taken", "olga", "POST", "/api/v1/profiles", `{"id":"{open}","name":"new"}`, api.CodeAlreadyExists, 409, func(f fixture) members {
			return members{"id": f.openProfile.ID}
		}},
		{"in use", "olga", "DELETE", "/api/v1/profiles/{open}", ``, api.CodeInUse, 409, func(f fixture) members {
			return members{"used_by": []any{members{"type": "certificate", "id": f.unissuedID}}, "used_by_count": 1.0}
		}},
		{"another's edit waits", "olga", "PUT", "/api/v1/profiles/{edited}", `{olga's edit}`, api.CodeEditAlreadyPending, 409, func(f fixture) members {
			return members{"approval_id": f.edits[0].ID}
		}},
		{"the edit was rejected", "alice", "PUT", "/api/v1/profiles/{refused}", `{rejected edit}`, api.CodeEditRejected, 409, func(f fixture) members {
			return members{"approval_id": f.edits[1].ID, "decided_by": "bob", "note": "too wide"}
		}},
		{"stale", "olga", "DELETE", "/api/v1/certificates/{fresh}", ``, api.CodePreconditionFailed, 412, func(fixture) members {
			return members{"version": 1.0}
		}},
		{"large", "olga", "POST", "/api/v1/profiles", strings.Repeat(" ", 1<<20+1), api.CodeBodyTooLarge, 413, nil},
		{"not JSON", "olga", "POST", "/api/v1/profiles", `x`, api.CodeUnsupportedMediaType, 415, nil},
		{"invalid", "olga", "POST", "/api/v1/profiles", `{}`, api.CodeInvalidRequest, 422, func(fixture) members {
			return members{"errors": []any{members{"pointer": "/name", "detail": "is required"}}}
		}},
	}
	headers := map[string][]string{"stale": {"If-Match", `"7"`}, "not JSON": {"Content-Type", "text/xml"}}
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		f := newFixture(t, s)
		fill := strings.NewReplacer(
			"{open}", f.openProfile.ID, "{fresh}", f.unissuedID, "{disabled}", f.disabledID, "{waiting}", *f.waitingJob.ApprovalID,
			"{decided}", *f.rejectedJob.ApprovalID, "{late}", f.overdueID, "{withdrawn}", f.withdrawnID, "{waiting-certificate}", f.waitingJob.CertificateID,
			"{edited}", f.editedProfile.ID, "{olga's edit}", newEditBody(f.editedProfile, "olga"),
			"{refused}", f.rejectedProfile.ID, "{rejected edit}", newEditBody(f.rejectedProfile, "alice"),
			"{waiting-of-bob}", *s.RequestOlgasCertificate(t, "bob").ApprovalID,
		)
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				a := send(t, s, c.who, c.method, fill.Replace(c.path), fill.Replace(c.body), headers[c.name]...)
				p := requireRefusal(t, a, c.code)
				if a.status != c.status || p.Type != "urn:certctl:problem:"+string(c.code) {
					t.Errorf("%d %s", a.status, p.Type)
				}
				if c.code == api.CodeTwoPersonIntegrity && !strings.Contains(p.Detail, "two-person integrity") {
					t.Errorf("it says %q", p.Detail)
				}
				own := ownMembersOf(t, a)
				var want map[string]any
				if c.own != nil {
					want = c.own(f)
				}
				for name, value := range want {
					if value == nil && own[name] != nil {
						want[name] = own[name]
					}
				}
				if diff := cmp.Diff(want, own); len(own)+len(want) > 0 && diff != "" {
					t.Errorf("members: %s", diff)
				}
			})
		}
		for path, want := range map[string][]string{
			"/api/v1/profiles/p-x": {"DELETE", "GET", "HEAD", "PUT"}, "/api/v1/approvals/ar-x/approve": {"POST"}, "/healthz": {"GET", "HEAD"},
		} {
			got := strings.Split(send(t, s, "", "PATCH", path, "").header.Get("Allow"), ", ")
			if slices.Sort(got); !slices.Equal(got, want) {
				t.Errorf("%s allows %v", path, got)
			}
		}
	}, servertest.NoWorkers())
}

// ownMembersOf returns the members that not every problem has.
func ownMembersOf(t *testing.T, a answer) map[string]any {
	t.Helper()
	own := decodeSuccess[map[string]any](t, a, a.status)
	for _, common := range []string{"type", "title", "status", "detail", "request_id"} {
		delete(own, common)
	}
	return own
}

// Only failures are limited: a valid key from the same address passes.
func TestProblems_RateLimitOnlyFailures(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		bad := []string{"Authorization", "Bearer ctl_aaaaaaaaaaaaaaaa_" + strings.Repeat("a", 43)}
		for range 30 {
			requireRefusal(t, send(t, s, "", "GET", "/api/v1/profiles", "", bad...), api.CodeUnauthenticated)
		}
		limited := false
		for range 20 {
			if a := send(t, s, "", "GET", "/api/v1/profiles", "", bad...); a.status == 429 {
				requireRefusal(t, a, api.CodeRateLimited)
				limited = true
			}
			decodeSuccess[[]api.Profile](t, send(t, s, "vera", "GET", "/api/v1/profiles", ""), 200)
		}
		if !limited {
			t.Error("fifty wrong keys were not slowed down")
		}
		requireRefusal(t, send(t, s, "", "GET", "/api/v1/profiles", ""), api.CodeUnauthenticated)
	}, servertest.NoWorkers())
}

// Without its database the server answers unavailable, for known and unknown keys.
func TestProblems_AreUnavailableWithoutTheDatabase(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		id := *s.RequestOlgasCertificate(t, "alice").ApprovalID
		bob := s.Key(t, "bob")
		decodeSuccess[api.Approval](t, send(t, s, "bob", "GET", "/api/v1/approvals/"+id, ""), 200)
		closeDatabase(t, s)
		for _, key := range []string{bob, "ctl_aaaaaaaaaaaaaaaa_" + strings.Repeat("a", 43)} {
			for _, r := range [][2]string{{"GET", "/api/v1/profiles"}, {"POST", "/api/v1/approvals/" + id + "/approve"}, {"PUT", "/api/v1/profiles/p-x"}, {"GET", "/readyz"}} {
				body := ""
				if r[0] == "PUT" {
					body = `{"name":"x","requires_approval":true}`
				}
				requireRefusal(t, send(t, s, "", r[0], r[1], body, "Authorization", "Bearer "+key), api.CodeUnavailable)
			}
		}
		decodeSuccess[api.Health](t, send(t, s, "", "GET", "/healthz", ""), 200)
	}, servertest.NoWorkers(), servertest.WithoutInvariants())
}

func closeDatabase(t *testing.T, s *servertest.Server) {
	t.Helper()
	var pools []*sql.DB
	for _, run := range []func(context.Context, func(*store.Tx) error) error{s.Store.Read, s.Store.Write} {
		if err := run(t.Context(), func(tx *store.Tx) error {
			pools = append(pools, tx.DB.ConnPool.(*sql.DB))
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	for _, pool := range pools {
		if err := pool.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// panickingIssuer panics when it drafts.
type panickingIssuer struct{ gate.Issuer }

func (panickingIssuer) Draft(gate.Subject, gate.Serial, gate.Validity) ([]byte, error) {
	panic("/srv/secret.go:1 SELECT")
}

// The answer to an unexpected error has the request id, but no details.
func TestProblems_HideInternals(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		c := s.CreateCertificateAsOlga(t, s.CreateProfileAsOlga(t, false).ID)
		p := requireRefusal(t, send(t, s, "olga", "POST", "/api/v1/certificates/"+c.ID+"/renew", ""), api.CodeInternal)
		s.Exec(t, "ALTER TABLE profiles RENAME TO lost")
		q := requireRefusal(t, send(t, s, "vera", "GET", "/api/v1/profiles", ""), api.CodeInternal)
		if p.Status != http.StatusInternalServerError || p.Detail != q.Detail || p.Errors != nil {
			t.Errorf("%+v, %+v", p, q)
		}
	}, servertest.Issuer(panickingIssuer{servertest.CA(t)}), servertest.NoWorkers(), servertest.WithoutInvariants())
}

// A well-formed X-Request-ID is kept, and any other is replaced. The answer, the problem and the audit trail have the same id.
func TestRequestID_IsKeptIfWellFormed(t *testing.T) {
	long := strings.Repeat("a", 128)
	cases := map[string]bool{
		"abc-DEF_1.2": true, long: true, "": false, long + "a": false, "a b": false, "a/b": false, "é": false, `a"b`: false, "a,b": false,
	}
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		for sent, isKept := range cases {
			good := send(t, s, "olga", "POST", "/api/v1/profiles", `{"name":`+toJSON("x"+sent)+`}`, "X-Request-ID", sent)
			stored := decodeSuccess[api.Profile](t, good, 201)
			id := good.header.Get("X-Request-ID")
			if (id == sent) != isKept || id == "" || len(good.header.Values("X-Request-ID")) != 1 {
				t.Errorf("%q became %q", sent, id)
			}
			trail := decodeSuccess[[]api.AuditEvent](t, send(t, s, "audrey", "GET", "/api/v1/audit-events?resource_id="+stored.ID, ""), 200)
			if len(trail) != 1 || trail[0].RequestID != id {
				t.Errorf("%q is in the trail as %+v", id, trail)
			}
			p := requireRefusal(t, send(t, s, "", "GET", "/nothing", "", "X-Request-ID", sent), api.CodeNoSuchRoute)
			if (p.RequestID == sent) != isKept {
				t.Errorf("%q became %q in the problem", sent, p.RequestID)
			}
		}
	}, servertest.NoWorkers())
}
