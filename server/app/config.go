package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/certctl/terraform-provider-certctl/server/ca"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Config is everything that can be set. It gives the flags, the environment and the help.
type Config struct {
	DatabaseURL string `env:"CERTCTL_DATABASE_URL" help:"postgres://... ; empty: a SQLite file in the data directory."`
	DataDir     string `env:"CERTCTL_DATA_DIR" default:"certctl-data" help:"Where the SQLite file and the local CA are."`
	CACertFile  string `name:"ca-cert-file" env:"CERTCTL_CA_CERT_FILE" help:"The CA's certificate; empty: made in the data directory on SQLite, required on PostgreSQL."`
	CAKeyFile   string `name:"ca-key-file" env:"CERTCTL_CA_KEY_FILE" help:"The CA's private key."`
	LogLevel    Word   `env:"CERTCTL_LOG_LEVEL" default:"info" enum:"debug,info,warn,error" help:"debug, info, warn or error."`
	LogFormat   Word   `env:"CERTCTL_LOG_FORMAT" default:"json" enum:"json,text" help:"json or text."`
}

// Word is one of a few words, written in small letters or capitals.
type Word string

// UnmarshalText implements encoding.TextUnmarshaler.
func (w *Word) UnmarshalText(text []byte) error {
	*w = Word(strings.ToLower(string(text)))
	return nil
}

// ServeConfig is what only a running server needs.
type ServeConfig struct {
	Listen                     string        `env:"CERTCTL_LISTEN" default:"127.0.0.1:8080" help:"Where the API listens."`
	TLSCertFile                string        `name:"tls-cert-file" env:"CERTCTL_TLS_CERT_FILE" help:"Certificate of the API."`
	TLSKeyFile                 string        `name:"tls-key-file" env:"CERTCTL_TLS_KEY_FILE" help:"Private key of the API."`
	BehindTLSProxy             bool          `name:"behind-tls-proxy" env:"CERTCTL_BEHIND_TLS_PROXY" help:"A proxy in front speaks TLS, so the API need not."`
	MetricsListen              string        `env:"CERTCTL_METRICS_LISTEN" default:"127.0.0.1:9464" help:"Where /metrics listens; empty turns it off."`
	JobAwaitingApprovalTimeout time.Duration `env:"CERTCTL_JOB_AWAITING_APPROVAL_TIMEOUT" default:"168h" help:"How long a request waits for its approval; at least 1s."`
	ApprovalBypass             bool          `env:"CERTCTL_APPROVAL_BYPASS" help:"For development and CI: approve every request at once, in the name of system-bypass."`
	Workers                    int           `env:"CERTCTL_WORKERS" default:"4" help:"How many certificates are issued at once."`
	RenewalInterval            time.Duration `env:"CERTCTL_RENEWAL_INTERVAL" default:"1h" help:"How often certificates that are due are looked for."`
	RenewalRetryAfter          time.Duration `env:"CERTCTL_RENEWAL_RETRY_AFTER" default:"24h" help:"How long after a rejected, expired or failed renewal the next one is asked for."`
	ReaperInterval             time.Duration `env:"CERTCTL_REAPER_INTERVAL" default:"15s" help:"How often expired approvals and lost jobs are looked for."`
}

func (c ServeConfig) validate() error {
	switch {
	case c.JobAwaitingApprovalTimeout < time.Second:
		return errors.New("CERTCTL_JOB_AWAITING_APPROVAL_TIMEOUT must be at least 1s")
	case c.Workers < 1 || c.Workers > 256:
		return errors.New("CERTCTL_WORKERS must be 1 to 256")
	case c.ReaperInterval < 100*time.Millisecond:
		return errors.New("CERTCTL_REAPER_INTERVAL must be at least 100ms")
	case c.RenewalInterval < 100*time.Millisecond:
		return errors.New("CERTCTL_RENEWAL_INTERVAL must be at least 100ms")
	case c.RenewalRetryAfter < 0:
		return errors.New("CERTCTL_RENEWAL_RETRY_AFTER must not be negative")
	case (c.TLSCertFile == "") != (c.TLSKeyFile == ""):
		return errors.New("CERTCTL_TLS_CERT_FILE and CERTCTL_TLS_KEY_FILE belong together: set both")
	case !hostAndPort(c.Listen):
		return fmt.Errorf("CERTCTL_LISTEN=%s is no address: write host:port, such as 127.0.0.1:8080", c.Listen)
	case c.MetricsListen != "" && !hostAndPort(c.MetricsListen):
		return fmt.Errorf("CERTCTL_METRICS_LISTEN=%s is no address: write host:port, such as 127.0.0.1:9464, or nothing to turn it off", c.MetricsListen)
	case c.TLSCertFile == "" && !c.BehindTLSProxy && !loopback(c.Listen):
		return fmt.Errorf("CERTCTL_LISTEN=%s is no loopback address: set the TLS files, or CERTCTL_BEHIND_TLS_PROXY=true if a proxy speaks TLS", c.Listen)
	}
	_, err := c.tls()
	return err
}

// tls is nil when the API listens without it.
func (c ServeConfig) tls() (*tls.Config, error) {
	if c.TLSCertFile == "" {
		return nil, nil //nolint:nilnil // net/http and crypto/tls take nil for none, too
	}
	certificate, err := tls.LoadX509KeyPair(c.TLSCertFile, c.TLSKeyFile)
	if err != nil {
		return nil, fmt.Errorf("CERTCTL_TLS_CERT_FILE and CERTCTL_TLS_KEY_FILE: %w", err)
	}
	return &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}, nil
}

// hostAndPort is strict about the port: net.Listen takes a missing one for any that is free.
func hostAndPort(address string) bool {
	_, port, err := net.SplitHostPort(address)
	if err != nil || port == "" {
		return false
	}
	_, err = net.LookupPort("tcp", port)
	return err == nil
}

func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// Logger is the log as configured, on standard error.
func (c Config) Logger() *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.LogLevel)) // checked by the enum
	opts := &slog.HandlerOptions{Level: level}
	if c.LogFormat == "text" {
		return slog.New(slog.NewTextHandler(os.Stderr, opts))
	}
	return slog.New(slog.NewJSONHandler(os.Stderr, opts))
}

// Open opens the configured database and brings its schema up to date where it may.
func (c Config) Open(ctx context.Context, log *slog.Logger) (*store.Store, error) {
	db, err := c.open(log)
	if err != nil {
		return nil, err
	}
	if err := c.prepare(ctx, db); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// open finds out whether there can be such a database, and leaves what is in it alone.
func (c Config) open(log *slog.Logger) (*store.Store, error) {
	opts, variable := store.Options{URL: c.DatabaseURL, Logger: log}, "CERTCTL_DATABASE_URL"
	if opts.URL == "" {
		if err := c.makeDataDir(); err != nil {
			return nil, err
		}
		opts.Path, variable = filepath.Join(c.DataDir, "certctl.db"), "CERTCTL_DATA_DIR"
	}
	db, err := store.Open(opts)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", variable, err)
	}
	return db, nil
}

func (c Config) prepare(ctx context.Context, db *store.Store) error {
	if err := db.Reach(ctx); err != nil {
		return fmt.Errorf("CERTCTL_DATABASE_URL: %w", err)
	}
	return db.Migrate(ctx)
}

func (c Config) makeDataDir() error {
	if c.DataDir == "" {
		return errors.New("CERTCTL_DATA_DIR must not be empty")
	}
	if err := os.MkdirAll(c.DataDir, 0o700); err != nil {
		return fmt.Errorf("CERTCTL_DATA_DIR: %w", err)
	}
	return nil
}

func (c Config) caFiles() (certFile, keyFile string) {
	certFile, keyFile = c.CACertFile, c.CAKeyFile
	if certFile == "" {
		certFile = filepath.Join(c.DataDir, "ca.pem")
	}
	if keyFile == "" {
		keyFile = filepath.Join(c.DataDir, "ca-key.pem")
	}
	return certFile, keyFile
}

// CreateCA makes the CA at the configured paths, or in the data directory, and returns the certificate's path.
func (c Config) CreateCA(now time.Time) (string, error) {
	if c.CACertFile == "" || c.CAKeyFile == "" {
		if err := c.makeDataDir(); err != nil {
			return "", err
		}
	}
	certFile, keyFile := c.caFiles()
	return certFile, ca.Create(certFile, keyFile, now)
}

// LoadCA reads the CA. On SQLite a missing one is made; replicas on PostgreSQL must share one, so it must be given.
func (c Config) LoadCA(now time.Time) (*ca.CA, error) {
	certFile, _ := c.caFiles()
	if _, err := os.Stat(certFile); errors.Is(err, os.ErrNotExist) && c.CACertFile == "" && c.CAKeyFile == "" && c.DatabaseURL == "" {
		if _, err := c.CreateCA(now); err != nil {
			return nil, fmt.Errorf("CERTCTL_DATA_DIR: make the CA: %w", err)
		}
	}
	return c.ReadCA(now)
}

// ReadCA reads the CA, which must be there and in force.
func (c Config) ReadCA(now time.Time) (*ca.CA, error) {
	if (c.CACertFile == "") != (c.CAKeyFile == "") {
		return nil, errors.New("CERTCTL_CA_CERT_FILE and CERTCTL_CA_KEY_FILE belong together: set both")
	}
	if c.CACertFile == "" && c.DatabaseURL != "" {
		return nil, errors.New("CERTCTL_CA_CERT_FILE and CERTCTL_CA_KEY_FILE are required on PostgreSQL, where replicas share one CA: see certctl ca init")
	}
	variables := "CERTCTL_CA_CERT_FILE and CERTCTL_CA_KEY_FILE"
	if c.CACertFile == "" {
		variables = "CERTCTL_DATA_DIR"
	}
	built, err := ca.Load(c.caFiles())
	if err == nil {
		err = built.CheckValid(now)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", variables, err)
	}
	return built, nil
}

// warnOfOpenKey warns if others than its owner can read the file of the CA's key.
func (c Config) warnOfOpenKey(ctx context.Context, log *slog.Logger) {
	_, keyFile := c.caFiles()
	info, err := os.Stat(keyFile)
	if err != nil || info.Mode().Perm()&0o044 == 0 {
		return
	}
	log.WarnContext(ctx, "others can read the CA's key, and the key alone signs anything",
		"file", keyFile, "mode", fmt.Sprintf("%#o", info.Mode().Perm()), "run", "chmod 600 "+keyFile)
}
