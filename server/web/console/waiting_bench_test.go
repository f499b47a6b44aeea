package console_test

import (
	"net/http"
	"testing"

	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// BenchmarkWaiting measures the page Waiting with 20,000 pending requests, all of which bob may decide, on each database.
// The page should take at most three times as long as the list of the API.
//
//	CGO_ENABLED=0 scripts/with-postgres go test ./server/web/console -run '^$' -bench Waiting
func BenchmarkWaiting(b *testing.B) {
	for name, start := range map[string]func(testing.TB, ...servertest.Option) *servertest.Server{"sqlite": servertest.New, "postgres": servertest.NewPostgres} {
		b.Run(name, func(b *testing.B) {
			s := start(b, servertest.NoWorkers(), servertest.WithoutInvariants())
			s.RequestOlgasCertificate(b, "alice")
			for rows := 1; rows < 20_000; rows *= 2 {
				s.Exec(b, `INSERT INTO approvals (id, kind, state, profile_id, profile_name, certificate_id, certificate_uid, requested_by, accountable,
						excluded, reason, also_excluded, stands_for, rejections, context, csr_ignored, subject, digest, note, expires_at, created_at, updated_at)
					SELECT id || 'x' || CAST(row_number() OVER () + ? AS text), kind, state, profile_id, profile_name, certificate_id, certificate_uid, requested_by, accountable,
						excluded, reason, also_excluded, stands_for, rejections, context, csr_ignored, subject, digest, note, expires_at, created_at, updated_at
					FROM approvals LIMIT ?`, rows, 20_000-rows)
			}
			if name == "postgres" {
				s.Exec(b, "ANALYZE approvals")
			}
			bob := newVisitor(b, s, "bob")
			api := http.Header{"Authorization": {"Bearer " + s.Key(b, "bob")}}
			for _, bench := range []struct {
				name, path string
				header     http.Header
			}{
				{"list of the API", "/api/v1/approvals?state=pending", api},
				{"page", "/approvals", http.Header{}},
				{"page of one group", "/approvals?group=mine", http.Header{}},
			} {
				b.Run(bench.name, func(b *testing.B) {
					size := 0
					for b.Loop() {
						p := bob.send(http.MethodGet, bench.path, nil, bench.header)
						p.require(b, http.StatusOK)
						size = len(p.body)
					}
					b.ReportMetric(float64(size), "bytes")
				})
			}
		})
	}
}
