package app

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/certctl/terraform-provider-certctl/server/gate/localca"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Config is everything that can be set. It gives the flags, the environment and the help.
type Config struct {
	DatabaseURL string `env:"CERTCTL_DATABASE_URL" help:"postgres://... ; empty: a SQLite file in the data directory."`
	DataDir     string `env:"CERTCTL_DATA_DIR" default:"certctl-data" help:"Where the SQLite file and the local CA are."`
	CACertFile  string `name:"ca-cert-file" env:"CERTCTL_CA_CERT_FILE" help:"The CA's certificate; empty: made in the data directory on SQLite, required on PostgreSQL."`
	CAKeyFile   string `name:"ca-key-file" env:"CERTCTL_CA_KEY_FILE" help:"The CA's private key."`
	LogLevel    string `env:"CERTCTL_LOG_LEVEL" default:"info" enum:"debug,info,warn,error" help:"debug, info, warn or error."`
	LogFormat   string `env:"CERTCTL_LOG_FORMAT" default:"json" enum:"json,text" help:"json or text."`
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
	case c.TLSCertFile == "" && !c.BehindTLSProxy && !loopback(c.Listen):
		return fmt.Errorf("CERTCTL_LISTEN=%s is no loopback address: set the TLS files, or CERTCTL_BEHIND_TLS_PROXY=true if a proxy speaks TLS", c.Listen)
	}
	return nil
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

// OpenStore opens the configured database.
func (c Config) OpenStore(opts store.Options) (*store.Store, error) {
	opts.URL = c.DatabaseURL
	if opts.URL == "" {
		if err := c.makeDataDir(); err != nil {
			return nil, err
		}
		opts.Path = filepath.Join(c.DataDir, "certctl.db")
	}
	return store.Open(opts)
}

func (c Config) makeDataDir() error {
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
	return certFile, localca.Create(certFile, keyFile, now)
}

// LoadCA reads the CA. On SQLite a missing one is made; replicas on PostgreSQL must share one, so it must be given.
func (c Config) LoadCA(now time.Time) (*localca.CA, error) {
	if (c.CACertFile == "") != (c.CAKeyFile == "") {
		return nil, errors.New("CERTCTL_CA_CERT_FILE and CERTCTL_CA_KEY_FILE belong together: set both")
	}
	if c.CACertFile == "" && c.DatabaseURL != "" {
		return nil, errors.New("CERTCTL_CA_CERT_FILE and CERTCTL_CA_KEY_FILE are required on PostgreSQL, where replicas share one CA: see certctl ca init")
	}
	certFile, keyFile := c.caFiles()
	if _, err := os.Stat(certFile); errors.Is(err, os.ErrNotExist) && c.CACertFile == "" {
		if _, err := c.CreateCA(now); err != nil {
			return nil, fmt.Errorf("make the CA: %w", err)
		}
	}
	ca, err := localca.Load(certFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("the CA: %w", err)
	}
	return ca, nil
}
