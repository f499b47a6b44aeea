package web

import (
	"context"

	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Read runs f on one snapshot of the database.
func Read[T any](ctx context.Context, db *store.Store, f func(*store.Tx) (T, error)) (T, error) {
	return transact(ctx, db.Read, f)
}

// Query runs f without a transaction. f makes one SELECT.
func Query[T any](ctx context.Context, db *store.Store, f func(*store.Tx) (T, error)) (T, error) {
	return transact(ctx, db.Query, f)
}

// Write runs f in a transaction, for the caller of the request.
func Write[T any](ctx context.Context, db *store.Store, f func(*store.Tx, identity.Actor) (T, error)) (T, error) {
	caller := CallerOf(ctx)
	return transact(ctx, db.Write, func(tx *store.Tx) (T, error) {
		who, err := caller.reload(tx)
		if err != nil {
			var none T
			return none, err
		}
		return f(tx, who)
	})
}

func transact[T any](ctx context.Context, run func(context.Context, func(*store.Tx) error) error, f func(*store.Tx) (T, error)) (T, error) {
	var result T
	err := run(ctx, func(tx *store.Tx) (err error) {
		result, err = f(tx)
		return err
	})
	return result, err
}
