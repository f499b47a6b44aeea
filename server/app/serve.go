package app

import (
	"context"

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
	config.warnOfOpenKey(ctx, log)
	if err := config.prepare(ctx, db); err != nil {
		return err
	}
	issuers := map[string]gate.Issuer{LocalIssuerID: ca}
	if err := gate.RegisterIssuers(ctx, db, issuers); err != nil {
		return err
	}
	server, err := New(serving, Options{Store: db, Issuers: issuers, Log: log, Version: version})
	if err != nil {
		return err
	}
	return server.Run(ctx)
}

// ReplaceCA makes the configured CA the one of the database, for all servers. It returns the fingerprint of the CA, too.
func ReplaceCA(ctx context.Context, config Config) (done gate.Replacement, fingerprint string, err error) {
	db, err := config.Open(ctx, config.Logger())
	if err != nil {
		return done, "", err
	}
	defer db.Close() //nolint:errcheck // the process ends
	ca, err := config.ReadCA(db.Now())
	if err != nil {
		return done, "", err
	}
	err = db.Write(ctx, func(tx *store.Tx) error {
		done, err = gate.ReplaceIssuer(tx, LocalIssuerID, ca.Fingerprint())
		return err
	})
	return done, ca.Fingerprint(), err
}
