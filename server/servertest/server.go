package servertest

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
	"github.com/certctl/terraform-provider-certctl/server/app"
	"github.com/certctl/terraform-provider-certctl/server/gate"
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
	database string // a postgres URL; empty: SQLite
	path     string // of the SQLite file
	issuers  map[string]gate.Issuer
	trace    func(string)
	log      io.Writer
	serve    app.ServeConfig
	idle     bool
	tampered bool
	skews    bool
	at       time.Time // zero: now
	kept     bool
}

// Option changes how a server runs.
type Option func(*options)

// ApprovalTimeout sets how long a request waits.
func ApprovalTimeout(d time.Duration) Option {
	return func(o *options) { o.serve.JobAwaitingApprovalTimeout = d }
}

// Bypass turns the bypass on.
func Bypass() Option { return func(o *options) { o.serve.ApprovalBypass = true } }

// NoWorkers lets jobs lie and deadlines pass unseen.
func NoWorkers() Option { return func(o *options) { o.idle = true } }

// Tampered is for a test that itself breaks rows, past the server: the invariants are not checked.
func Tampered() Option { return func(o *options) { o.tampered = true } }

// Issuer puts another issuer in the place of the built-in CA.
func Issuer(i gate.Issuer) Option {
	return func(o *options) { o.issuers = map[string]gate.Issuer{app.LocalIssuerID: i} }
}

// Trace is told of every statement; PostgreSQL only.
func Trace(f func(sql string)) Option { return func(o *options) { o.trace = f } }

// DatabaseClock leaves PostgreSQL its own clock: moving the server's Clock makes the two differ. Otherwise the database
// is taken to have the server's.
func DatabaseClock() Option { return func(o *options) { o.skews = true } }

// At starts the server's clock at a time.
func At(at time.Time) Option { return func(o *options) { o.at = at } }

// Kept is for a database that was filled before: its people are in it.
func Kept() Option { return func(o *options) { o.kept = true } }

// Log collects the server's log, as JSON.
func Log(w io.Writer) Option { return func(o *options) { o.log = w } }

// New runs a server on a fresh SQLite file until the test ends.
func New(t testing.TB, opts ...Option) *Server {
	t.Helper()
	return start(t, options{path: freshFile(t)}, opts...)
}

// Postgres runs a server on a fresh PostgreSQL database until the test ends.
func Postgres(t testing.TB, opts ...Option) *Server {
	t.Helper()
	return start(t, options{database: freshDatabase(t)}, opts...)
}

// On runs a server on a PostgreSQL database that the test brings, until the test ends.
func On(t testing.TB, databaseURL string, opts ...Option) *Server {
	t.Helper()
	return start(t, options{database: databaseURL}, opts...)
}

// OnFile runs a server on a SQLite file that the test brings, until the test ends.
func OnFile(t testing.TB, path string, opts ...Option) *Server {
	t.Helper()
	NeedSQLite(t)
	return start(t, options{path: path}, opts...)
}

// Each runs a test on both databases, in parallel.
func Each(t *testing.T, test func(t *testing.T, s *Server), opts ...Option) {
	t.Helper()
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, New(t, opts...))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, Postgres(t, opts...))
	})
}

func start(t testing.TB, o options, opts ...Option) *Server {
	t.Helper()
	o.serve = app.ServeConfig{
		Listen: "127.0.0.1:0", JobAwaitingApprovalTimeout: 168 * time.Hour, Workers: 2, ReaperInterval: 100 * time.Millisecond,
		RenewalInterval: time.Hour, RenewalRetryAfter: 24 * time.Hour,
	}
	o.log = io.Discard
	o.issuers = map[string]gate.Issuer{app.LocalIssuerID: CA(t)}
	for _, opt := range opts {
		opt(&o)
	}
	s := &Server{options: o, Clock: &Clock{}, keys: map[string]string{}}
	if !o.at.IsZero() {
		s.Clock.moved = time.Until(o.at)
	}
	s.open(t)
	if !o.kept {
		s.people(t)
	}
	t.Cleanup(func() {
		if !s.options.tampered {
			CheckInvariants(t, s.Store)
		}
		s.stop()
	})
	return s
}

// open opens the database and starts to serve it.
func (s *Server) open(t testing.TB) {
	t.Helper()
	log := slog.New(slog.NewJSONHandler(s.options.log, nil))
	opts := store.Options{
		URL: s.options.database, Path: s.options.path, Clock: s.Clock.Now, DatabaseClock: s.Clock.Now, Logger: log, Trace: s.options.trace,
	}
	if s.options.skews {
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
	server, err := app.New(s.options.serve, app.Options{Store: db, Issuers: s.options.issuers, Log: log, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(checkProblems(t, server.Handler))
	ctx, cancel := context.WithCancel(context.Background())
	var working sync.WaitGroup
	if !s.options.idle {
		working.Go(func() { server.Work(ctx) })
	}
	s.Store, s.App, s.URL = db, server, web.URL
	s.Clock.onAdvance(db.Jobs().Send)
	s.stop = sync.OnceFunc(func() {
		web.Close()
		cancel()
		working.Wait()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
}

// Stop leaves the database to others until Restart, which must come before the test ends.
func (s *Server) Stop() { s.stop() }

// Database says where the database is, for another process or a connection past the server.
func (s *Server) Database() store.Options {
	return store.Options{URL: s.options.database, Path: s.options.path}
}

// Second runs another server on the same PostgreSQL database and by the same clock until the test ends, with workers
// unless the options say otherwise.
func (s *Server) Second(t testing.TB, opts ...Option) *Server {
	t.Helper()
	second := &Server{options: s.options, Clock: s.Clock, keys: map[string]string{}}
	second.options.idle = false
	for _, opt := range opts {
		opt(&second.options)
	}
	second.open(t)
	t.Cleanup(func() { second.stop() })
	return second
}

// Restart stops the server and starts it again on the same database, now with workers.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.stop()
	s.options.idle = false
	s.open(t)
}

// Drain lets a server without workers work off its jobs.
func (s *Server) Drain(t testing.TB) {
	t.Helper()
	s.Restart(t)
	Eventually(t, func() error {
		open := 0
		s.Query(t, &open, `SELECT count(*) FROM jobs WHERE status IN ('Pending', 'Running')`)
		if open > 0 {
			return fmt.Errorf("%d jobs are not done", open)
		}
		return nil
	})
	s.options.idle = true
	s.stop()
	s.open(t)
}

// people are those who stand in every test. terraform is alice's.
func (s *Server) people(t testing.TB) {
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

// Write runs a verb as a command would.
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

// Query scans what a query finds past the server.
func (s *Server) Query(t testing.TB, dest any, sql string, args ...any) {
	t.Helper()
	err := s.Store.Read(context.Background(), func(tx *store.Tx) error { return tx.DB.Raw(sql, args...).Scan(dest).Error })
	if err != nil {
		t.Fatal(err)
	}
}

// EndBypass turns the bypass off, from the next Restart on.
func (s *Server) EndBypass() { s.options.serve.ApprovalBypass = false }

// UseIssuer puts another issuer in the place of the one that is there, from the next Restart on. One with another
// certificate needs ReplaceIssuer.
func (s *Server) UseIssuer(i gate.Issuer) { Issuer(i)(&s.options) }

// ReplaceIssuer is UseIssuer for an issuer with another certificate, which the database must know.
func (s *Server) ReplaceIssuer(t testing.TB, i gate.Issuer) gate.Replacement {
	t.Helper()
	s.UseIssuer(i)
	var done gate.Replacement
	s.Write(t, func(tx *store.Tx) (err error) {
		done, err = gate.ReplaceIssuer(tx, app.LocalIssuerID, i.Fingerprint())
		return err
	})
	return done
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

// Disable runs principal disable..
func (s *Server) Disable(t testing.TB, id string) principal.Effects {
	t.Helper()
	return s.administer(t, func(tx *store.Tx) (principal.Effects, error) { return s.App.DisablePrincipal(tx, id) })
}

// ChangeOwner runs principal owner.
func (s *Server) ChangeOwner(t testing.TB, service, owner string) principal.Effects {
	t.Helper()
	return s.administer(t, func(tx *store.Tx) (principal.Effects, error) { return s.App.ChangeOwner(tx, service, owner) })
}

// HandOver runs principal handover.
func (s *Server) HandOver(t testing.TB, from, to string) principal.Effects {
	t.Helper()
	return s.administer(t, func(tx *store.Tx) (principal.Effects, error) { return s.App.HandOver(tx, from, to) })
}

func (s *Server) administer(t testing.TB, f func(*store.Tx) (principal.Effects, error)) (done principal.Effects) {
	t.Helper()
	s.Write(t, func(tx *store.Tx) (err error) {
		done, err = f(tx)
		return err
	})
	return done
}

// Key is a principal's key.
func (s *Server) Key(t testing.TB, principalID string) string {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keys[principalID] == "" {
		s.keys[principalID] = s.NewKey(t, principalID)
	}
	return s.keys[principalID]
}

// Client acts as a principal.
func (s *Server) Client(t testing.TB, principalID string) *client.Client {
	t.Helper()
	c, err := client.New(s.URL, s.Key(t, principalID), client.WithRetries(0))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Clock is real time, moved by the test.
type Clock struct {
	mu      sync.Mutex
	moved   time.Duration
	advance func()
}

// Now gives the time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.moved)
}

// Advance moves the time, and wakes whoever sleeps by it.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	c.moved += d
	wake := c.advance
	c.mu.Unlock()
	wake()
}

func (c *Clock) onAdvance(wake func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.advance = wake
}

var theCA = sync.OnceValues(func() (gate.Issuer, error) {
	dir, err := os.MkdirTemp("", "certctl-ca-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	return app.Config{DataDir: dir}.LoadCA(time.Now())
})

// CA is the built-in CA of the tests.
func CA(t testing.TB) gate.Issuer {
	t.Helper()
	ca, err := theCA()
	if err != nil {
		t.Fatal(err)
	}
	return ca
}
