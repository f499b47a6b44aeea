package rest

import (
	"net/url"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Paged is the input of a list.
type Paged struct {
	Limit int    `query:"limit" default:"50" minimum:"1" maximum:"500"`
	After string `query:"after" doc:"Cursor of the page, from the Link header of the page before. The content has no meaning."`

	cursor store.Cursor
	url    url.URL
}

// Resolve implements huma.Resolver.
func (p *Paged) Resolve(ctx huma.Context) []error {
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

// page asks for one row more than the caller does, to know whether there is a next page.
func (p *Paged) page(newest bool) store.Page {
	return store.Page{Limit: p.Limit + 1, After: p.cursor, Newest: newest}
}

// list is one page and where the next one is.
type list[T any] struct {
	Link string `header:"Link"`
	Body []T
}

// listed cuts the row that was asked for too much and links to the page that begins with it.
func listed[Row, T any](p *Paged, rows []Row, place func(Row) store.Cursor, show func(Row) T) *list[T] {
	out := &list[T]{Body: make([]T, 0, min(len(rows), p.Limit))}
	if len(rows) > p.Limit {
		rows = rows[:p.Limit]
		out.Link = p.next(place(rows[len(rows)-1]))
	}
	for _, row := range rows {
		out.Body = append(out.Body, show(row))
	}
	return out
}

func (p *Paged) next(after store.Cursor) string {
	query := p.url.Query()
	query.Set("limit", strconv.Itoa(p.Limit))
	query.Set("after", after.String())
	next := url.URL{Path: p.url.Path, RawQuery: query.Encode()}
	return "<" + next.String() + `>; rel="next"`
}
