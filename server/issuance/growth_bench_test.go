package issuance_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// BenchmarkGrowth measures how many bytes a gated renewal adds to the database for good. Stored answers for retries, which
// expire after a day, are left out. docs/server/growth.md has the numbers; run it with -benchtime=500x.
func BenchmarkGrowth(b *testing.B) {
	for name, c := range map[string]struct {
		start func(testing.TB, ...servertest.Option) *servertest.Server
		size  func(*testing.B, *servertest.Server) int64
	}{
		"sqlite":   {servertest.New, measureSQLite},
		"postgres": {servertest.NewPostgres, measurePostgres},
	} {
		b.Run(name, func(b *testing.B) {
			s := c.start(b)
			certificate := s.CreateCertificateAsOlga(b, s.CreateProfileAsOlga(b, true).ID).ID
			renew := func() {
				j, err := s.Client(b, "alice").RenewCertificate(b.Context(), certificate, api.Renew{Reason: "SECOPS-12345"})
				if err != nil {
					b.Fatal(err)
				}
				if _, err := s.Client(b, "bob").ApproveApproval(b.Context(), *j.ApprovalID, api.Decision{Note: "approved per ticket SECOPS-12345"}); err != nil {
					b.Fatal(err)
				}
				s.WaitUntilFinalAsVera(b, j.ID)
			}
			renew() // the first request shows more to the approver
			before := c.size(b, s)
			for b.Loop() {
				renew()
			}
			b.ReportMetric(float64(c.size(b, s)-before)/float64(b.N), "B/renewal")
		})
	}
}

// measureSQLite returns the size of a copy without free pages.
func measureSQLite(b *testing.B, s *servertest.Server) int64 {
	b.Helper()
	s.Exec(b, "DELETE FROM replays")
	done, err := s.Store.Backup(b.Context(), filepath.Join(b.TempDir(), "copy"))
	if err != nil {
		b.Fatal(err)
	}
	return done.Bytes
}

// measurePostgres returns the size of the tables and their indexes without dead rows.
func measurePostgres(b *testing.B, s *servertest.Server) (size int64) {
	b.Helper()
	conn, err := pgx.Connect(b.Context(), s.Database().URL)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close(context.Background())
	for _, statement := range []string{"DELETE FROM replays", "VACUUM FULL"} {
		if _, err := conn.Exec(b.Context(), statement); err != nil {
			b.Fatal(err)
		}
	}
	err = conn.QueryRow(b.Context(), "SELECT sum(pg_total_relation_size(format('%I.%I', schemaname, tablename)::regclass))::bigint FROM pg_tables WHERE schemaname = 'public'").Scan(&size)
	if err != nil {
		b.Fatal(err)
	}
	return size
}
