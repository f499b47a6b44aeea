package app_test

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// BenchmarkScale measures calls that must stay bounded, over HTTP on PostgreSQL. There are a million approvals, of which
// 20,000 are pending, and 100,000 certificates that are due and await an approval. Compare with "empty".
//
//	CGO_ENABLED=0 scripts/with-postgres go test ./server/app -run '^$' -bench Scale
func BenchmarkScale(b *testing.B) {
	for name, rows := range map[string]struct{ certificates, approvals int }{"empty": {100, 100}, "full": {100_000, 1_000_000}} {
		b.Run(name, func(b *testing.B) {
			s := servertest.NewPostgres(b, servertest.NoWorkers(), servertest.WithoutInvariants())
			fillDatabase(b, s, rows.certificates, rows.approvals)
			vacuumDatabase(b, s)
			ctx, vera := context.Background(), s.Client(b, "vera")
			metrics := promhttp.HandlerFor(s.App.Registry, promhttp.HandlerOpts{})
			firstOf := func(state api.ApprovalState) func() error {
				return func() error {
					for _, err := range vera.ListApprovals(ctx, client.ListApprovalsOptions{ApprovalFilter: client.ApprovalFilter{States: []api.ApprovalState{state}}}) {
						return err
					}
					return nil
				}
			}
			summaryOf := func(state api.ApprovalState) func() error {
				return func() error {
					_, err := vera.GetApprovalSummary(ctx, client.GetApprovalSummaryOptions{ApprovalFilter: client.ApprovalFilter{States: []api.ApprovalState{state}}})
					return err
				}
			}
			for _, bench := range []struct {
				name string
				run  func() error
			}{
				{"list pending", firstOf(api.ApprovalPending)},
				{"list rejected", firstOf(api.ApprovalRejected)},
				{"summary of pending", summaryOf(api.ApprovalPending)},
				{"summary of rejected", summaryOf(api.ApprovalRejected)},
				{"list certificates", func() error {
					for _, err := range vera.ListCertificates(ctx, client.ListCertificatesOptions{}) {
						return err
					}
					return nil
				}},
				{"scrape", func() error {
					w := httptest.NewRecorder()
					metrics.ServeHTTP(w, httptest.NewRequestWithContext(ctx, "GET", "/metrics", nil))
					_, err := io.Copy(io.Discard, w.Body)
					return err
				}},
				{"scan", func() error { return s.App.RenewDue(ctx) }},
			} {
				b.Run(bench.name, func(b *testing.B) {
					s.Clock.Advance(time.Hour)
					for b.Loop() {
						if err := bench.run(); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
		})
	}
}

// vacuumDatabase runs VACUUM ANALYZE, as autovacuum does after some time.
func vacuumDatabase(b *testing.B, s *servertest.Server) {
	b.Helper()
	db, err := sql.Open("pgx", s.Database().URL)
	if err != nil {
		b.Fatal(err)
	}
	_, err = db.ExecContext(context.Background(), "VACUUM ANALYZE")
	if err := errors.Join(err, db.Close()); err != nil {
		b.Fatal(err)
	}
}
