package rest

import (
	"context"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/principal"
	"github.com/certctl/terraform-provider-certctl/server/store"
	"github.com/certctl/terraform-provider-certctl/server/web"
)

type listPrincipalsInput struct{ Paged }

func (s *server) listPrincipals(ctx context.Context, in *listPrincipalsInput) (*list[api.Principal], error) {
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
	place := func(p api.Principal) store.Cursor { return store.Cursor{At: p.CreatedAt, ID: p.ID} }
	show := func(p api.Principal) api.Principal { return p }
	return listed(&in.Paged, rows, place, show), nil
}

func (s *server) getPrincipal(ctx context.Context, in *ByID) (*plain[api.Principal], error) {
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
	return &plain[api.Principal]{views[0]}, nil
}
