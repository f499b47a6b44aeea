package client

import (
	"context"
	"iter"
	"net/http"

	"github.com/certctl/terraform-provider-certctl/api"
)

// ListPrincipalsOptions pages through principals.
type ListPrincipalsOptions struct{ Page }

// ListPrincipals returns all people and services, the oldest first. It needs the role admin.
func (c *Client) ListPrincipals(ctx context.Context, o ListPrincipalsOptions) iter.Seq2[api.Principal, error] {
	return list[api.Principal](ctx, c, apiPath("principals"), o.query())
}

// GetPrincipal reads a person or a service. It needs the role admin.
func (c *Client) GetPrincipal(ctx context.Context, id string) (api.Principal, error) {
	return call[api.Principal](ctx, c, request{method: http.MethodGet, path: apiPath("principals", id), want: http.StatusOK})
}
