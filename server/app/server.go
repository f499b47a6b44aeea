package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/certctl/terraform-provider-certctl/server/gate"
	"github.com/certctl/terraform-provider-certctl/server/principal"
	"github.com/certctl/terraform-provider-certctl/server/profile"
	"github.com/certctl/terraform-provider-certctl/server/store"
	"github.com/certctl/terraform-provider-certctl/server/web"
	"github.com/certctl/terraform-provider-certctl/server/web/rest"
)

// LocalIssuerID is the issuer that a profile has unless it names another.
const LocalIssuerID = "iss-local"

// Options are what a server is made of beyond its configuration.
type Options struct {
	Store   *store.Store
	Issuers map[string]gate.Issuer
	Log     *slog.Logger
	Version string
}

// Server is a server that is ready to run. Handler may be used on its own; Run does everything else.
type Server struct {
	*Admin
	Handler  http.Handler
	Registry *prometheus.Registry

	config ServeConfig
	rooms  *rooms
	log    *slog.Logger
}

// New makes a server. It starts nothing.
func New(config ServeConfig, opts Options) (*Server, error) {
	if err := config.validate(); err != nil {
		return nil, err
	}
	registry := prometheus.NewRegistry()
	r, err := wire(opts, config.JobAwaitingApprovalTimeout, config.ApprovalBypass, registry)
	if err != nil {
		return nil, err
	}
	registry.MustRegister(&stateCollector{store: opts.Store, approvals: r.approvals, log: opts.Log})
	handler := rest.New(rest.Services{
		Server: &web.Server{
			Store: opts.Store, Authenticator: principal.NewAuthenticator(opts.Store), Metrics: web.NewMetrics(registry), Log: opts.Log,
		},
		Profiles: r.profiles, Certificates: r.certificates, Approvals: r.approvals, Issuance: r.issuance,
		Version: opts.Version, Ready: (&readiness{check: opts.ready}).Ready,
	})
	return &Server{
		Admin: &Admin{r.approvals}, Handler: handler, Registry: registry, config: config, rooms: r, log: opts.Log,
	}, nil
}

// ready says whether the server can write, and has the issuers that the database knows.
func (o Options) ready(ctx context.Context) error {
	if err := o.Store.Ready(ctx); err != nil {
		return err
	}
	return gate.CheckIssuers(ctx, o.Store, o.Issuers)
}

// Expire ends the requests whose deadline has passed, as the reaper does.
func (s *Server) Expire(ctx context.Context) error {
	return s.rooms.approvals.ExpireDue(ctx, s.rooms.store, expireAtOnce)
}

// How long requests and jobs may take to end when the server stops.
const shutdownGrace = 20 * time.Second

// Run serves until ctx ends, then lets requests and jobs end. A listener that cannot listen is an error.
func (s *Server) Run(ctx context.Context) error {
	if err := s.warnOfUngatedNames(ctx); err != nil {
		return err
	}
	listener, err := s.listen(ctx)
	if err != nil {
		return err
	}
	var metrics net.Listener
	if s.config.MetricsListen != "" {
		if metrics, err = new(net.ListenConfig).Listen(ctx, "tcp", s.config.MetricsListen); err != nil {
			return errors.Join(fmt.Errorf("CERTCTL_METRICS_LISTEN: %w", err), listener.Close())
		}
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var running sync.WaitGroup
	running.Go(func() { s.Work(ctx) })
	if metrics != nil {
		mux := http.NewServeMux()
		mux.Handle("GET /metrics", promhttp.HandlerFor(s.Registry, promhttp.HandlerOpts{}))
		running.Go(func() { s.logEnd("metrics", s.serve(ctx, metrics, mux)) })
	}
	if s.config.ApprovalBypass {
		s.log.WarnContext(ctx, "CERTCTL_APPROVAL_BYPASS is on: every request is approved at once, by nobody")
	}
	addresses := []any{"address", listener.Addr().String()}
	if metrics != nil {
		addresses = append(addresses, "metrics", metrics.Addr().String())
	}
	s.log.InfoContext(ctx, "listening", addresses...)
	err = s.serve(ctx, listener, s.Handler)
	stop()
	running.Wait()
	return err
}

// warnOfUngatedNames says in the log that the database allows every name to be signed without approval.
func (s *Server) warnOfUngatedNames(ctx context.Context) error {
	return s.rooms.store.Query(ctx, func(tx *store.Tx) error {
		names, err := profile.GetUngatedNames(tx)
		if err == nil && names.AllowAll {
			s.log.WarnContext(ctx, "any name may be signed without approval, under a profile that is not gated: list those that may with certctl ungated-names set")
		}
		return err
	})
}

func (s *Server) logEnd(what string, err error) {
	if err != nil {
		s.log.Error("listener ended", "listener", what, "error", err)
	}
}

func (s *Server) listen(ctx context.Context) (net.Listener, error) {
	config, err := s.config.tls()
	if err != nil {
		return nil, err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", s.config.Listen)
	if err != nil {
		return nil, fmt.Errorf("CERTCTL_LISTEN: %w", err)
	}
	if config == nil {
		return listener, nil
	}
	return tls.NewListener(listener, config), nil
}

// serve answers requests until ctx ends and those that were begun have ended.
func (s *Server) serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	// Slow clients must not stay for ever.
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second,
		WriteTimeout: 60 * time.Second, IdleTimeout: 120 * time.Second, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownGrace)
		defer cancel()
		stopped <- server.Shutdown(grace)
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped
}

// Work runs the workers and the ticks until ctx ends and they have ended, or the grace is over.
func (s *Server) Work(ctx context.Context) {
	ended := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() { s.rooms.store.Jobs().Listen(ctx) })
	running.Go(func() { s.every(ctx, s.config.ReaperInterval, s.reap) })
	running.Go(func() { s.every(ctx, s.config.RenewalInterval, s.renew) })
	running.Go(func() { s.rooms.issuance.Work(ctx, s.config.Workers) })
	go func() {
		running.Wait()
		close(ended)
	}()
	<-ctx.Done()
	select {
	case <-ended:
	case <-time.After(shutdownGrace):
		s.log.Warn("a job did not end in time; its lease will run out and another server goes on with it")
	}
}
