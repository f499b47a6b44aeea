package rest

import (
	"context"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/principal"
	"github.com/certctl/terraform-provider-certctl/server/web"
)

func (s *server) getMe(ctx context.Context, _ *struct{}) (*bodyAnswer[api.Me], error) {
	who := web.CallerOf(ctx)
	me := api.Me{
		ID: who.ID, Kind: api.PrincipalKind(who.Kind), Accountable: who.Accountable(), Roles: principal.RolesOf(who.Actor),
		KeyID: who.KeyID, KeyExpiresAt: who.KeyExpiresAt,
	}
	if who.Owner != "" {
		me.Owner = &who.Owner
	}
	return &bodyAnswer[api.Me]{me}, nil
}
