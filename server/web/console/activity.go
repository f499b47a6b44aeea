package console

import (
	"bytes"
	"encoding/json"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/audit"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// activityPage is what the page Activity shows.
type activityPage struct {
	Query  activityQuery
	Events []api.AuditEvent
	More   string // the path of the next events; empty if there are none
}

// activityQuery is the query of the page: which events to list.
type activityQuery struct {
	Actor, Action, Resource string
	Since, Until            string // days, such as 2026-01-05, in UTC; the second one is included

	filter audit.Filter
	after  store.Cursor
}

// plainWord is what actors, actions and ids are made of.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9._-]{0,80}$`)

// readActivityQuery reads the query of a request. It returns a problem if a value is none that the page writes.
func readActivityQuery(c *gin.Context) (activityQuery, error) {
	word := func(name string) string { return strings.TrimSpace(c.Query(name)) }
	q := activityQuery{Actor: word("actor"), Action: word("action"), Resource: word("resource"), Since: word("since"), Until: word("until")}
	for _, text := range []string{q.Actor, q.Action, q.Resource} {
		if !plainWord.MatchString(text) {
			return q, noSuchList()
		}
	}
	q.filter = audit.Filter{Actor: q.Actor, Action: q.Action, ResourceID: q.Resource}
	var err error
	if q.Since != "" {
		q.filter.Since, err = time.Parse(time.DateOnly, q.Since)
	}
	if q.Until != "" && err == nil {
		q.filter.Until, err = time.Parse(time.DateOnly, q.Until)
		q.filter.Until = q.filter.Until.AddDate(0, 0, 1)
	}
	if text := c.Query("after"); text != "" && err == nil {
		q.after, err = store.ParseCursor(text)
	}
	if err != nil {
		return q, noSuchList()
	}
	return q, nil
}

// IsFiltered reports whether the query leaves events out.
func (q activityQuery) IsFiltered() bool {
	return q.Actor+q.Action+q.Resource+q.Since+q.Until != ""
}

func (q activityQuery) path(after store.Cursor) string {
	values := url.Values{"after": {after.String()}}
	for name, value := range map[string]string{"actor": q.Actor, "action": q.Action, "resource": q.Resource, "since": q.Since, "until": q.Until} {
		if value != "" {
			values.Set(name, value)
		}
	}
	return "/activity?" + values.Encode()
}

// showActivity lists the audit trail, newest first.
func (s *site) showActivity(tx *store.Tx, v *visit) (view, error) {
	q, err := readActivityQuery(v.c)
	if err != nil {
		return view{}, err
	}
	rows, err := audit.List(tx, q.filter, store.Page{Limit: maxListed + 1, After: q.after, Newest: true})
	if err != nil {
		return view{}, err
	}
	page := activityPage{Query: q}
	if len(rows) > maxListed {
		rows = rows[:maxListed]
		last := rows[maxListed-1]
		page.More = q.path(store.Cursor{At: last.OccurredAt, ID: last.ID})
	}
	for _, row := range rows {
		page.Events = append(page.Events, row.API())
	}
	return view{Page: "activity", Title: "Activity", Data: page}, nil
}

// detailsOf writes the details of an event on lines.
func detailsOf(details json.RawMessage) string {
	var b bytes.Buffer
	if err := json.Indent(&b, details, "", "  "); err != nil {
		return string(details)
	}
	return b.String()
}

// pathOf returns the page of an object; empty if it has none.
func pathOf(resourceType, id string) string {
	switch resourceType {
	case "approval":
		return "/approvals/" + id
	case "certificate":
		return "/certificates/" + id
	case "profile":
		return "/profiles/" + id
	}
	return ""
}
