package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/certctl/terraform-provider-certctl/server/auditlog"
	"github.com/certctl/terraform-provider-certctl/server/ca"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Config holds the settings of every command. The flags, the environment variables and the help come from its tags.
type Config struct {
	DatabaseURL string `env:"CERTCTL_DATABASE_URL" secret:"true" help:"The PostgreSQL database, as postgres://... If empty, a SQLite file in the data directory."`
	PgBouncer   bool   `name:"pgbouncer" env:"CERTCTL_PGBOUNCER" help:"The URL of the database leads to PgBouncer, or to another pooler, in transaction mode."`
	DataDir     string `env:"CERTCTL_DATA_DIR" default:"certctl-data" help:"The directory of the SQLite file and the local CA."`
	CACertFile  string `name:"ca-cert-file" env:"CERTCTL_CA_CERT_FILE" help:"The CA's certificate. Required on PostgreSQL. If empty on SQLite, a CA is made in the data directory."`
	CAKeyFile   string `name:"ca-key-file" env:"CERTCTL_CA_KEY_FILE" help:"The CA's private key."`
	LogLevel    Word   `env:"CERTCTL_LOG_LEVEL" default:"info" enum:"debug,info,warn,error" help:"debug, info, warn or error."`
	LogFormat   Word   `env:"CERTCTL_LOG_FORMAT" default:"json" enum:"json,text" help:"json or text."`
}

// Word is one of a few words. Upper and lower case mean the same.
type Word string

// UnmarshalText implements encoding.TextUnmarshaler.
func (w *Word) UnmarshalText(text []byte) error {
	*w = Word(strings.ToLower(string(text)))
	return nil
}

// ServeConfig holds the settings of the command serve.
type ServeConfig struct {
	DatabaseWait               time.Duration `env:"CERTCTL_DATABASE_WAIT" default:"5m" help:"How long the start waits for PostgreSQL to answer; 0 to not wait."`
	Listen                     string        `env:"CERTCTL_LISTEN" default:"127.0.0.1:8080" help:"The address of the API, as host:port."`
	TLSCertFile                string        `name:"tls-cert-file" env:"CERTCTL_TLS_CERT_FILE" reload:"nothing for other content of the file: it is loaded again" help:"The TLS certificate of the API."`
	TLSKeyFile                 string        `name:"tls-key-file" env:"CERTCTL_TLS_KEY_FILE" reload:"nothing for other content of the file: it is loaded again" help:"The TLS private key of the API."`
	BehindTLSProxy             bool          `name:"behind-tls-proxy" env:"CERTCTL_BEHIND_TLS_PROXY" help:"A proxy in front of the API speaks TLS."`
	TrustedProxies             Prefixes      `env:"CERTCTL_TRUSTED_PROXIES" placeholder:"CIDR,..." help:"The proxies whose X-Forwarded-For names the client, as CIDR prefixes. If empty, the header is ignored."`
	Console                    bool          `env:"CERTCTL_CONSOLE" default:"true" negatable:"" help:"Serve the console, the pages for people, beside the API."`
	MetricsListen              string        `env:"CERTCTL_METRICS_LISTEN" default:"127.0.0.1:9464" help:"The address of /metrics, as host:port. If empty, /metrics is off."`
	JobAwaitingApprovalTimeout time.Duration `env:"CERTCTL_JOB_AWAITING_APPROVAL_TIMEOUT" default:"168h" help:"Time after which a request expires; at least 1s."`
	ApprovalBypass             bool          `env:"CERTCTL_APPROVAL_BYPASS" help:"For development and CI: approve every request at once, as system-bypass."`
	Workers                    int           `env:"CERTCTL_WORKERS" default:"4" help:"Number of certificates issued at once, 1 to 256."`
	IssueWithin                time.Duration `env:"CERTCTL_ISSUE_WITHIN" default:"24h" help:"Time after the approval, or after a request without one, for which an issuer that fails is tried again; at least 1s."`
	RenewalInterval            time.Duration `env:"CERTCTL_RENEWAL_INTERVAL" default:"1h" help:"Time between two searches for certificates that are due for renewal."`
	RenewalRetryAfter          time.Duration `env:"CERTCTL_RENEWAL_RETRY_AFTER" default:"24h" help:"Time between a rejected, withdrawn, expired or failed renewal and the next request."`
	ReaperInterval             time.Duration `env:"CERTCTL_REAPER_INTERVAL" default:"15s" help:"Time between two searches for expired approvals and lost jobs."`
	MessagesConfig             `embed:""`
	AuditLog                   string `env:"CERTCTL_AUDIT_LOG" placeholder:"stdout|FILE" help:"Where to copy the audit trail, one event as JSON in each line: stdout or a file. If empty, the trail is not copied."`
}

func (c ServeConfig) validate() error {
	switch {
	case c.DatabaseWait < 0:
		return errors.New("CERTCTL_DATABASE_WAIT must not be negative")
	case c.JobAwaitingApprovalTimeout < time.Second:
		return errors.New("CERTCTL_JOB_AWAITING_APPROVAL_TIMEOUT must be at least 1s")
	case c.Workers < 1 || c.Workers > 256:
		return errors.New("CERTCTL_WORKERS must be 1 to 256")
	case c.IssueWithin < time.Second:
		return errors.New("CERTCTL_ISSUE_WITHIN must be at least 1s")
	case c.ReaperInterval < 100*time.Millisecond:
		return errors.New("CERTCTL_REAPER_INTERVAL must be at least 100ms")
	case c.RenewalInterval < 100*time.Millisecond:
		return errors.New("CERTCTL_RENEWAL_INTERVAL must be at least 100ms")
	case c.RenewalRetryAfter < 0:
		return errors.New("CERTCTL_RENEWAL_RETRY_AFTER must not be negative")
	case (c.TLSCertFile == "") != (c.TLSKeyFile == ""):
		return errors.New("CERTCTL_TLS_CERT_FILE and CERTCTL_TLS_KEY_FILE belong together: set both")
	case !isHostAndPort(c.Listen):
		return fmt.Errorf("CERTCTL_LISTEN=%s is not an address: write host:port, such as 127.0.0.1:8080", c.Listen)
	case c.MetricsListen != "" && !isHostAndPort(c.MetricsListen):
		return fmt.Errorf("CERTCTL_METRICS_LISTEN=%s is not an address: write host:port, such as 127.0.0.1:9464, or leave it empty to turn /metrics off", c.MetricsListen)
	case c.TLSCertFile == "" && !c.BehindTLSProxy && !isLoopback(c.Listen):
		return fmt.Errorf("CERTCTL_LISTEN=%s is not a loopback address: set the TLS files, or CERTCTL_BEHIND_TLS_PROXY=true if a proxy speaks TLS", c.Listen)
	}
	if err := auditlog.Check(c.AuditLog); c.AuditLog != "" && err != nil {
		return fmt.Errorf("CERTCTL_AUDIT_LOG: %w", err)
	}
	if _, err := c.parse(); err != nil {
		return err
	}
	_, err := c.openTLSFiles(slog.New(slog.DiscardHandler))
	return err
}

// isHostAndPort reports whether an address has a port. net.Listen would choose any free port if it is missing.
func isHostAndPort(address string) bool {
	_, port, err := net.SplitHostPort(address)
	if err != nil || port == "" {
		return false
	}
	_, err = net.LookupPort("tcp", port)
	return err == nil
}

func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// Open opens the configured database, logs which one that is, and migrates its schema. See store.Migrate for when it must
// not migrate. If there is no SQLite file, Open returns an error: the command may run in a wrong directory.
func (c Config) Open(ctx context.Context, log *slog.Logger) (*store.Store, error) {
	if err := c.checkFileExists(); err != nil {
		return nil, err
	}
	return c.Create(ctx, log, 0)
}

// Create is Open, but makes a missing data directory and SQLite file, and waits for PostgreSQL.
func (c Config) Create(ctx context.Context, log *slog.Logger, wait time.Duration) (*store.Store, error) {
	db, err := c.open(log)
	if err != nil {
		return nil, err
	}
	log.InfoContext(ctx, "using the database", "database", db.Location())
	if err := c.prepare(ctx, db, wait); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

func (c Config) databaseFile() string { return filepath.Join(c.DataDir, "certctl.db") }

// checkFileExists returns an error if the database is an SQLite file that does not exist.
func (c Config) checkFileExists() error {
	if c.DatabaseURL != "" {
		return nil
	}
	if _, err := os.Stat(c.databaseFile()); !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	path, err := filepath.Abs(c.databaseFile())
	if err != nil {
		return err
	}
	return fmt.Errorf("there is no database at %s: set CERTCTL_DATA_DIR or CERTCTL_DATABASE_URL as the server has it, or make a database with certctl migrate", path)
}

// open opens the configured database without a migration.
func (c Config) open(log *slog.Logger) (*store.Store, error) {
	opts, setting := store.Options{URL: c.DatabaseURL, Pooled: c.PgBouncer, Logger: log}, "CERTCTL_DATABASE_URL"
	if opts.URL == "" && c.PgBouncer {
		return nil, errors.New("CERTCTL_PGBOUNCER is for PostgreSQL: set CERTCTL_DATABASE_URL")
	}
	if opts.URL == "" {
		if err := c.makeDataDir(); err != nil {
			return nil, err
		}
		opts.Path, setting = c.databaseFile(), "CERTCTL_DATA_DIR"
	}
	db, err := store.Open(opts)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", setting, err)
	}
	return db, nil
}

// prepare connects to the database, waits for it if it does not answer yet, and migrates its schema.
func (c Config) prepare(ctx context.Context, db *store.Store, wait time.Duration) error {
	if err := db.ReachWithin(ctx, wait); err != nil {
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

// caFiles returns the paths of the CA's certificate and key.
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

// CreateCA makes the CA at the configured paths, or in the data directory. It returns the path of the certificate.
func (c Config) CreateCA(o ca.Options, now time.Time) (string, error) {
	if c.CACertFile == "" || c.CAKeyFile == "" {
		if err := c.makeDataDir(); err != nil {
			return "", err
		}
	}
	certFile, keyFile := c.caFiles()
	return certFile, ca.Create(certFile, keyFile, o, now)
}

// LoadCA reads the CA. If there is none on SQLite, LoadCA makes one. On PostgreSQL the operator must give the CA, because
// all replicas share it.
func (c Config) LoadCA(now time.Time) (*ca.CA, error) {
	certFile, _ := c.caFiles()
	if _, err := os.Stat(certFile); errors.Is(err, os.ErrNotExist) && c.CACertFile == "" && c.CAKeyFile == "" && c.DatabaseURL == "" {
		if _, err := c.CreateCA(ca.DefaultOptions(), now); err != nil {
			return nil, fmt.Errorf("CERTCTL_DATA_DIR: make the CA: %w", err)
		}
	}
	return c.ReadCA(now)
}

// ReadCA reads the CA. A missing CA is an error, and so is one that is not valid now.
func (c Config) ReadCA(now time.Time) (*ca.CA, error) {
	if (c.CACertFile == "") != (c.CAKeyFile == "") {
		return nil, errors.New("CERTCTL_CA_CERT_FILE and CERTCTL_CA_KEY_FILE belong together: set both")
	}
	if c.CACertFile == "" && c.DatabaseURL != "" {
		return nil, errors.New("CERTCTL_CA_CERT_FILE and CERTCTL_CA_KEY_FILE are required on PostgreSQL, where replicas share one CA: see certctl ca init")
	}
	settings := "CERTCTL_CA_CERT_FILE and CERTCTL_CA_KEY_FILE"
	if c.CACertFile == "" {
		settings = "CERTCTL_DATA_DIR"
	}
	authority, err := ca.Load(c.caFiles())
	if err == nil {
		err = authority.CheckValid(now)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", settings, err)
	}
	return authority, nil
}

// warnOfReadableKey logs a warning if other users can read the file of the CA's key.
func (c Config) warnOfReadableKey(ctx context.Context, log *slog.Logger) {
	_, keyFile := c.caFiles()
	info, err := os.Stat(keyFile)
	if err != nil || info.Mode().Perm()&0o044 == 0 {
		return
	}
	log.WarnContext(ctx, "other users can read the CA's key, and can sign any certificate with it",
		"file", keyFile, "mode", fmt.Sprintf("%#o", info.Mode().Perm()), "run", "chmod 600 "+keyFile)
}
