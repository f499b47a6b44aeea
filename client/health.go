package client

import (
	"context"
	"net/http"
)

// GetHealth is nil while the server's process answers.
func (c *Client) GetHealth(ctx context.Context) error {
	_, err := c.send(ctx, request{method: http.MethodGet, path: "/healthz", want: http.StatusOK})
	return err
}

// GetReady is nil while the server can work: database, migrations and clock are in order.
func (c *Client) GetReady(ctx context.Context) error {
	_, err := c.send(ctx, request{method: http.MethodGet, path: "/readyz", want: http.StatusOK})
	return err
}
