package servertest

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
	"github.com/certctl/terraform-provider-certctl/server/app"
	"github.com/certctl/terraform-provider-certctl/server/gate"
	"github.com/certctl/terraform-provider-certctl/server/notify"
	"github.com/certctl/terraform-provider-certctl/server/principal"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Server is a running server.
type Server struct {
	URL   string
	Store *store.Store
	App   *app.Server
	Clock *Clock

	options options
	mu      sync.Mutex
	keys    map[string]string
	stop    func()
}

type options struct {
	database       string // a PostgreSQL URL; empty for SQLite
	pooledDatabase string // the URL through PgBouncer, in a run that uses one
	path           string // of the SQLite file
	issuers        map[string]gate.Issuer
	trace          func(string)
	log            io.Writer
	config         app.ServeConfig
	noWorkers      bool
	skipInvariants bool
	databaseClock  bool
	startTime      time.Time // zero for now
	hasPeople      bool
}

// Option changes how a server runs.
type Option func(*options)

// ApprovalTimeout sets how long a request may wait.
func ApprovalTimeout(d time.Duration) Option {
	return func(o *options) { o.config.JobAwaitingApprovalTimeout = d }
}

// Bypass turns the bypass on.
func Bypass() Option { return func(o *options) { o.config.ApprovalBypass = true } }

// IssueWithin is the time for which an issuer that fails is tried again; a day without it.
func IssueWithin(d time.Duration) Option { return func(o *options) { o.config.IssueWithin = d } }

// RenewalInterval is the time between two searches for renewals; an hour without it.
func RenewalInterval(d time.Duration) Option {
	return func(o *options) { o.config.RenewalInterval = d }
}

// Workers is how many certificates are issued at once; two without it.
func Workers(n int) Option { return func(o *options) { o.config.Workers = n } }

// NoWorkers runs a server without workers, reaper and scheduler.
func NoWorkers() Option { return func(o *options) { o.noWorkers = true } }

// WithoutInvariants skips the invariants, for a test that breaks rows past the server.
func WithoutInvariants() Option { return func(o *options) { o.skipInvariants = true } }

// Issuer replaces the built-in CA.
func Issuer(i gate.Issuer) Option {
	return func(o *options) { o.issuers = map[string]gate.Issuer{app.LocalIssuerID: i} }
}

// Trace calls f with every statement; PostgreSQL only.
func Trace(f func(sql string)) Option { return func(o *options) { o.trace = f } }

// DatabaseClock gives PostgreSQL its own clock, so that moving the server's Clock makes the two differ. Without it the
// database has the clock of the server.
func DatabaseClock() Option { return func(o *options) { o.databaseClock = true } }

// StartTime starts the server's clock at a time.
func StartTime(at time.Time) Option { return func(o *options) { o.startTime = at } }

// WithPeople is for a database that already has the people of the tests.
func WithPeople() Option { return func(o *options) { o.hasPeople = true } }

// TrustedProxies makes the server believe the X-Forwarded-For of these peers.
func TrustedProxies(prefixes ...string) Option {
	return func(o *options) {
		if err := o.config.TrustedProxies.UnmarshalText([]byte(strings.Join(prefixes, ","))); err != nil {
			panic(err) // the test gives valid prefixes
		}
	}
}

// AuditLog copies the audit trail to a file.
func AuditLog(path string) Option { return func(o *options) { o.config.AuditLog = path } }

// Messages changes the settings of messages.
func Messages(set func(*app.MessagesConfig)) Option {
	return func(o *options) { set(&o.config.MessagesConfig) }
}

// ExternalURL is the origin where people reach the server.
func ExternalURL(origin string) Option {
	return func(o *options) { o.config.ExternalURL = origin }
}

// WithoutConsole turns the console off.
func WithoutConsole() Option { return func(o *options) { o.config.Console = false } }

// TLSFiles are the files of the TLS certificate. The test server itself listens without TLS.
func TLSFiles(certFile, keyFile string) Option {
	return func(o *options) { o.config.TLSCertFile, o.config.TLSKeyFile = certFile, keyFile }
}

// Log writes the server's log to w, as JSON.
func Log(w io.Writer) Option { return func(o *options) { o.log = w } }

// New runs a server on a fresh SQLite file until the test ends.
func New(t testing.TB, opts ...Option) *Server {
	t.Helper()
	return startServer(t, options{path: createMigratedFile(t)}, opts...)
}

// NewPostgres runs a server on a fresh PostgreSQL database until the test ends.
func NewPostgres(t testing.TB, opts ...Option) *Server {
	t.Helper()
	return startServer(t, options{database: createMigratedDatabase(t)}, opts...)
}

// NewOnPostgres runs a server on the test's own PostgreSQL database until the test ends.
func NewOnPostgres(t testing.TB, databaseURL string, opts ...Option) *Server {
	t.Helper()
	return startServer(t, options{database: databaseURL}, opts...)
}

// NewOnFile runs a server on the test's own SQLite file until the test ends.
func NewOnFile(t testing.TB, path string, opts ...Option) *Server {
	t.Helper()
	NeedSQLite(t)
	return startServer(t, options{path: path}, opts...)
}

// RunOnEach runs a test on both databases, in parallel.
func RunOnEach(t *testing.T, test func(t *testing.T, s *Server), opts ...Option) {
	t.Helper()
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, New(t, opts...))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, NewPostgres(t, opts...))
	})
}

func startServer(t testing.TB, o options, opts ...Option) *Server {
	t.Helper()
	o.config = app.ServeConfig{
		Listen: "127.0.0.1:0", JobAwaitingApprovalTimeout: 168 * time.Hour, Workers: 2, ReaperInterval: 100 * time.Millisecond,
		RenewalInterval: time.Hour, RenewalRetryAfter: 24 * time.Hour, IssueWithin: 24 * time.Hour, Console: true,
		MessagesConfig: app.MessagesConfig{NotifyNames: true, NotifyReminders: notify.Fractions{50, 90}},
	}
	o.log = io.Discard
	o.issuers = map[string]gate.Issuer{app.LocalIssuerID: CA(t)}
	for _, opt := range opts {
		opt(&o)
	}
	s := &Server{options: o, Clock: &Clock{}, keys: map[string]string{}}
	if !o.startTime.IsZero() {
		s.Clock.offset = time.Until(o.startTime)
	}
	if o.database != "" && os.Getenv(pgBouncerVariable) != "" {
		s.options.pooledDatabase = NewPgBouncer(t, "", o.database).Through(t, o.database)
	}
	s.serve(t)
	if !o.hasPeople {
		s.createPeople(t)
	}
	t.Cleanup(func() {
		if !s.options.skipInvariants {
			CheckInvariants(t, s.Store)
		}
		s.stop()
	})
	return s
}

// serve opens the database and serves it.
func (s *Server) serve(t testing.TB) {
	t.Helper()
	log := app.Config{LogLevel: "info", LogFormat: "json"}.NewLoggerTo(s.options.log)
	opts := store.Options{
		URL: cmp.Or(s.options.pooledDatabase, s.options.database), Pooled: s.options.pooledDatabase != "", Path: s.options.path, Clock: s.Clock.Now, DatabaseClock: s.Clock.Now, Logger: log, Trace: s.options.trace,
	}
	if s.options.databaseClock {
		opts.DatabaseClock = nil
	}
	db, err := store.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Migrate(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := gate.RegisterIssuers(context.Background(), db, s.options.issuers); err != nil {
		t.Fatal(err)
	}
	server, err := app.New(s.options.config, app.Options{Store: db, Issuers: s.options.issuers, Log: log, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	if err := server.PrepareMessages(context.Background()); err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(checkProblems(t, server.Handler))
	ctx, cancel := context.WithCancel(context.Background())
	var working sync.WaitGroup
	working.Go(func() { server.CopyAuditTrail(ctx) })
	if !s.options.noWorkers {
		working.Go(func() { server.Work(ctx) })
	}
	s.Store, s.App, s.URL = db, server, web.URL
	s.Clock.setWake(func() {
		db.Jobs().Send()
		db.Messages().Send()
	})
	s.stop = sync.OnceFunc(func() {
		web.Close()
		cancel()
		working.Wait()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
}

// Stop closes the database. The test must call Restart before it ends.
func (s *Server) Stop() { s.stop() }

// Database returns where the database is, for another process or for a connection past the server.
func (s *Server) Database() store.Options {
	return store.Options{URL: s.options.database, Path: s.options.path}
}

// StartSecond runs another server on the same PostgreSQL database and with the same clock until the test ends. It has
// workers unless an option removes them.
func (s *Server) StartSecond(t testing.TB, opts ...Option) *Server {
	t.Helper()
	second := &Server{options: s.options, Clock: s.Clock, keys: map[string]string{}}
	second.options.noWorkers = false
	for _, opt := range opts {
		opt(&second.options)
	}
	second.serve(t)
	t.Cleanup(func() { second.stop() })
	return second
}

// Restart stops the server and starts it again on the same database, with workers.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.stop()
	s.options.noWorkers = false
	s.serve(t)
}

// Drain runs workers until no job is Pending or Running. Then the server has no workers again.
func (s *Server) Drain(t testing.TB) {
	t.Helper()
	s.Restart(t)
	WaitUntil(t, func() error {
		open := 0
		s.Query(t, &open, `SELECT count(*) FROM jobs WHERE status IN ('Pending', 'Running')`)
		if open > 0 {
			return fmt.Errorf("%d jobs are not done", open)
		}
		return nil
	})
	s.options.noWorkers = true
	s.stop()
	s.serve(t)
}

// createPeople makes the people of every test. alice owns terraform.
func (s *Server) createPeople(t testing.TB) {
	t.Helper()
	s.Write(t, func(tx *store.Tx) error {
		for _, p := range []struct {
			id    string
			kind  api.PrincipalKind
			owner string
			roles []api.Role
		}{
			{"alice", api.KindHuman, "", []api.Role{api.RoleOperator, api.RoleApprover}},
			{"bob", api.KindHuman, "", []api.Role{api.RoleOperator, api.RoleApprover}},
			{"carol", api.KindHuman, "", []api.Role{api.RoleApprover}},
			{"olga", api.KindHuman, "", []api.Role{api.RoleOperator}},
			{"vera", api.KindHuman, "", []api.Role{api.RoleViewer}},
			{"audrey", api.KindHuman, "", []api.Role{api.RoleAuditor}},
			{"adam", api.KindHuman, "", []api.Role{api.RoleAdmin}},
			{"terraform", api.KindService, "alice", []api.Role{api.RoleOperator}},
		} {
			if err := principal.Create(tx, p.id, p.kind, p.owner, p.roles); err != nil {
				return err
			}
		}
		return nil
	})
}

// Write runs f in a transaction, as a command would.
func (s *Server) Write(t testing.TB, f func(*store.Tx) error) {
	t.Helper()
	if err := s.Store.Write(context.Background(), f); err != nil {
		t.Fatal(err)
	}
}

// Exec runs a statement past the server.
func (s *Server) Exec(t testing.TB, sql string, args ...any) {
	t.Helper()
	s.Write(t, func(tx *store.Tx) error { return tx.DB.Exec(sql, args...).Error })
}

// Query scans the result of a query past the server.
func (s *Server) Query(t testing.TB, dest any, sql string, args ...any) {
	t.Helper()
	err := s.Store.Read(context.Background(), func(tx *store.Tx) error { return tx.DB.Raw(sql, args...).Scan(dest).Error })
	if err != nil {
		t.Fatal(err)
	}
}

// EndBypass turns the bypass off at the next Restart.
func (s *Server) EndBypass() { s.options.config.ApprovalBypass = false }

// UseIssuer replaces the issuer at the next Restart. If the new issuer has another certificate, use ReplaceIssuer.
func (s *Server) UseIssuer(i gate.Issuer) { Issuer(i)(&s.options) }

// ReplaceIssuer is UseIssuer for an issuer with another certificate. It stores the certificate in the database.
func (s *Server) ReplaceIssuer(t testing.TB, i gate.Issuer) gate.Replacement {
	t.Helper()
	s.UseIssuer(i)
	var replacement gate.Replacement
	s.Write(t, func(tx *store.Tx) (err error) {
		replacement, err = gate.ReplaceIssuer(tx, app.LocalIssuerID, i.Fingerprint())
		return err
	})
	return replacement
}

// NewKey makes another key for a principal.
func (s *Server) NewKey(t testing.TB, principalID string) string {
	t.Helper()
	var key string
	s.Write(t, func(tx *store.Tx) (err error) {
		key, err = principal.CreateKey(tx, principalID, "test", 0)
		return err
	})
	return key
}

// Disable runs principal disable.
func (s *Server) Disable(t testing.TB, id string) principal.Effects {
	t.Helper()
	return s.runAdmin(t, func(tx *store.Tx) (principal.Effects, error) { return s.App.DisablePrincipal(tx, id) })
}

// ChangeOwner runs principal owner.
func (s *Server) ChangeOwner(t testing.TB, service, owner string) principal.Effects {
	t.Helper()
	return s.runAdmin(t, func(tx *store.Tx) (principal.Effects, error) { return s.App.ChangeOwner(tx, service, owner) })
}

// HandOver runs principal handover.
func (s *Server) HandOver(t testing.TB, from, to string) principal.Effects {
	t.Helper()
	return s.runAdmin(t, func(tx *store.Tx) (principal.Effects, error) { return s.App.HandOver(tx, from, to) })
}

func (s *Server) runAdmin(t testing.TB, f func(*store.Tx) (principal.Effects, error)) (effects principal.Effects) {
	t.Helper()
	s.Write(t, func(tx *store.Tx) (err error) {
		effects, err = f(tx)
		return err
	})
	return effects
}

// Key returns the key of a principal.
func (s *Server) Key(t testing.TB, principalID string) string {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keys[principalID] == "" {
		s.keys[principalID] = s.NewKey(t, principalID)
	}
	return s.keys[principalID]
}

// Client returns a client that acts as a principal.
func (s *Server) Client(t testing.TB, principalID string) *client.Client {
	t.Helper()
	c, err := client.New(s.URL, s.Key(t, principalID), client.WithRetries(0))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Clock is real time, which a test can move.
type Clock struct {
	mu     sync.Mutex
	offset time.Duration
	wake   func()
}

// Now returns the time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.offset)
}

// Advance moves the time, and wakes the workers.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	c.offset += d
	wake := c.wake
	c.mu.Unlock()
	wake()
}

func (c *Clock) setWake(wake func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wake = wake
}

var sharedCA = sync.OnceValues(func() (gate.Issuer, error) {
	dir, err := os.MkdirTemp("", "certctl-ca-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	// Tests set the clock of their server back by hours, and a leaf may not end before its CA begins.
	return app.Config{DataDir: dir}.LoadCA(time.Now().Add(-48 * time.Hour))
})

// CA returns the built-in CA of the tests.
func CA(t testing.TB) gate.Issuer {
	t.Helper()
	ca, err := sharedCA()
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

// Gauge returns the values of a metric by its labels, such as "profile_id=p-1,reason=rules".
func (s *Server) Gauge(t testing.TB, name string) map[string]float64 {
	t.Helper()
	families, err := s.App.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.GetMetric() {
			labels := make([]string, len(m.GetLabel()))
			for i, l := range m.GetLabel() {
				labels[i] = l.GetName() + "=" + l.GetValue()
			}
			values[strings.Join(labels, ",")] = m.GetGauge().GetValue()
		}
	}
	return values
}
