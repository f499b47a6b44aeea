package console

import (
	"fmt"
	"html/template"
	"net/url"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/rules"
	"github.com/certctl/terraform-provider-certctl/server/certificate"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// A page lists so many certificates, and names so many of the names of each.
const (
	maxListed = 50
	maxNames  = 3
)

// certificatesPage is what the page Certificates shows.
type certificatesPage struct {
	Query certificatesQuery
	Rows  []api.Certificate
	More  string // the path of the next certificates; empty if there are none
}

// certificatesQuery is the query of the page: what to list.
type certificatesQuery struct {
	Search  string
	Status  api.CertificateStatus
	Days    int // within which the certificate ends; 0 for all
	Blocked bool

	after store.Cursor
}

var certificateStatuses = []api.CertificateStatus{
	api.CertificateIssued, api.CertificateAwaitingApproval, api.CertificateIssuing, api.CertificateExpired, api.CertificateUnissued,
	api.CertificateRejected, api.CertificateRequestExpired, api.CertificateFailed, api.CertificateCancelled,
}

var expiryDays = []int{7, 30, 90}

// Statuses lists what the page can filter by.
func (certificatesQuery) Statuses() []api.CertificateStatus { return certificateStatuses }

// ExpiryDays lists the horizons that the page can filter by.
func (certificatesQuery) ExpiryDays() []int { return expiryDays }

// IsFiltered reports whether the query leaves certificates out.
func (q certificatesQuery) IsFiltered() bool {
	return q.Search != "" || q.Status != "" || q.Days != 0 || q.Blocked
}

// readCertificatesQuery reads the query of a request. It returns a problem if a value is none that the page writes.
func readCertificatesQuery(c *gin.Context) (certificatesQuery, error) {
	days, _ := strconv.Atoi(c.DefaultQuery("days", "0"))
	q := certificatesQuery{
		Search: strings.TrimSpace(c.Query("search")), Status: api.CertificateStatus(c.Query("status")), Days: days, Blocked: c.Query("renewal") == "blocked",
	}
	var err error
	if text := c.Query("after"); text != "" {
		q.after, err = store.ParseCursor(text)
	}
	isKnown := rules.LineFault(q.Search) == "" && isOneOf(q.Status, append(certificateStatuses, "")...) && isOneOf(q.Days, append(expiryDays, 0)...)
	if err != nil || !isKnown {
		return q, noSuchList()
	}
	return q, nil
}

// noSuchList is the problem of a query that no page writes.
func noSuchList() error {
	return api.Refuse(api.CodeInvalidRequest, "the page has no such list: choose the filters again")
}

func (q certificatesQuery) path(after store.Cursor) string {
	values := url.Values{}
	for name, value := range map[string]string{"search": q.Search, "status": string(q.Status)} {
		if value != "" {
			values.Set(name, value)
		}
	}
	if q.Days != 0 {
		values.Set("days", strconv.Itoa(q.Days))
	}
	if q.Blocked {
		values.Set("renewal", "blocked")
	}
	values.Set("after", after.String())
	return "/certificates?" + values.Encode()
}

var (
	fingerprintFormat = regexp.MustCompile(`^[0-9a-f]{64}$`)
	serialFormat      = regexp.MustCompile(`^[0-9a-f]{16,40}$`)
)

// filter guesses from its form what a search text is. Tools print serial numbers and fingerprints in capitals and with colons.
func (q certificatesQuery) filter(now time.Time) certificate.Filter {
	f := certificate.Filter{Status: q.Status, Blocked: q.Blocked}
	if q.Days != 0 {
		f.ExpiresBefore = now.AddDate(0, 0, q.Days)
	}
	hexadecimal := strings.ToLower(strings.ReplaceAll(q.Search, ":", ""))
	switch {
	case strings.HasPrefix(q.Search, "mc-"):
		f.ID = q.Search
	case strings.HasPrefix(q.Search, "p-"):
		f.ProfileID = q.Search
	case fingerprintFormat.MatchString(hexadecimal):
		f.FingerprintSHA256 = hexadecimal
	case serialFormat.MatchString(hexadecimal):
		f.SerialNumber = hexadecimal
	default:
		f.SAN = q.Search
	}
	return f
}

// showCertificates lists certificates: those that end within some days soonest first, all others as they were created.
func (s *site) showCertificates(tx *store.Tx, v *visit) (view, error) {
	q, err := readCertificatesQuery(v.c)
	if err != nil {
		return view{}, err
	}
	list, cursorOf := certificate.List, func(c certificate.Certificate) store.Cursor { return store.Cursor{At: c.CreatedAt, ID: c.UID} }
	if q.Days != 0 {
		list, cursorOf = certificate.ListByEnd, func(c certificate.Certificate) store.Cursor { return store.Cursor{At: *c.NotAfter, ID: c.UID} }
	}
	rows, err := list(tx, q.filter(tx.Now), store.Page{Limit: maxListed + 1, After: q.after})
	if err != nil {
		return view{}, err
	}
	page := certificatesPage{Query: q}
	if len(rows) > maxListed {
		rows = rows[:maxListed]
		page.More = q.path(cursorOf(rows[maxListed-1]))
	}
	if page.Rows, err = certificate.ShowAll(tx, rows...); err != nil {
		return view{}, err
	}
	return view{Page: "certificates", Title: "Certificates", Data: page}, nil
}

// maxRequests is how many requests the page of a certificate lists.
const maxRequests = 20

// certificatePage is what the page of a certificate shows.
type certificatePage struct {
	api.Certificate
	Requests []certificate.Request
}

// showCertificate shows a certificate: its current leaf, what is in the way of its renewal, and its requests.
func (s *site) showCertificate(tx *store.Tx, v *visit) (view, error) {
	c, err := certificate.Get(tx, v.c.Param("id"))
	if err != nil {
		return view{}, err
	}
	views, err := certificate.ShowAll(tx, c)
	if err != nil {
		return view{}, err
	}
	page := certificatePage{Certificate: views[0]}
	if page.Requests, err = certificate.ListRequests(tx, c, maxRequests); err != nil {
		return view{}, err
	}
	return view{Page: "certificate", Title: c.ID, Data: page}, nil
}

// shortNames returns the first of the names as HTML, or the common name if there is none.
func shortNames(sans []string, commonName string) template.HTML {
	if len(sans) == 0 {
		return visible(commonName)
	}
	text := visible(strings.Join(sans[:min(len(sans), maxNames)], ", "))
	if more := len(sans) - maxNames; more > 0 {
		text += template.HTML(fmt.Sprintf(" and %d more", more)) //nolint:gosec // a number
	}
	return text
}

// statusWords writes a status, or what a pointer to one points to, as words: "awaiting approval".
func statusWords(status any) string {
	return strings.ReplaceAll(reflect.Indirect(reflect.ValueOf(status)).String(), "_", " ")
}
