package rest_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

var relativeLink = regexp.MustCompile(`^<(/api/v1/[^<>"\s]+)>; rel="next"$`)

// readAllPages reads a list page by page and returns the ids. It calls between after each page.
func readAllPages(t *testing.T, s *servertest.Server, path string, between func(page int, ids []string)) []string {
	t.Helper()
	first, err := url.Parse(path)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for page := 1; path != ""; page++ {
		a := send(t, s, "audrey", "GET", path, "")
		for _, row := range decodeSuccess[[]struct{ ID string }](t, a, 200) {
			ids = append(ids, row.ID)
		}
		path = ""
		if link := a.header.Get("Link"); link != "" {
			found := relativeLink.FindStringSubmatch(link)
			if found == nil {
				t.Fatalf("the link is %s", link)
			}
			path = found[1]
			next, err := url.Parse(path)
			if err != nil {
				t.Fatal(err)
			}
			for name := range first.Query() {
				if next.Query().Get(name) != first.Query().Get(name) && name != "after" {
					t.Errorf("the next page has no %s: %s", name, path)
				}
			}
		}
		between(page, ids)
	}
	return ids
}

// While a list is read, rows are added and removed, and many rows have the same time. Each row that was there all the time
// is listed once, in order.
func TestList_PagesEachRowOnce(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		moment := time.Now().UTC().Truncate(time.Second).Add(-time.Minute)
		var profiles, approvals []string
		for range 7 {
			profiles = append(profiles, s.CreateProfileAsOlga(t, false).ID)
			approvals = append(approvals, *s.RequestOlgasCertificate(t, "alice").ApprovalID)
		}
		s.Exec(t, "UPDATE profiles SET created_at = ? WHERE NOT requires_approval", moment)
		slices.Sort(profiles)

		var later string
		got := readAllPages(t, s, "/api/v1/profiles?limit=2", func(page int, ids []string) {
			switch page {
			case 1:
				later = s.CreateProfileAsOlga(t, false).ID
			case 2: // delete the row before the next page
				if err := s.Client(t, "olga").DeleteProfile(t.Context(), ids[len(ids)-1]); err != nil {
					t.Fatal(err)
				}
			}
		})
		if len(got) != 15 || got[14] != later {
			t.Errorf("the new row is not the last of %v", got)
		}
		if diff := cmp.Diff(profiles, got[:7]); diff != "" {
			t.Errorf("oldest first: %s", diff)
		}

		decided := approvals[3]
		got = readAllPages(t, s, "/api/v1/approvals?state=pending&order=newest&limit=1", func(page int, _ []string) {
			if page == 2 {
				s.RequestOlgasCertificate(t, "alice")
				decodeSuccess[api.Approval](t, send(t, s, "bob", "POST", "/api/v1/approvals/"+decided+"/reject", ""), 200)
			}
		})
		want := slices.DeleteFunc(slices.Clone(approvals), func(id string) bool { return id == decided })
		slices.Reverse(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("newest first: %s", diff)
		}
		if got := readAllPages(t, s, "/api/v1/approvals?limit=3", func(int, []string) {}); !slices.Equal(got[:7], approvals) {
			t.Errorf("oldest first: %v", got)
		}

		// Lists with the newest first also have each row once, for any page size. The people's audit rows have the same time.
		for _, path := range []string{"/api/v1/jobs", "/api/v1/audit-events"} {
			whole := readAllPages(t, s, path+"?limit=500", func(int, []string) {})
			paged := readAllPages(t, s, path+"?limit=3", func(int, []string) { s.CreateProfileAsOlga(t, false) })
			if !slices.Equal(whole, paged) || len(whole) < 7 {
				t.Errorf("%s: %v is not %v", path, paged, whole)
			}
		}
	}, servertest.NoWorkers())
}

func TestList_HasLimitsAndExactCursors(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		for i := range 51 {
			decodeSuccess[api.Profile](t, send(t, s, "olga", "POST", "/api/v1/profiles", fmt.Sprintf(`{"name":"p%d"}`, i)), 201)
		}
		for query, want := range map[string]int{"": 50, "?limit=1": 1, "?limit=51": 51, "?limit=500": 51, "?name=p7": 1, "?name=P7": 0} {
			a := send(t, s, "vera", "GET", "/api/v1/profiles"+query, "")
			if rows := decodeSuccess[[]api.Profile](t, a, 200); len(rows) != want || (a.header.Get("Link") != "") != (want == 50 || want == 1 && query == "?limit=1") {
				t.Errorf("%s: %d rows, link %q", query, len(rows), a.header.Get("Link"))
			}
		}
		// A changed cursor is refused.
		link := relativeLink.FindStringSubmatch(send(t, s, "vera", "GET", "/api/v1/profiles?limit=1", "").header.Get("Link"))[1]
		u, err := url.Parse(link)
		if err != nil {
			t.Fatal(err)
		}
		cursor := u.Query().Get("after")
		flipped := []byte(cursor)
		flipped[3] ^= 1
		for _, bad := range []string{cursor + "A", cursor + "=", cursor[1:], cursor[:len(cursor)-2], string(flipped), cursor + "%0A", strings.ToLower(cursor), "%20" + cursor} {
			p := requireRefusal(t, send(t, s, "vera", "GET", "/api/v1/profiles?after="+bad, ""), api.CodeInvalidRequest)
			if !slices.Equal(pointersOf(p), []string{"?after"}) {
				t.Errorf("%s: %+v", bad, p.Errors)
			}
		}
	}, servertest.NoWorkers())
}

// A list without rows is [], also inside an object.
func TestList_IsEmptyNotNull(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		for _, path := range []string{"profiles", "certificates", "certificates?archived=true", "approvals", "jobs", "jobs?certificate_id=mc-absent", "audit-events?actor=nobody"} {
			if a := send(t, s, "audrey", "GET", "/api/v1/"+path, ""); a.body != "[]\n" || a.header.Get("Link") != "" || a.header.Get("Content-Type") != "application/json" {
				t.Errorf("%s: %v %s", path, a.header, a.body)
			}
		}
		c := s.CreateCertificateAsOlga(t, s.CreateProfileAsOlga(t, false).ID)
		if a := send(t, s, "vera", "GET", "/api/v1/certificates/"+c.ID+"/versions", ""); a.body != "[]\n" {
			t.Errorf("versions: %s", a.body)
		}
		summary := membersOf(t, send(t, s, "vera", "GET", "/api/v1/approvals/summary", "").body)
		delete(summary, "evaluated_at")
		want := map[string]any{
			"total_count": json.Number("0"), "oldest_requested_at": nil, "count_by_kind": map[string]any{"issuance": json.Number("0"), "profile_edit": json.Number("0")},
			"count_by_profile": map[string]any{}, "approval_bypass": false, "server_version": "test", "approvals": []any{},
		}
		if diff := cmp.Diff(want, summary); diff != "" {
			t.Errorf("summary: %s", diff)
		}
		got := membersOf(t, send(t, s, "olga", "POST", "/api/v1/profiles", `{"name":"x"}`).body)
		for _, list := range []string{"allowed_dns_names", "allowed_ip_ranges", "allowed_uris", "allowed_email_domains"} {
			if elements, ok := got[list].([]any); !ok || len(elements) != 0 {
				t.Errorf("%s is %v", list, got[list])
			}
		}
	}, servertest.NoWorkers())
}

// Approvals can be filtered by several states, by decider and by time, and ordered by time or deadline.
func TestListApprovals_FiltersAndOrders(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		decide := func(verb, who string) string {
			id := *s.RequestOlgasCertificate(t, "alice").ApprovalID
			s.Clock.Advance(time.Hour)
			decodeSuccess[api.Approval](t, send(t, s, who, "POST", "/api/v1/approvals/"+id+"/"+verb, ""), 200)
			return id
		}
		approved, rejected, withdrawn := decide("approve", "bob"), decide("reject", "carol"), decide("withdraw", "alice")
		since := s.Clock.Now().UTC().Format(time.RFC3339Nano)
		first, second := *s.RequestOlgasCertificate(t, "alice").ApprovalID, *s.RequestOlgasCertificate(t, "alice").ApprovalID
		for query, want := range map[string][]string{
			"?state=approved&state=rejected":                  {approved, rejected},
			"?state=cancelled&state=pending&order=newest":     {second, first, withdrawn},
			"?decided_by=carol":                               {rejected},
			"?since=" + url.QueryEscape(since):                {first, second},
			"?order=expires_at":                               {approved, rejected, withdrawn, first, second},
			"?state=pending&order=expires_at":                 {first, second},
			"?decided_by=bob&state=rejected":                  nil,
			"?since=" + url.QueryEscape(since) + "&limit=500": {first, second},
			"?state=pending&state=approved&order=expires_at":  {approved, first, second},
		} {
			if got := readAllPages(t, s, "/api/v1/approvals"+query+map[bool]string{true: "", false: "&limit=1"}[strings.Contains(query, "limit")], func(int, []string) {}); !slices.Equal(got, want) {
				t.Errorf("%s: %v, want %v", query, got, want)
			}
		}
		requireRefusal(t, send(t, s, "vera", "GET", "/api/v1/approvals?state=pending&state=pending", ""), api.CodeInvalidRequest)
		requireRefusal(t, send(t, s, "vera", "GET", "/api/v1/approvals?state=pending&state=open", ""), api.CodeInvalidRequest)
		summary := decodeSuccess[api.ApprovalSummary](t, send(t, s, "vera", "GET", "/api/v1/approvals/summary?state=approved&state=pending", ""), 200)
		if summary.TotalCount != 3 {
			t.Errorf("the summary counts %d", summary.TotalCount)
		}
	}, servertest.NoWorkers())
}

// Every answer to a follower of the audit trail has a next page, also an empty answer. A list of the newest first ends.
func TestListAuditEvents_FollowersAlwaysHaveANextPage(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		nextOf := func(a answer) string {
			t.Helper()
			found := relativeLink.FindStringSubmatch(a.header.Get("Link"))
			if found == nil {
				t.Fatalf("the link is %q", a.header.Get("Link"))
			}
			return found[1]
		}
		get := func(path string) (answer, []api.AuditEvent) {
			t.Helper()
			a := send(t, s, "audrey", "GET", path, "")
			return a, decodeSuccess[[]api.AuditEvent](t, a, 200)
		}
		s.Key(t, "audrey")
		var all, followed []string
		s.Query(t, &all, "SELECT id FROM audit_events ORDER BY position, id")
		path := "/api/v1/audit-events?order=oldest&limit=3"
		for len(followed) < len(all) {
			a, events := get(path)
			if path = nextOf(a); !strings.Contains(path, "limit=3&order=oldest") {
				t.Fatalf("the next page is %s", path)
			}
			for _, e := range events {
				followed = append(followed, e.ID)
			}
		}
		if !slices.Equal(all, followed) {
			t.Errorf("followed: %s", cmp.Diff(all, followed))
		}
		a, events := get(path)
		if len(events) > 0 || a.body != "[]\n" {
			t.Errorf("the last page is %s", a.body)
		}
		path = nextOf(a)
		s.CreateProfileAsOlga(t, false)
		servertest.WaitUntil(t, func() error {
			a, events := get(path)
			if path = nextOf(a); len(events) == 0 {
				return fmt.Errorf("there is no new event")
			}
			return nil
		})
		if a, events := get("/api/v1/audit-events?limit=500"); a.header.Get("Link") != "" || len(events) <= len(all) {
			t.Errorf("newest first: %d events, link %q", len(events), a.header.Get("Link"))
		}
		if a, _ := get("/api/v1/audit-events?order=oldest&actor=absent"); a.body != "[]\n" || nextOf(a) == "" {
			t.Errorf("nothing matches: %s", a.body)
		}

		// A cursor belongs to one order, and to this database.
		newest := nextOf(send(t, s, "audrey", "GET", "/api/v1/audit-events?limit=1", ""))
		after := func(path string) string {
			t.Helper()
			u, err := url.Parse(path)
			if err != nil {
				t.Fatal(err)
			}
			return u.Query().Get("after")
		}
		for name, query := range map[string]string{
			"newest, followed":      "order=oldest&after=" + after(newest),
			"follower's, newest":    "order=newest&after=" + after(path),
			"follower's, default":   "after=" + after(path),
			"damaged":               "order=oldest&after=A" + after(path),
			"of a newer trail":      "order=oldest&after=" + store.Position{Number: 1 << 62, ID: "ev-1"}.String(),
			"below all":             "order=oldest&after=" + store.Position{Number: -1, ID: "ev-1"}.String(),
			"an order of approvals": "order=expires_at",
		} {
			p := requireRefusal(t, send(t, s, "audrey", "GET", "/api/v1/audit-events?"+query, ""), api.CodeInvalidRequest)
			if at := pointersOf(p); len(at) != 1 || at[0] != "?after" && at[0] != "?order" {
				t.Errorf("%s: %+v", name, p.Errors)
			}
		}
		requireRefusal(t, send(t, s, "vera", "GET", "/api/v1/audit-events?order=oldest", ""), api.CodeForbidden)
	}, servertest.NoWorkers())
}

// With Accept: application/x-ndjson each line of the answer is one event, as in the array. Pages and refusals stay the same.
func TestListAuditEvents_HasOneEventInEachLine(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		get := func(query string, headers ...string) answer {
			t.Helper()
			return send(t, s, "audrey", "GET", "/api/v1/audit-events"+query, "", headers...)
		}
		s.Key(t, "audrey")
		want := decodeSuccess[[]json.RawMessage](t, get("?limit=3"), 200)
		lines := get("?limit=3", "Accept", "application/x-ndjson")
		if got := lines.header.Get("Content-Type"); lines.status != 200 || got != "application/x-ndjson" {
			t.Errorf("%d %s", lines.status, got)
		}
		if lines.header.Get("Link") != get("?limit=3").header.Get("Link") || lines.header.Get("Link") == "" {
			t.Errorf("the link is %q", lines.header.Get("Link"))
		}
		var text strings.Builder
		for _, event := range want {
			text.Write(event)
			text.WriteByte('\n')
		}
		if diff := cmp.Diff(text.String(), lines.body); diff != "" {
			t.Errorf("the lines: %s", diff)
		}
		if a := get("?actor=nobody&order=oldest", "Accept", "application/x-ndjson"); a.body != "" || a.header.Get("Link") == "" {
			t.Errorf("no events: %q, link %q", a.body, a.header.Get("Link"))
		}
		for accept, media := range map[string]string{
			"application/x-ndjson; q=0.5, application/json": "application/json",
			"application/json; q=0.5, application/x-ndjson": "application/x-ndjson",
			"application/x-ndjson, */*; q=0.1":              "application/x-ndjson",
			"*/*":                                           "application/json",
			"text/html":                                     "application/json",
			"application/problem+json":                      "application/json",
			"application/x-ndjson-not":                      "application/json",
		} {
			if a := get("", "Accept", accept); a.status != 200 || a.header.Get("Content-Type") != media {
				t.Errorf("%s: %d %s", accept, a.status, a.header.Get("Content-Type"))
			}
		}
		for _, a := range []answer{
			requireAnswer(t, get("?limit=0", "Accept", "application/x-ndjson"), 422),
			requireAnswer(t, send(t, s, "vera", "GET", "/api/v1/audit-events", "", "Accept", "application/x-ndjson"), 403),
			requireAnswer(t, get("?order=oldest&after="+store.Position{Number: 1 << 62}.String(), "Accept", "application/x-ndjson"), 422),
		} {
			if got := a.header.Get("Content-Type"); got != "application/problem+json" {
				t.Errorf("a refusal is %s", got)
			}
		}
		if a := send(t, s, "audrey", "GET", "/api/v1/jobs", "", "Accept", "application/x-ndjson"); a.status != 200 || a.header.Get("Content-Type") != "application/json" {
			t.Errorf("another list is %d %s", a.status, a.header.Get("Content-Type"))
		}
	}, servertest.NoWorkers())
}

func requireAnswer(t *testing.T, a answer, status int) answer {
	t.Helper()
	if a.status != status {
		t.Errorf("%d instead of %d: %s", a.status, status, a.body)
	}
	return a
}
