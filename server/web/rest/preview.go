package rest

import (
	"context"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/ratelimit"
	"github.com/certctl/terraform-provider-certctl/server/store"
	"github.com/certctl/terraform-provider-certctl/server/web"
)

// runPreview runs f on one snapshot. It does not reload the caller, and it limits previews.
func runPreview[T any](ctx context.Context, s *server, f func(*store.Tx, identity.Actor) (T, error)) (*bodyAnswer[T], error) {
	who := web.CallerOf(ctx).Actor
	if err := s.limitPreviews(who.ID); err != nil {
		return nil, err
	}
	result, err := web.Read(ctx, s.Store, func(tx *store.Tx) (T, error) { return f(tx, who) })
	if err != nil {
		return nil, err
	}
	return &bodyAnswer[T]{result}, nil
}

// Previews are limited for each principal. A plan of Terraform over two thousand profiles sends two thousand previews.
const (
	previewsPerSecond = 50
	previewsAtOnce    = 2500
)

func newPreviewLimiter() *ratelimit.Limiter { return ratelimit.New(previewsPerSecond, previewsAtOnce) }

// limitPreviews returns an error past the limit: a preview is work that leaves no trace in the database.
func (s *server) limitPreviews(principal string) error {
	if s.previews.Allow(principal) {
		return nil
	}
	return api.Refuse(api.CodeRateLimited, "%s asked for too many previews: wait a moment", principal)
}
