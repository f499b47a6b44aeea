package rest

import (
	"context"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/principal"
	"github.com/certctl/terraform-provider-certctl/server/store"
	"github.com/certctl/terraform-provider-certctl/server/web"
)

type listPrincipalsInput struct{ PageQuery }

func (s *server) listPrincipals(ctx context.Context, in *listPrincipalsInput) (*listAnswer[api.Principal], error) {
	rows, err := web.Read(ctx, s.Store, func(tx *store.Tx) ([]api.Principal, error) {
		rows, err := principal.List(tx, in.page(false))
		if err != nil {
			return nil, err
		}
		return principal.ShowAll(tx, rows...)
	})
	if err != nil {
		return nil, err
	}
	cursorOf := func(p api.Principal) store.Cursor { return store.Cursor{At: p.CreatedAt, ID: p.ID} }
	return newListAnswer(&in.PageQuery, rows, cursorOf), nil
}

func (s *server) getPrincipal(ctx context.Context, in *PathID) (*bodyAnswer[api.Principal], error) {
	views, err := web.Read(ctx, s.Store, func(tx *store.Tx) ([]api.Principal, error) {
		p, err := principal.Get(tx, in.ID)
		if err != nil {
			return nil, err
		}
		return principal.ShowAll(tx, p)
	})
	if err != nil {
		return nil, err
	}
	return &bodyAnswer[api.Principal]{views[0]}, nil
}
