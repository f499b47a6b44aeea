package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/certctl/terraform-provider-certctl/server/auditlog"
	"github.com/certctl/terraform-provider-certctl/server/gate"
	"github.com/certctl/terraform-provider-certctl/server/notify"
	"github.com/certctl/terraform-provider-certctl/server/principal"
	"github.com/certctl/terraform-provider-certctl/server/profile"
	"github.com/certctl/terraform-provider-certctl/server/store"
	"github.com/certctl/terraform-provider-certctl/server/web"
	"github.com/certctl/terraform-provider-certctl/server/web/console"
	"github.com/certctl/terraform-provider-certctl/server/web/rest"
)

// LocalIssuerID is the id of the built-in CA. It is the default issuer of a profile.
const LocalIssuerID = "iss-local"

// Options holds what a server needs besides its configuration.
type Options struct {
	Store   *store.Store
	Issuers map[string]gate.Issuer
	Log     *slog.Logger
	Version string
	// HangUp receives the hang-up signals of the process. At each of them the server loads the TLS files again.
	HangUp <-chan os.Signal
	// DataDir keeps how far the audit log on standard output has come.
	DataDir string
}

// Server is a server that is ready to run. Tests use Handler without Run.
type Server struct {
	*Admin
	Handler  http.Handler
	Registry *prometheus.Registry

	config   ServeConfig
	services *services
	expiry   *expiryWatch
	tls      *tlsFiles
	hangUp   <-chan os.Signal
	auditLog *auditlog.Log // nil if the audit trail is not copied
	messages *notify.Notifier
	steps    *prometheus.GaugeVec
	log      *slog.Logger
}

// New makes a server and starts nothing.
func New(config ServeConfig, opts Options) (*Server, error) {
	if err := config.validate(); err != nil {
		return nil, err
	}
	files, err := config.openTLSFiles(opts.Log)
	if err != nil {
		return nil, err
	}
	registry := prometheus.NewRegistry()
	copied, err := openAuditLog(config, opts, registry)
	if err != nil {
		return nil, err
	}
	all, err := newServices(opts, config, registry)
	if err != nil {
		return nil, err
	}
	messages, err := config.parse()
	if err != nil {
		return nil, err
	}
	ready := (&readiness{check: opts.checkReady}).Ready
	registry.MustRegister(&stateCollector{store: opts.Store, approvals: all.approvals, ready: ready, log: opts.Log})
	registry.MustRegister(&silenceCollector{store: opts.Store, log: opts.Log})
	registerRuntime(registry, opts.Version)
	chains := listChains(opts.Issuers)
	registry.MustRegister(&expiryCollector{chains: chains, tls: files})
	registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "certctl_tls_reload_failed", Help: "1 while the TLS files on disk cannot be loaded; the API keeps the certificate that it has.",
	}, func() float64 { return boolValue(files.hasFailed()) }))
	return &Server{
		Admin: &Admin{all.approvals}, Handler: newHandler(config, opts, all, registry, ready), Registry: registry, config: config, services: all,
		expiry: &expiryWatch{chains: chains, tls: files, log: opts.Log}, tls: files, hangUp: opts.HangUp, auditLog: copied, steps: newStepGauge(registry), log: opts.Log,
		messages: notify.New(opts.Store, messages, opts.Log, registry),
	}, nil
}

// newHandler makes the handler of the API, and of the console unless it is turned off.
func newHandler(config ServeConfig, opts Options, all *services, registry prometheus.Registerer, ready func(context.Context) error) http.Handler {
	requests := opts.Store.ForRequests()
	server := &web.Server{
		Store: requests, Authenticator: principal.NewAuthenticator(requests), Metrics: web.NewMetrics(registry), Log: opts.Log,
		TrustedProxies: config.TrustedProxies,
	}
	engine := server.NewEngine()
	rest.Mount(engine, rest.Services{
		Server: server, Profiles: all.profiles, Certificates: all.certificates, Approvals: all.approvals, Issuance: all.issuance,
		Version: opts.Version, Ready: ready,
	})
	if config.Console {
		console.Mount(engine, console.Services{
			Server: server, Approvals: all.approvals, HasTLS: strings.HasPrefix(config.ExternalURL, "https://"),
		})
	}
	web.AnswerHead(engine)
	return engine
}

// openAuditLog opens the log that the audit trail is copied to; nil if there is none.
func openAuditLog(config ServeConfig, opts Options, registry prometheus.Registerer) (*auditlog.Log, error) {
	if config.AuditLog == "" {
		return nil, nil //nolint:nilnil // CopyAuditTrail accepts nil
	}
	log, err := auditlog.Open(config.AuditLog, opts.DataDir, opts.Store, opts.Log)
	if err != nil {
		return nil, fmt.Errorf("CERTCTL_AUDIT_LOG: %w", err)
	}
	log.Register(registry)
	return log, nil
}

// CopyAuditTrail copies the audit trail to the audit log, if there is one, until ctx ends.
func (s *Server) CopyAuditTrail(ctx context.Context) {
	if s.auditLog != nil {
		s.auditLog.Run(ctx)
	}
}

// copyAuditTrail is CopyAuditTrail in the background. The returned function ends it, once nothing is written to the trail
// any more. It does not wait for a reader of standard output that has stopped reading.
func (s *Server) copyAuditTrail(ctx context.Context) (end func()) {
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	go func() {
		s.CopyAuditTrail(ctx)
		close(ended)
	}()
	return func() {
		stop()
		select {
		case <-ended:
		case <-time.After(copyGrace):
			s.log.Warn("the audit log does not take the last events: they are written after the next start")
		}
	}
}

// copyGrace bounds how long the server waits for the audit log when it stops.
const copyGrace = 5 * time.Second

// checkReady returns an error if the server cannot write, or has another issuer than the database knows.
func (o Options) checkReady(ctx context.Context) error {
	if err := o.Store.Ready(ctx); err != nil {
		return err
	}
	return gate.CheckIssuers(ctx, o.Store, o.Issuers)
}

// Expire ends the requests that are past their deadline, as the reaper does.
func (s *Server) Expire(ctx context.Context) error {
	return s.services.approvals.ExpireDue(ctx, s.services.store, expireAtOnce)
}

// shutdownGrace bounds how long the server waits for requests and jobs when it stops.
const shutdownGrace = 20 * time.Second

// Run serves until ctx ends, and then waits for requests and jobs. If a listener cannot listen, Run returns an error.
func (s *Server) Run(ctx context.Context) error {
	if err := s.warnOfUngatedNames(ctx); err != nil {
		return err
	}
	if err := s.PrepareMessages(ctx); err != nil {
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
	asked := ctx
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var running sync.WaitGroup
	running.Go(func() {
		<-ctx.Done()
		if asked.Err() != nil {
			s.log.Info("stopping", "reason", context.Cause(asked).Error())
		}
	})
	endCopy := s.copyAuditTrail(ctx)
	running.Go(func() { s.Work(ctx) })
	running.Go(func() { s.tls.watch(ctx, s.hangUp, s.log) })
	if metrics != nil {
		mux := http.NewServeMux()
		mux.Handle("GET /metrics", promhttp.HandlerFor(s.Registry, promhttp.HandlerOpts{}))
		running.Go(func() { s.logEnd("metrics", s.serve(ctx, metrics, mux)) })
	}
	if s.config.ApprovalBypass {
		s.log.WarnContext(ctx, "CERTCTL_APPROVAL_BYPASS is on: every request is approved at once, without a person")
	}
	addresses := []any{"address", listener.Addr().String()}
	if metrics != nil {
		addresses = append(addresses, "metrics", metrics.Addr().String())
	}
	s.log.InfoContext(ctx, "listening", addresses...)
	err = s.serve(ctx, listener, s.Handler)
	stop()
	running.Wait()
	endCopy()
	s.logStop(asked, err)
	return err
}

// logStop logs why the server stopped: ctx has ended, or serving failed.
func (s *Server) logStop(ctx context.Context, err error) {
	if err != nil {
		s.log.Error("stopped", "reason", err.Error())
		return
	}
	s.log.Info("stopped", "reason", context.Cause(ctx).Error())
}

// warnOfUngatedNames logs a warning if the database allows every name to be signed without approval.
func (s *Server) warnOfUngatedNames(ctx context.Context) error {
	return s.services.store.Query(ctx, func(tx *store.Tx) error {
		names, err := profile.GetUngatedNames(tx)
		if err == nil && names.AllowAll {
			s.log.WarnContext(ctx, "any name may be signed without approval under a profile that is not gated: limit the names with certctl ungated-names set")
		}
		return err
	})
}

// logEnd logs the error with which a listener ended.
func (s *Server) logEnd(name string, err error) {
	if err != nil {
		s.log.Error("listener ended", "listener", name, "error", err)
	}
}

// listen opens the listener of the API, with TLS if it is configured.
func (s *Server) listen(ctx context.Context) (net.Listener, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", s.config.Listen)
	if err != nil {
		return nil, fmt.Errorf("CERTCTL_LISTEN: %w", err)
	}
	if config := s.tls.config(); config != nil {
		return tls.NewListener(listener, config), nil
	}
	return listener, nil
}

// serve answers requests until ctx ends, and then waits for the running requests.
func (s *Server) serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	// The timeouts end the connections of slow clients.
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

// Work runs the workers and the ticks until ctx ends, and then waits for them, at most for shutdownGrace.
func (s *Server) Work(ctx context.Context) {
	ended := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() { s.services.store.Jobs().Listen(ctx) })
	running.Go(func() { s.runEvery(ctx, s.config.ReaperInterval, s.reap) })
	running.Go(func() { s.runEvery(ctx, min(s.config.RenewalInterval, lookEvery), (&search{server: s}).tick) })
	running.Go(func() { s.services.issuance.Work(ctx, s.config.Workers) })
	running.Go(func() { s.messages.Run(ctx) })
	go func() {
		running.Wait()
		close(ended)
	}()
	<-ctx.Done()
	select {
	case <-ended:
	case <-time.After(shutdownGrace):
		s.log.Warn("a job did not end in time: after its lease expires another server takes it")
	}
}
