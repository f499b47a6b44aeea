package app_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/certificate"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// BenchmarkFilters measures the first page of each filter of certificates, on PostgreSQL with 20,000 certificates. With -v
// it also shows the plans.
//
//	CGO_ENABLED=0 scripts/with-postgres go test ./server/app -run '^$' -bench Filters
func BenchmarkFilters(b *testing.B) {
	s := servertest.NewPostgres(b, servertest.NoWorkers(), servertest.WithoutInvariants())
	fillFilters(b, s)
	vacuumDatabase(b, s)
	for name, f := range map[string]certificate.Filter{
		"none":              {},
		"profile":           {ProfileID: "p-7"},
		"san":               {SAN: "n777.example.com"},
		"serial number":     {SerialNumber: "777"},
		"fingerprint":       {FingerprintSHA256: "f777"},
		"key":               {SPKISHA256: "k777"},
		"issued":            {Status: api.CertificateIssued},
		"awaiting approval": {Status: api.CertificateAwaitingApproval},
		"issuing":           {Status: api.CertificateIssuing},
		"unissued":          {Status: api.CertificateUnissued},
		"failed":            {Status: api.CertificateFailed},
		"rejected":          {Status: api.CertificateRejected},
		"profile, failed":   {ProfileID: "p-7", Status: api.CertificateFailed},
		"expires soon":      {ExpiresBefore: time.Date(2026, 1, 1, 1, 0, 0, 0, time.UTC)},
	} {
		list := func(tx *store.Tx, page store.Page) error {
			_, err := certificate.List(tx, f, page)
			return err
		}
		b.Run(name, func(b *testing.B) {
			b.Log("\n" + strings.Join(explainList(b, s, list, store.Page{Limit: 51}), "\n"))
			for b.Loop() {
				if err := s.Store.Query(context.Background(), func(tx *store.Tx) error { return list(tx, store.Page{Limit: 51}) }); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// fillFilters inserts 20,000 certificates past the server. One in ten has no leaf, one in forty an open job; one in forty
// without a leaf has a failed job.
func fillFilters(b *testing.B, s *servertest.Server) {
	b.Helper()
	s.Write(b, func(tx *store.Tx) error {
		for _, statement := range []string{
			"SET LOCAL session_replication_role = replica", // without triggers and foreign keys
			`INSERT INTO certificates (uid, id, spec, spki_sha256, version, current_serial, not_after, renew_at, created_at, updated_at)
				SELECT 'u' || i, 'mc-' || i, '{"profile_id":"p-' || (i % 100) || '","common_name":"n' || i || '.example.com","sans":["n' || i || '.example.com"],"auto_renew":true,"csr_pem":"' || repeat(md5(i::text), 30) || '"}',
					'k' || i, 1, CASE WHEN i % 10 > 0 THEN i::text END, CASE WHEN i % 10 > 0 THEN at END, at, at, at
				FROM (SELECT i, timestamptz '2026-01-01' + i * interval '1 second' AS at FROM generate_series(1, 20000) g(i)) g`,
			`INSERT INTO certificate_names (certificate_uid, name, parent) SELECT uid, common_name, 'example.com' FROM certificates`,
			`INSERT INTO leaves (job_id, serial_number, certificate_uid, certificate_version, issuer_id, sans, not_before, not_after, fingerprint_sha256, spki_sha256, certificate_pem, chain_pem, created_at)
				SELECT 'l' || current_serial, current_serial, uid, 1, 'iss-local', '[]', created_at, not_after, 'f' || current_serial, spki_sha256, '', '', created_at
				FROM certificates WHERE current_serial IS NOT NULL`,
			`INSERT INTO jobs (id, type, certificate_uid, certificate_id, profile_id, status, attempt, fence, error_message, requested_by, accountable, csr_pem, own_csr,
					subject, digest, run_at, cause, approval_id, finished_at, created_at, updated_at)
				SELECT 'job-' || substr(uid, 2), 'Issuance', uid, id, profile_id, w.status, 0, 0, '', 'olga', 'olga', '', false, '{}', 'sha256:0', created_at,
					CASE w.status WHEN 'Failed' THEN 'issuer_failed' END, CASE w.status WHEN 'AwaitingApproval' THEN 'ar-' || uid END,
					CASE WHEN w.status IN ('Failed', 'Completed') THEN created_at END, created_at, created_at
				FROM certificates c CROSS JOIN LATERAL (SELECT CASE WHEN substr(uid, 2)::int % 80 = 1 THEN 'AwaitingApproval' WHEN substr(uid, 2)::int % 80 = 2 THEN 'Pending'
					WHEN current_serial IS NOT NULL THEN 'Completed' WHEN substr(uid, 2)::int % 400 = 0 THEN 'Failed' END AS status) w WHERE w.status IS NOT NULL`,
		} {
			if err := tx.DB.Exec(statement).Error; err != nil {
				return err
			}
		}
		return nil
	})
}
