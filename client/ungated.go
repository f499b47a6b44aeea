package client

import (
	"context"
	"net/http"

	"github.com/certctl/terraform-provider-certctl/api"
)

// GetUngatedNames reads what may be signed without a human's approval.
func (c *Client) GetUngatedNames(ctx context.Context) (api.UngatedNames, error) {
	return call[api.UngatedNames](ctx, c, request{method: http.MethodGet, path: apiPath("ungated-names"), want: http.StatusOK})
}
