package app

import (
	"context"
	"log/slog"
	"os"
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
	for name, nearest := range unknownVariables(os.Environ()) {
		log.WarnContext(ctx, "an environment variable means nothing to certctl", "variable", name, "nearest", nearest)
	}
	db, err := config.OpenStore(store.Options{Logger: log})
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // the process ends
	if err := db.Migrate(ctx); err != nil {
		return err
	}
	ca, err := config.LoadCA(db.Now())
	if err != nil {
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
