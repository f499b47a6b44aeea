package console_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// A certificate is found by its id, name, profile, serial number and fingerprint, also as OpenSSL prints the last two.
func TestCertificates_AreFound(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		c := issue(t, s)
		other := s.CreateCertificateAsOlga(t, s.CreateProfileAsOlga(t, true).ID)
		vera := newPerson(t, s, "vera")
		for _, search := range []string{
			c.ID, c.SANs[0], c.ProfileID, c.Current.SerialNumber, withColons(c.Current.SerialNumber), c.Current.FingerprintSHA256, withColons(c.Current.FingerprintSHA256),
		} {
			vera.requireStatus(vera.open("/certificates?search="+url.QueryEscape(search)), http.StatusOK)
			if list := textOf(vera, "tbody"); !strings.Contains(list, c.ID) || strings.Contains(list, other.ID) {
				t.Errorf("the search for %s lists: %s", search, list)
			}
		}
		for filter, want := range map[string]string{
			"status=issued": c.ID, "status=unissued": other.ID, "days=90": c.ID, "days=7": "No certificate matches", "renewal=blocked": "No certificate matches",
			"search=unknown.example.com": "No certificate matches", "search=": other.ID,
		} {
			vera.requireStatus(vera.open("/certificates?"+filter), http.StatusOK)
			vera.require(want)
		}
		vera.expect("422")
		vera.requireStatus(vera.open("/certificates?status=unknown"), http.StatusUnprocessableEntity)
	})
}

// The page of a certificate shows the leaf and its requests, with a way to each decision, and why a renewal is blocked.
func TestCertificate_ShowsItsLeafAndRequests(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		c := issue(t, s)
		s.Exec(t, "INSERT INTO blocked_renewals (certificate_uid, profile_id, reason, detail, since) SELECT uid, profile_id, 'person_disabled', 'alice is disabled', created_at FROM certificates WHERE id = ?", c.ID)
		vera := newPerson(t, s, "vera")
		vera.requireStatus(vera.open("/certificates/"+c.ID), http.StatusOK)
		vera.require(c.Current.SerialNumber, c.Current.FingerprintSHA256, "The renewal is blocked", "alice is disabled.", "approved by bob", "Completed")
		vera.requireStatus(vera.click("#requests ~ table a"), http.StatusOK)
		vera.require("Approved by bob")

		vera.open("/certificates?renewal=blocked")
		vera.require(c.ID, "renewal blocked")
		vera.open("/overview")
		vera.require("Renewal blocked\n1")

		vera.expect("404")
		vera.requireStatus(vera.open("/certificates/mc-absent"), http.StatusNotFound)
	})
}

// The page of a profile shows its rules and leads to the edit that waits.
func TestProfile_ShowsItsRulesAndTheWaitingEdit(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		p := s.CreateProfileAsOlga(t, true)
		edited := p.ProfileSpec
		edited.MaxSANs = 7
		var waits *client.AwaitingApprovalError
		if _, err := s.Client(t, "olga").ReplaceProfile(t.Context(), p.ID, edited); !errors.As(err, &waits) {
			t.Fatal(err)
		}
		vera := newPerson(t, s, "vera")
		vera.open("/profiles")
		vera.require(p.Name, "required", "an edit waits")
		vera.requireStatus(vera.click("tbody th a"), http.StatusOK)
		vera.require("Requires approval\t\nyes", "Longest lifetime\t\n90 days", "Most names in a certificate\t\n100")
		vera.requireStatus(vera.click("main p a"), http.StatusOK)
		vera.require("Most names in a certificate")
	})
}

// Auditors follow who did what to an object. Nobody else sees the page.
func TestActivity_IsForAuditors(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		c := issue(t, s)
		auditor := newPerson(t, s, "audrey")
		auditor.requireStatus(auditor.open("/activity?resource="+*c.ApprovalID), http.StatusOK)
		auditor.require("approval_requested", "approval_approved", "bob")
		auditor.open("/activity?actor=bob&action=approval_approved&since=2000-01-01&until=2000-01-02")
		auditor.require("No event matches")
		auditor.expect("422")
		auditor.requireStatus(auditor.open("/activity?since=yesterday"), http.StatusUnprocessableEntity)

		vera := newPerson(t, s, "vera")
		if links := textOf(vera, "nav"); strings.Contains(links, "Activity") {
			t.Errorf("a viewer is led to the audit trail: %s", links)
		}
		vera.expect("403")
		vera.requireStatus(vera.open("/activity"), http.StatusForbidden)
	})
}

// The charts count the certificates by week, and what waits by age.
func TestOverview_Counts(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		issue(t, s)
		s.RequestOlgasCertificate(t, "alice")
		vera := newPerson(t, s, "vera")
		vera.requireStatus(vera.open("/overview"), http.StatusOK)
		vera.require("Requests that wait\n1", "Certificates\n2", "Expired\n0")
		for expression, want := range map[string]string{
			`[...document.querySelectorAll(".chart")].map(c => c.querySelectorAll("rect").length).join()`:                             "26,5",
			`[...document.querySelectorAll(".chart title")].map(t => t.textContent).filter(t => !t.includes(": 0 ")).slice(1).join()`: "under 1 hour: 1 request",
		} {
			if got := evaluate[string](vera, expression); got != want {
				t.Errorf("%s is %s, not %s", expression, got, want)
			}
		}
	})
}

// A list of many goes on from page to page, and shows each row once.
func TestLists_GoOn(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		profileID := s.CreateProfileAsOlga(t, false).ID
		for range 51 {
			s.CreateCertificateAsOlga(t, profileID)
		}
		audrey := newPerson(t, s, "audrey")
		for _, path := range []string{"/certificates", "/activity"} {
			audrey.open(path)
			first := evaluate[[]string](audrey, `[...document.querySelectorAll("tbody tr")].map(r => r.innerText)`)
			audrey.requireStatus(audrey.click("main > p a"), http.StatusOK)
			second := evaluate[[]string](audrey, `[...document.querySelectorAll("tbody tr")].map(r => r.innerText)`)
			if len(first) != 50 || len(second) == 0 {
				t.Errorf("%s lists %d, then %d rows", path, len(first), len(second))
			}
		}
	})
}

// Each page has a bounded number of statements and of bytes, however much there is.
func TestLists_StaySmall(t *testing.T) {
	t.Parallel()
	var log statements
	s := servertest.NewPostgres(t, servertest.NoWorkers(), servertest.Trace(log.add))
	c := issue(t, s)
	for range 60 {
		s.CreateCertificateAsOlga(t, c.ProfileID)
	}
	audrey := newVisitor(t, s, "audrey")
	for _, path := range []string{
		"/certificates", "/certificates?days=90", "/certificates?search=" + c.SANs[0], "/certificates/" + c.ID, "/profiles", "/profiles/" + c.ProfileID, "/overview", "/activity",
	} {
		log.reset()
		p := audrey.get(path)
		p.require(t, http.StatusOK)
		if ran := log.list(); len(ran) > 8 {
			t.Errorf("%s runs %d statements:\n%s", path, len(ran), strings.Join(ran, "\n"))
		}
		if len(p.body) > 100_000 {
			t.Errorf("%s has %d bytes", path, len(p.body))
		}
	}
}

// issue returns a certificate that alice requested and bob approved.
func issue(t *testing.T, s *servertest.Server) api.Certificate {
	t.Helper()
	job := s.RequestOlgasCertificate(t, "alice")
	if _, err := s.Client(t, "bob").ApproveApproval(t.Context(), *job.ApprovalID, api.Decision{}); err != nil {
		t.Fatal(err)
	}
	s.Drain(t)
	c, err := s.Client(t, "vera").GetCertificate(t.Context(), job.CertificateID)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// withColons writes hexadecimal digits as OpenSSL does.
func withColons(digits string) string {
	var pairs []string
	for i := 0; i+1 < len(digits); i += 2 {
		pairs = append(pairs, digits[i:i+2])
	}
	return strings.ToUpper(strings.Join(pairs, ":"))
}

// textOf returns the text of an element as a reader sees it.
func textOf(b *browser, selector string) string {
	b.t.Helper()
	return evaluate[string](b, `document.querySelector("`+selector+`").innerText`)
}
