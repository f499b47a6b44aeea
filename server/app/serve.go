package app

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/certctl/terraform-provider-certctl/server/ca"
	"github.com/certctl/terraform-provider-certctl/server/gate"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Serve opens the database and the CA of the configuration, and runs a server until ctx ends.
func Serve(ctx context.Context, config Config, serving ServeConfig, version string) error {
	if err := serving.validate(); err != nil {
		return err
	}
	log := config.NewLogger()
	hangUp := make(chan os.Signal, 1)
	signal.Notify(hangUp, syscall.SIGHUP) // from now on it does not end the process
	defer signal.Stop(hangUp)
	db, err := config.open(log)
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // the process ends
	// An error in the configuration stops the start before the migration.
	authority, err := config.LoadCA(db.Now())
	if err != nil {
		return err
	}
	config.warnOfReadableKey(ctx, log)
	logStart(ctx, log, version, db, authority, config, serving)
	if err := config.prepare(ctx, db, serving.DatabaseWait); err != nil {
		return err
	}
	issuers := map[string]gate.Issuer{LocalIssuerID: authority}
	if err := gate.RegisterIssuers(ctx, db, issuers); err != nil {
		return err
	}
	server, err := New(serving, Options{Store: db, Issuers: issuers, Log: log, Version: version, HangUp: hangUp, DataDir: config.DataDir})
	if err != nil {
		return err
	}
	return server.Run(ctx)
}

// logStart logs what this process is and uses.
func logStart(ctx context.Context, log *slog.Logger, version string, db *store.Store, authority *ca.CA, config Config, serving ServeConfig) {
	certificate := authority.Certificates()[0]
	log.InfoContext(ctx, "starting", "version", version, "database", db.Location(),
		"ca_subject", certificate.Subject.String(), "ca_fingerprint_sha256", authority.Fingerprint(), "ca_not_after", certificate.NotAfter,
		slog.Group("settings", append(changedSettings(config), changedSettings(serving)...)...))
}

// ReplaceCA makes the configured CA the issuer of all servers on the database. It also returns the CA's fingerprint.
func ReplaceCA(ctx context.Context, config Config) (done gate.Replacement, fingerprint string, err error) {
	db, err := config.Open(ctx, config.NewLogger())
	if err != nil {
		return done, "", err
	}
	defer db.Close() //nolint:errcheck // the process ends
	authority, err := config.ReadCA(db.Now())
	if err != nil {
		return done, "", err
	}
	err = db.Write(ctx, func(tx *store.Tx) error {
		done, err = gate.ReplaceIssuer(tx, LocalIssuerID, authority.Fingerprint())
		return err
	})
	return done, authority.Fingerprint(), err
}
