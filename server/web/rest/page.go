package rest

import (
	"net/url"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"github.com/certctl/terraform-provider-certctl/server/store"
)

// PageQuery is the part of a query that chooses a page of a list.
type PageQuery struct {
	Limit int    `query:"limit" default:"50" minimum:"1" maximum:"500"`
	After string `query:"after" doc:"Cursor of the page, from the Link header of the page before. The content has no meaning."`

	cursor store.Cursor
	url    url.URL
}

// Resolve implements huma.Resolver.
func (p *PageQuery) Resolve(ctx huma.Context) []error {
	p.url = ctx.URL()
	if p.After == "" {
		return nil
	}
	cursor, err := store.ParseCursor(p.After)
	if err != nil {
		return []error{&huma.ErrorDetail{Location: "query.after", Message: err.Error()}}
	}
	p.cursor = cursor
	return nil
}

// page returns the page to read. It has one extra row, which shows whether there is a next page.
func (p *PageQuery) page(newest bool) store.Page {
	return store.Page{Limit: p.Limit + 1, After: p.cursor, Newest: newest}
}

// listAnswer is one page of a list, with a link to the next page.
type listAnswer[T any] struct {
	Link string `header:"Link"`
	Body []T
}

// newListAnswer cuts rows to a page. If a row is left, the answer links to the next page. cursorOf returns the cursor of the
// page after a row.
func newListAnswer[T any](p *PageQuery, rows []T, cursorOf func(T) store.Cursor) *listAnswer[T] {
	answer := &listAnswer[T]{Body: rows}
	if len(rows) > p.Limit {
		answer.Body = rows[:p.Limit]
		answer.Link = nextLink(p.url, p.Limit, cursorOf(rows[p.Limit-1]).String())
	}
	if answer.Body == nil {
		answer.Body = []T{} // not null
	}
	return answer
}

// newConvertedAnswer is newListAnswer for rows that callers see in another form.
func newConvertedAnswer[Row, T any](p *PageQuery, rows []Row, cursorOf func(Row) store.Cursor, convert func(Row) T) *listAnswer[T] {
	page := newListAnswer(p, rows, cursorOf)
	answer := &listAnswer[T]{Link: page.Link, Body: make([]T, len(page.Body))}
	for i, row := range page.Body {
		answer.Body[i] = convert(row)
	}
	return answer
}

// nextLink returns the header that names the page after a cursor.
func nextLink(page url.URL, limit int, after string) string {
	query := page.Query()
	query.Set("limit", strconv.Itoa(limit))
	query.Set("after", after)
	next := url.URL{Path: page.Path, RawQuery: query.Encode()}
	return "<" + next.String() + `>; rel="next"`
}
