package httpapi

import (
	"context"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/profile"
)

func (s *server) getUngatedNames(ctx context.Context, _ *struct{}) (*plain[api.UngatedNames], error) {
	names, err := read(ctx, s, profile.GetUngatedNames)
	if err != nil {
		return nil, err
	}
	return &plain[api.UngatedNames]{api.UngatedNames(names)}, nil
}
