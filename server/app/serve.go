package app

import (
	"context"
	"log/slog"
	"time"

	"github.com/certctl/terraform-provider-certctl/server/gate"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Serve opens everything the configuration names and runs a server until ctx ends.
func Serve(ctx context.Context, config Config, serving ServeConfig, version string) error {
	if err := serving.validate(); err != nil {
		return err
	}
	log := config.Logger()
	db, err := config.open(log)
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // the process ends
	// What is wrong in the configuration stops the start before anything is migrated.
	ca, err := config.LoadCA(db.Now())
	if err != nil {
		return err
	}
	if err := config.prepare(ctx, db); err != nil {
		return err
	}
	server, err := New(serving, Options{
		Store: db, Issuers: map[string]gate.Issuer{LocalIssuerID: ca}, Log: log, Version: version,
	})
	if err != nil {
		return err
	}
	return server.Run(ctx)
}

// Idle wires a server for a command: it has no issuer and is never run.
func Idle(db *store.Store, log *slog.Logger) (*Server, error) {
	config := ServeConfig{Listen: "127.0.0.1:0", JobAwaitingApprovalTimeout: time.Second, Workers: 1, ReaperInterval: time.Second, RenewalInterval: time.Hour}
	return New(config, Options{Store: db, Log: log})
}
