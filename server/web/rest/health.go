package rest

import (
	"context"

	"github.com/certctl/terraform-provider-certctl/api"
)

func (s *server) getHealth(context.Context, *struct{}) (*bodyAnswer[api.Health], error) {
	return &bodyAnswer[api.Health]{api.Health{Status: "ok", ServerVersion: s.Version}}, nil
}

func (s *server) getReady(ctx context.Context, _ *struct{}) (*bodyAnswer[api.Health], error) {
	if err := s.Ready(ctx); err != nil {
		return nil, err
	}
	return &bodyAnswer[api.Health]{api.Health{Status: "ready", ServerVersion: s.Version}}, nil
}
