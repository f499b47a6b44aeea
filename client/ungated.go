package client

import (
	"context"
	"net/http"

	"github.com/certctl/terraform-provider-certctl/api"
)

// GetUngatedNames reads the names that may be signed without the approval of a human.
func (c *Client) GetUngatedNames(ctx context.Context) (api.UngatedNames, error) {
	return call[api.UngatedNames](ctx, c, request{method: http.MethodGet, path: apiPath("ungated-names"), want: http.StatusOK})
}
