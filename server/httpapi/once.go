package httpapi

import (
	"context"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/certctl/terraform-provider-certctl/api"
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
}

func (m IfMatch) precondition() store.Precondition {
	if m.IfMatch == "" || strings.TrimSpace(m.IfMatch) == "*" {
		return nil
	}
	var versions store.Precondition
	for tag := range strings.SplitSeq(m.IfMatch, ",") {
		version, err := strconv.ParseInt(strings.Trim(strings.TrimSpace(tag), `"`), 10, 64)
		if err != nil || version < 1 {
			version = -1 // a tag that certctl never gave, or a weak one, matches nothing
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
	return transact(ctx, s.Store.Write, func(tx *store.Tx) (T, error) { return f(tx, identity.From(ctx)) })
}

func transact[T any](ctx context.Context, run func(context.Context, func(*store.Tx) error) error, f func(*store.Tx) (T, error)) (T, error) {
	var result T
	err := run(ctx, func(tx *store.Tx) (err error) {
		result, err = f(tx)
		return err
	})
	return result, err
}

// decode reads a body onto its defaults: a field that is there replaces the default, also with false or an empty
// list. Its form has been checked already.
func decode[T any](raw []byte, defaults T) (T, error) {
	if err := json.Unmarshal(raw, &defaults); err != nil {
		return defaults, api.Invalid(api.Fault{Detail: "the body does not have the form of the schema"})
	}
	return defaults, nil
}
