package client

import (
	"context"
	"net/http"
)

// GetHealth returns an error unless the server's process answers.
func (c *Client) GetHealth(ctx context.Context) error {
	_, err := c.send(ctx, request{method: http.MethodGet, path: "/healthz", want: http.StatusOK})
	return err
}

// GetReady returns an error unless the server is ready: database, migrations and clock are in order.
func (c *Client) GetReady(ctx context.Context) error {
	_, err := c.send(ctx, request{method: http.MethodGet, path: "/readyz", want: http.StatusOK})
	return err
}
