// cspell:ignore Cscript

package console_test

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

var (
	listedID  = regexp.MustCompile(`href="/approvals/(ar-[a-z0-9]+)"`)
	listTitle = regexp.MustCompile(`<h2 id="(mine|own|others)">`)
	moreLink  = regexp.MustCompile(`href="(/approvals\?[^"]*)">Show`)
)

// readGroups returns the ids that the page lists in each group.
func readGroups(p page) map[string][]string {
	groups := map[string][]string{}
	for _, section := range strings.Split(p.body, "<section ")[1:] {
		if title := listTitle.FindStringSubmatch(section); title != nil {
			for _, id := range listedID.FindAllStringSubmatch(section, -1) {
				groups[title[1]] = append(groups[title[1]], id[1])
			}
		}
	}
	return groups
}

// Each pending request is in one group of each person: in "for you" if and only if the person could decide it now.
func TestWaiting_GroupsByWhoMayDecide(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		prepareDesk(t, s)
		for _, requester := range []string{"alice", "bob", "terraform", "olga"} {
			s.RequestOlgasCertificate(t, requester)
		}
		ended := *s.RequestOlgasCertificate(t, "alice").ApprovalID
		if _, err := s.Client(t, "bob").RejectApproval(t.Context(), ended, api.Decision{Note: "no"}); err != nil {
			t.Fatal(err)
		}
		var pending []api.Approval
		o := client.ListApprovalsOptions{ApprovalFilter: client.ApprovalFilter{States: []api.ApprovalState{api.ApprovalPending}}}
		for a, err := range s.Client(t, "vera").ListApprovals(t.Context(), o) {
			if err != nil {
				t.Fatal(err)
			}
			pending = append(pending, a)
		}
		for _, person := range []string{"alice", "bob", "carol", "olga", "vera"} {
			groups := readGroups(newVisitor(t, s, person).get("/approvals"))
			for _, a := range pending {
				e, err := s.Client(t, person).GetEligibility(t.Context(), a.ID)
				if err != nil {
					t.Fatal(err)
				}
				want := "others"
				if a.Accountable == person {
					want = "own"
				}
				if e.Me.May {
					want = "mine"
				}
				for group, ids := range groups {
					if slices.Contains(ids, a.ID) != (group == want) {
						t.Errorf("%s: %s of %s belongs to %s, and %s lists it: %t", person, a.ID, a.Accountable, want, group, slices.Contains(ids, a.ID))
					}
				}
			}
			if n := len(slices.Concat(groups["mine"], groups["own"], groups["others"])); n != len(pending) {
				t.Errorf("%s sees %d requests, and %d wait", person, n, len(pending))
			}
		}
	})
}

// A long list has pages, and each request is on one of them, in every order. A page has a bounded number of statements and
// of bytes.
func TestWaiting_StaysSmall(t *testing.T) {
	t.Parallel()
	var log statements
	s := servertest.NewPostgres(t, servertest.NoWorkers(), servertest.Trace(log.add))
	profile := s.CreateProfileAsOlga(t, true)
	const n = 60
	for range n {
		c := s.CreateCertificateAsOlga(t, profile.ID)
		c.SANs = c.SANs[:0]
		for i := range 3 {
			c.SANs = append(c.SANs, fmt.Sprintf("%s%d.%s.example.com", strings.Repeat("long", 15), i, c.ID))
		}
		c.CommonName = ""
		if _, err := s.Client(t, "olga").ReplaceCertificate(t.Context(), c.ID, c.CertificateSpec); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Client(t, "alice").RenewCertificate(t.Context(), c.ID, api.Renew{Reason: strings.Repeat("because ", 60)}); err != nil {
			t.Fatal(err)
		}
	}
	bob, carol := newVisitor(t, s, "bob"), newVisitor(t, s, "carol")
	for _, order := range []string{"oldest", "newest", "expires_at"} {
		var seen []string
		for path := "/approvals?group=mine&order=" + order; path != ""; {
			p := carol.get(path)
			p.require(t, http.StatusOK)
			seen, path = append(seen, readGroups(p)["mine"]...), ""
			if more := moreLink.FindStringSubmatch(strings.ReplaceAll(p.body, "&amp;", "&")); more != nil && !strings.HasSuffix(more[1], "/approvals") {
				path = more[1]
			}
		}
		slices.Sort(seen)
		if distinct := len(slices.Compact(seen)); len(seen) != n || distinct != n {
			t.Errorf("%s: the pages list %d requests, %d of them different", order, len(seen), distinct)
		}
	}
	for _, path := range []string{"/approvals", "/approvals?group=mine", "/approvals/" + readGroups(bob.get("/approvals"))["mine"][0]} {
		log.reset()
		p := bob.get(path)
		p.require(t, http.StatusOK)
		if ran := log.list(); len(ran) > 8 {
			t.Errorf("%s runs %d statements:\n%s", path, len(ran), strings.Join(ran, "\n"))
		}
		if len(p.body) > 100_000 {
			t.Errorf("%s has %d bytes", path, len(p.body))
		}
	}
}

// statements collects the statements of a database, without those that only begin and end a transaction.
type statements struct {
	mu  sync.Mutex
	ran []string
}

func (l *statements) add(sql string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if word, _, _ := strings.Cut(strings.ToLower(sql), " "); word != "begin" && word != "commit" {
		l.ran = append(l.ran, sql)
	}
}

func (l *statements) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ran = nil
}

func (l *statements) list() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.ran)
}

// The filters are in the address. What a reader writes into it is text on the page, and an unknown value is refused.
func TestWaiting_FiltersByItsAddress(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	d := prepareDesk(t, s)
	bob := newVisitor(t, s, "bob")
	for query, want := range map[string]int{
		"kind=profile_edit": 1, "kind=issuance": 3, "requested_by=bob": 1, "requested_by=nobody": 0, "profile_id=p-payments": 4,
		"profile_id=p-payments&kind=profile_edit&order=newest": 1, "group=own": 1, "": 4,
	} {
		p := bob.get("/approvals?" + query)
		p.require(t, http.StatusOK)
		groups := readGroups(p)
		if n := len(slices.Concat(groups["mine"], groups["own"], groups["others"])); n != want {
			t.Errorf("%s lists %d requests, not %d", query, n, want)
		}
	}
	for _, query := range []string{"kind=x", "order=x", "group=x", "after=x", "requested_by=%00", "profile_id=a%E2%80%AEb"} {
		bob.get("/approvals?"+query).require(t, http.StatusUnprocessableEntity, "no such list")
	}
	bob.get("/approvals?requested_by=%22%3E%3Cscript%3E").require(t, http.StatusOK, `value="&#34;&gt;&lt;script&gt;"`)
	bob.get("/approvals/"+d.lookAlike).require(t, http.StatusOK, "look-alike")
}

// A request with a field that this program does not know leaves the list as it is, and has no page: nobody decides on what the
// page does not show.
func TestRequest_OfANewerServerIsNotShown(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	id := *s.RequestOlgasCertificate(t, "alice").ApprovalID
	s.Exec(t, "DROP TRIGGER approvals_guard")
	const known, unknown = `{"certificate_id"`, `{"added_later":1,"certificate_id"`
	s.Exec(t, "UPDATE approvals SET subject = replace(subject, ?, ?) WHERE id = ?", known, unknown, id)
	defer s.Exec(t, "UPDATE approvals SET subject = replace(subject, ?, ?) WHERE id = ?", unknown, known, id)
	bob := newVisitor(t, s, "bob")
	bob.get("/approvals").require(t, http.StatusOK, "A newer server must show it.", "/approvals/"+id)
	bob.get("/approvals/"+id).require(t, http.StatusServiceUnavailable, "this one cannot show all of it")
}

// A stack of combining marks in a name draws over the lines above and below, so those beyond the second are shown as numbers.
func TestPages_ShowStackedMarksAsNumbers(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	spec := api.DefaultProfileSpec()
	spec.Name = "q" + strings.Repeat("\u0308", 4)
	if _, err := s.Client(t, "olga").CreateProfile(t.Context(), api.CreateProfile{ProfileSpec: spec}); err != nil {
		t.Fatal(err)
	}
	const number = `<span class="hidden-character">&lt;U+0308&gt;</span>`
	newVisitor(t, s, "bob").get("/profiles").require(t, http.StatusOK, "q\u0308\u0308"+number+number)
}
