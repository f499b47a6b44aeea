package httpapi

import (
	"context"
	"regexp"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"

	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// ByID is the input of an operation on one object.
type ByID struct {
	ID string `path:"id"`
}

// IfMatch is the input of an operation that may depend on the version it is based on.
type IfMatch struct {
	IfMatch string `header:"If-Match" doc:"the ETag that the change is based on"`

	sent []string
}

// Resolve implements huma.Resolver: huma itself reads the first line of a header only, and takes an empty one for
// none.
func (m *IfMatch) Resolve(ctx huma.Context) []error {
	m.sent = humagin.Unwrap(ctx).Request.Header.Values("If-Match")
	return nil
}

var strongTag = regexp.MustCompile(`^"([1-9][0-9]{0,17})"$`)

// precondition holds the versions that are named. A weak or malformed tag, and one that certctl never gave, is
// version -1, which nothing has.
func (m *IfMatch) precondition() store.Precondition {
	if len(m.sent) == 0 || len(m.sent) == 1 && strings.TrimSpace(m.sent[0]) == "*" {
		return nil
	}
	var versions store.Precondition
	for tag := range strings.SplitSeq(strings.Join(m.sent, ","), ",") {
		version := int64(-1)
		if strong := strongTag.FindStringSubmatch(strings.TrimSpace(tag)); strong != nil {
			version, _ = strconv.ParseInt(strong[1], 10, 64) // its form says that it is one
		}
		versions = append(versions, version)
	}
	return versions
}

func etag(version int64) string { return `"` + strconv.FormatInt(version, 10) + `"` }

// plain is an answer with nothing but a body.
type plain[T any] struct{ Body T }

// versioned is an object with its version.
type versioned[T any] struct {
	ETag string `header:"ETag"`
	Body T
}

// created is a new object and where it is.
type created[T any] struct {
	Location string `header:"Location"`
	ETag     string `header:"ETag"`
	Body     T
}

// read runs f on one snapshot of the database.
func read[T any](ctx context.Context, s *server, f func(*store.Tx) (T, error)) (T, error) {
	return transact(ctx, s.Store.Read, f)
}

// write runs a room's verb in the one transaction of the request.
func write[T any](ctx context.Context, s *server, f func(*store.Tx, identity.Actor) (T, error)) (T, error) {
	return transact(ctx, s.Store.Write, func(tx *store.Tx) (T, error) {
		who, err := standing(tx)
		if err != nil {
			var none T
			return none, err
		}
		return f(tx, who)
	})
}

// preview tells what a verb would do: on one snapshot, for whom the door believes, and no more than so often.
func preview[T any](ctx context.Context, s *server, f func(*store.Tx, identity.Actor) (T, error)) (*plain[T], error) {
	who := identity.From(ctx)
	if err := s.limitPreviews(who.ID); err != nil {
		return nil, err
	}
	told, err := read(ctx, s, func(tx *store.Tx) (T, error) { return f(tx, who) })
	if err != nil {
		return nil, err
	}
	return &plain[T]{told}, nil
}

func transact[T any](ctx context.Context, run func(context.Context, func(*store.Tx) error) error, f func(*store.Tx) (T, error)) (T, error) {
	var result T
	err := run(ctx, func(tx *store.Tx) (err error) {
		result, err = f(tx)
		return err
	})
	return result, err
}
