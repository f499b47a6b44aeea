package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"time"
)

// Page sets the number of elements that one request of a list fetches.
type Page struct {
	// Limit is 1 to 500; 0 is the default of the server.
	Limit int
}

// Collect reads a list to its end.
func Collect[T any](list iter.Seq2[T, error]) ([]T, error) {
	var all []T
	for v, err := range list {
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}

// list fetches each page when the caller needs it. It yields nothing after an error.
func list[T any](ctx context.Context, c *Client, path string, q query) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for query := url.Values(q); query != nil; {
			page, header, err := callWithHeader[[]T](ctx, c, request{method: http.MethodGet, path: path, query: query, want: http.StatusOK})
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, v := range page {
				if !yield(v, nil) {
					return
				}
			}
			query = nextQuery(header)
			if len(page) < limitOf(query) {
				return
			}
		}
	}
}

// limitOf returns the limit of a query. A page with fewer elements is the last page for now, even if it has a link: each
// answer to a follower of the audit trail has a link.
func limitOf(q url.Values) int {
	limit, _ := strconv.Atoi(q.Get("limit"))
	return limit
}

var nextLink = regexp.MustCompile(`<([^>]*)>[^,]*;\s*rel="?next"?`)

// nextQuery returns the query of the next page, nil after the last page. It ignores the rest of the link, so no link leads
// to another path or host.
func nextQuery(header http.Header) url.Values {
	for _, link := range header.Values("Link") {
		m := nextLink.FindStringSubmatch(link)
		if m == nil {
			continue
		}
		if u, err := url.Parse(m[1]); err == nil && u.RawQuery != "" {
			return u.Query()
		}
	}
	return nil
}

// query holds query parameters. The methods ignore zero values.
type query url.Values

func (p Page) query() query { return query{}.addNumber("limit", p.Limit) }

func (q query) addText(name, value string) query {
	if value != "" {
		url.Values(q).Set(name, value)
	}
	return q
}

func (q query) addNumber(name string, value int) query {
	if value != 0 {
		url.Values(q).Set(name, strconv.Itoa(value))
	}
	return q
}

func (q query) addTime(name string, value time.Time) query {
	if !value.IsZero() {
		url.Values(q).Set(name, value.UTC().Format(time.RFC3339Nano))
	}
	return q
}
