package rest

import (
	"context"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/ratelimit"
	"github.com/certctl/terraform-provider-certctl/server/store"
	"github.com/certctl/terraform-provider-certctl/server/web"
)

// preview tells what a verb would do: on one snapshot, for whom the door believes, and no more than so often.
func preview[T any](ctx context.Context, s *server, f func(*store.Tx, identity.Actor) (T, error)) (*plain[T], error) {
	who := web.CallerOf(ctx).Actor
	if err := s.limitPreviews(who.ID); err != nil {
		return nil, err
	}
	told, err := web.Read(ctx, s.Store, func(tx *store.Tx) (T, error) { return f(tx, who) })
	if err != nil {
		return nil, err
	}
	return &plain[T]{told}, nil
}

// Previews are limited for each principal. A plan of Terraform over two thousand profiles asks for that many.
const (
	previewsPerSecond = 50
	previewsAtOnce    = 2500
)

func newPreviewLimiter() *ratelimit.Limiter { return ratelimit.New(previewsPerSecond, previewsAtOnce) }

// limitPreviews refuses a preview past the limit: it makes the server work and leaves no trace.
func (s *server) limitPreviews(principal string) error {
	if s.previews.Allow(principal) {
		return nil
	}
	return api.Refuse(api.CodeRateLimited, "%s asked for too many previews: wait a moment", principal)
}
