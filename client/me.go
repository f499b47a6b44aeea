package client

import (
	"context"
	"net/http"

	"github.com/certctl/terraform-provider-certctl/api"
)

// GetMe returns the principal of the caller's key.
func (c *Client) GetMe(ctx context.Context) (api.Me, error) {
	return call[api.Me](ctx, c, request{method: http.MethodGet, path: apiPath("me"), want: http.StatusOK})
}
