package ca_test

import (
	"context"
	"errors"
	"testing"

	"github.com/certctl/terraform-provider-certctl/server/gate"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// The rest of the CA is tested through the server, in server/issuance; nobody can hand it a permit but the gate.
func TestSign_RefusesTheZeroPermit(t *testing.T) {
	if _, err := servertest.CA(t).Sign(context.Background(), gate.Permit{}); !errors.Is(err, gate.ErrNoPermit) {
		t.Errorf("want ErrNoPermit, got %v", err)
	}
}
