package httpapi

import (
	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/ratelimit"
)

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
