package rest

import (
	"context"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/profile"
	"github.com/certctl/terraform-provider-certctl/server/web"
)

func (s *server) getUngatedNames(ctx context.Context, _ *struct{}) (*bodyAnswer[api.UngatedNames], error) {
	names, err := web.Query(ctx, s.Store, profile.GetUngatedNames)
	if err != nil {
		return nil, err
	}
	return &bodyAnswer[api.UngatedNames]{api.UngatedNames(names)}, nil
}
