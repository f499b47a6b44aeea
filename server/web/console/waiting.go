package console

import (
	"errors"
	"net/url"

	"github.com/gin-gonic/gin"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/rules"
	"github.com/certctl/terraform-provider-certctl/server/approval"
	"github.com/certctl/terraform-provider-certctl/server/review"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// A page has at most so many requests: of each group on the page of all groups, and of one group on its own pages.
const (
	maxMine  = 25
	maxOther = 10
	maxGroup = 50
	// The page of all groups looks for requests that wait for others among so many.
	maxSearched = 100
)

// waitingPage is what the page Waiting shows.
type waitingPage struct {
	Query  waitingQuery
	Groups []waitingGroup
}

// waitingGroup is a part of the pending requests.
type waitingGroup struct {
	ID    approval.Group
	Title string
	Empty string // what to say if there are none
	Rows  []waitingRow
	More  string // the path of the next requests of the group; empty if there are none
	// Searched is how many of the pending requests the group was searched in; 0 for all.
	Searched int
}

// waitingRow is one request in a list.
type waitingRow struct {
	api.Approval
	Review review.Review
	// IsHidden says that this program cannot show all of the request: a newer one made it. Review is empty then.
	IsHidden bool
	// Ends is the current certificate, which ends some day; nil before the first.
	Ends *api.CurrentLeaf
}

var waitingGroups = []waitingGroup{
	{ID: approval.GroupMine, Title: "Waiting for you", Empty: "Nothing waits for your decision."},
	{ID: approval.GroupOwn, Title: "Because of you", Empty: "None of your requests waits."},
	{ID: approval.GroupOthers, Title: "Waiting for others", Empty: "Nothing else waits."},
}

// waitingQuery is the query of the page: what to list.
type waitingQuery struct {
	Group     approval.Group // empty for all
	ProfileID string
	Kind      api.ApprovalKind
	Requester string
	Order     api.ApprovalOrder
	after     store.Cursor
}

// readWaitingQuery reads the query of a request. It returns a problem if a value is none that the page writes.
func readWaitingQuery(c *gin.Context) (waitingQuery, error) {
	q := waitingQuery{
		Group: approval.Group(c.Query("group")), ProfileID: c.Query("profile_id"), Kind: api.ApprovalKind(c.Query("kind")),
		Requester: c.Query("requested_by"), Order: api.ApprovalOrder(c.DefaultQuery("order", string(api.ApprovalsOldestFirst))),
	}
	var err error
	if text := c.Query("after"); text != "" {
		q.after, err = store.ParseCursor(text)
	}
	if err != nil || !q.isKnown() {
		return q, noSuchList()
	}
	return q, nil
}

func (q waitingQuery) isKnown() bool {
	for _, text := range []string{q.ProfileID, q.Requester} {
		if rules.LineFault(text) != "" {
			return false
		}
	}
	return isOneOf(q.Group, "", approval.GroupMine, approval.GroupOwn, approval.GroupOthers) && isOneOf(q.Kind, append(api.ApprovalKinds(), "")...) &&
		isOneOf(q.Order, api.ApprovalsOldestFirst, api.ApprovalsNewestFirst, api.ApprovalsSoonestExpiry)
}

func isOneOf[T comparable](value T, known ...T) bool {
	for _, k := range known {
		if value == k {
			return true
		}
	}
	return false
}

func (q waitingQuery) filter() approval.Filter {
	return approval.Filter{ProfileID: q.ProfileID, Kind: q.Kind, RequestedBy: q.Requester}
}

// IsFiltered reports whether the query leaves requests out.
func (q waitingQuery) IsFiltered() bool { return q.ProfileID+string(q.Kind)+q.Requester != "" }

// path returns the path of the page for a group, from a position on.
func (q waitingQuery) path(group approval.Group, after store.Cursor) string {
	values := url.Values{}
	for name, value := range map[string]string{
		"group": string(group), "profile_id": q.ProfileID, "kind": string(q.Kind), "requested_by": q.Requester, "order": string(q.Order),
	} {
		if value != "" {
			values.Set(name, value)
		}
	}
	if after.ID != "" {
		values.Set("after", after.String())
	}
	return startPage + "?" + values.Encode()
}

// limit returns how many requests of a group the page shows.
func (q waitingQuery) limit(group approval.Group) int {
	switch {
	case q.Group != "":
		return maxGroup
	case group == approval.GroupMine:
		return maxMine
	}
	return maxOther
}

// showWaiting lists what waits: for the person, because of the person, and for others.
func (s *site) showWaiting(tx *store.Tx, v *visit) (view, error) {
	q, err := readWaitingQuery(v.c)
	if err != nil {
		return view{}, err
	}
	page := waitingPage{Query: q}
	for _, group := range waitingGroups {
		if q.Group != "" && q.Group != group.ID {
			continue
		}
		if err := group.fill(tx, v, q); err != nil {
			return view{}, err
		}
		page.Groups = append(page.Groups, group)
	}
	return view{Page: "waiting", Title: "Waiting", Data: page}, nil
}

// fill reads the requests of a group, and one more to know whether there are more.
func (g *waitingGroup) fill(tx *store.Tx, v *visit, q waitingQuery) error {
	limit := q.limit(g.ID)
	rows, err := g.list(tx, v, q, limit+1)
	if err != nil {
		return err
	}
	if len(rows) > limit {
		rows = rows[:limit]
		after := rows[limit-1].Cursor(q.Order)
		if q.Group == "" {
			after = store.Cursor{} // the group has a page of its own, which begins at its first request
		}
		g.More = q.path(g.ID, after)
	}
	for _, row := range rows {
		if row.IsOverdue(tx.Now) {
			continue // the expiry is recorded soon
		}
		shown, err := newWaitingRow(row.API())
		if err != nil {
			return err
		}
		g.Rows = append(g.Rows, shown)
	}
	return nil
}

func (g *waitingGroup) list(tx *store.Tx, v *visit, q waitingQuery, limit int) ([]approval.Approval, error) {
	if g.ID != approval.GroupOthers || q.Group != "" {
		return approval.ListWaiting(tx, v.who(), g.ID, q.filter(), q.Order, store.Page{Limit: limit, After: q.after})
	}
	rows, all, err := approval.ListForOthers(tx, v.who(), q.filter(), q.Order, limit, maxSearched)
	if !all {
		g.Searched, g.More = maxSearched, q.path(g.ID, store.Cursor{})
	}
	return rows, err
}

func newWaitingRow(a api.Approval) (waitingRow, error) {
	r, err := review.Of(a, nil)
	isHidden := errors.Is(err, review.ErrUnknownField)
	if err != nil && !isHidden {
		return waitingRow{}, err
	}
	row := waitingRow{Approval: a, Review: r, IsHidden: isHidden}
	if a.Context != nil {
		row.Ends = a.Context.Current
	}
	return row, nil
}

// Title names what the request is about.
func (r waitingRow) Title() string { return titleOf(r.Approval) }

// Marks lists what is unusual about the names, the most dangerous first.
func (r waitingRow) Marks() []review.Mark {
	var marks []review.Mark
	for _, mark := range []review.Mark{review.LookAlike, review.International, review.Wildcard} {
		for _, row := range r.Review.Rows {
			if hasMark(row.Now, mark) {
				marks = append(marks, mark)
				break
			}
		}
	}
	return marks
}

func hasMark(items []review.Item, mark review.Mark) bool {
	for _, item := range items {
		if isOneOf(mark, item.Marks...) {
			return true
		}
	}
	return false
}

// titleOf names what a request is about: a certificate or a profile.
func titleOf(a api.Approval) string {
	if a.Kind == api.ApprovalProfileEdit {
		return "Rules of " + a.ProfileName
	}
	return value(a.CertificateID)
}

// kindOf says what a request is, in two or three words.
func kindOf(a api.Approval) string {
	if a.Context == nil {
		return "profile edit"
	}
	switch a.Context.Request {
	case api.RequestFirst:
		return "first certificate"
	case api.RequestRenewal:
		return "renewal"
	default:
		return "reissue"
	}
}

func value(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}
