package app_test

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	"gorm.io/gorm"
	gormlogger "gorm.io/gorm/logger"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/approval"
	"github.com/certctl/terraform-provider-certctl/server/audit"
	"github.com/certctl/terraform-provider-certctl/server/certificate"
	"github.com/certctl/terraform-provider-certctl/server/job"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// statementLog collects the statements that gorm runs, with their values.
type statementLog struct {
	gormlogger.Interface
	sql []string
}

func (s *statementLog) Trace(_ context.Context, _ time.Time, f func() (string, int64), _ error) {
	sql, _ := f()
	s.sql = append(s.sql, sql)
}

// Every list reads an index from the beginning of the page, and never reads or sorts a whole table. The count of pending
// approvals reads no decided approval. The test checks the plans of both databases, with 20,000 rows on PostgreSQL.
func TestLists_UseAnIndex(t *testing.T) {
	deep := store.Cursor{At: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC), ID: "m"}
	approvals := newApprovals()
	pending := approval.Filter{States: []api.ApprovalState{api.ApprovalPending}}
	lists := map[string]func(tx *store.Tx, page store.Page) error{
		"approvals": func(tx *store.Tx, page store.Page) error {
			_, err := approval.List(tx, approval.Filter{}, orderOf(page), page)
			return err
		},
		"approvals by state": func(tx *store.Tx, page store.Page) error {
			_, err := approval.List(tx, pending, orderOf(page), page)
			return err
		},
		"approvals by profile": func(tx *store.Tx, page store.Page) error {
			_, err := approval.List(tx, approval.Filter{ProfileID: "p-7"}, orderOf(page), page)
			return err
		},
		"approvals by certificate": func(tx *store.Tx, page store.Page) error {
			_, err := approval.List(tx, approval.Filter{CertificateUID: "u77"}, orderOf(page), page)
			return err
		},
		"approvals by requester": func(tx *store.Tx, page store.Page) error {
			_, err := approval.List(tx, approval.Filter{RequestedBy: "alice"}, orderOf(page), page)
			return err
		},
		"approvals by decider": func(tx *store.Tx, page store.Page) error {
			_, err := approval.List(tx, approval.Filter{DecidedBy: "bob"}, orderOf(page), page)
			return err
		},
		"approvals by expiry": func(tx *store.Tx, page store.Page) error {
			_, err := approval.List(tx, pending, api.ApprovalsSoonestExpiry, page)
			return err
		},
		"summary of pending approvals": func(tx *store.Tx, page store.Page) error {
			_, err := approvals.Summarize(tx, pending, page.Limit)
			return err
		},
		"jobs": func(tx *store.Tx, page store.Page) error {
			_, err := job.List(tx, job.Filter{}, page)
			return err
		},
		"jobs by certificate": func(tx *store.Tx, page store.Page) error {
			_, err := job.List(tx, job.Filter{CertificateUID: "u77"}, page)
			return err
		},
		"jobs by status": func(tx *store.Tx, page store.Page) error {
			_, err := job.List(tx, job.Filter{Status: api.JobAwaitingApproval}, page)
			return err
		},
		"certificates": func(tx *store.Tx, page store.Page) error {
			_, err := certificate.List(tx, certificate.Filter{}, page)
			return err
		},
		"certificates by profile": func(tx *store.Tx, page store.Page) error {
			_, err := certificate.List(tx, certificate.Filter{ProfileID: "p-7"}, page)
			return err
		},
		"certificates that failed": func(tx *store.Tx, page store.Page) error {
			_, err := certificate.List(tx, certificate.Filter{Status: api.CertificateFailed}, page)
			return err
		},
		"certificates that are due": func(tx *store.Tx, page store.Page) error {
			_, err := certificate.ListDue(tx, page.After, page.Limit)
			return err
		},
		"audit": func(tx *store.Tx, page store.Page) error {
			_, err := audit.List(tx, audit.Filter{}, page)
			return err
		},
		"audit by actor": func(tx *store.Tx, page store.Page) error {
			_, err := audit.List(tx, audit.Filter{Actor: "alice"}, page)
			return err
		},
		"audit of a follower": func(tx *store.Tx, page store.Page) error {
			_, _, err := audit.Follow(tx, audit.Filter{}, store.Position{ID: page.After.ID}, page.Limit)
			return err
		},
		"audit by resource": func(tx *store.Tx, page store.Page) error {
			_, err := audit.List(tx, audit.Filter{ResourceID: "ar-77"}, page)
			return err
		},
	}
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		rows := 20_000
		if s.Store.IsSQLite() {
			rows = 5_000 // SQLite's plans do not depend on the number, and the race detector makes SQLite slow
		}
		fillDatabase(t, s, rows, rows)
		for name, list := range lists {
			for _, page := range []store.Page{{Limit: 51}, {Limit: 51, After: deep}, {Limit: 51, After: deep, Newest: true}} {
				for _, plan := range explainList(t, s, list, page) {
					if !usesIndex(plan) {
						t.Errorf("%s, %+v:\n%s", name, page, plan)
					}
				}
			}
		}
	}, servertest.NoWorkers(), servertest.WithoutInvariants())
}

func orderOf(page store.Page) api.ApprovalOrder {
	if page.Newest {
		return api.ApprovalsNewestFirst
	}
	return api.ApprovalsOldestFirst
}

// explainList returns the plan of each statement of a list that orders or groups rows.
func explainList(t testing.TB, s *servertest.Server, list func(*store.Tx, store.Page) error, page store.Page) []string {
	t.Helper()
	var plans []string
	err := s.Store.Read(context.Background(), func(tx *store.Tx) error {
		log := &statementLog{Interface: gormlogger.Discard}
		db := tx.DB
		tx.DB = db.Session(&gorm.Session{Logger: log})
		if err := list(tx, page); err != nil {
			return err
		}
		for _, sql := range log.sql {
			if !strings.Contains(sql, "ORDER BY") && !strings.Contains(sql, "GROUP BY") {
				continue
			}
			plan, err := explain(db, s.Store.IsSQLite(), sql)
			if err != nil {
				return err
			}
			plans = append(plans, plan)
		}
		return nil
	})
	if err != nil || len(plans) == 0 {
		t.Fatalf("%d plans, %v", len(plans), err)
	}
	return plans
}

func explain(db *gorm.DB, isSQLite bool, sql string) (string, error) {
	if !isSQLite {
		var lines []string
		err := db.Raw("EXPLAIN " + sql).Scan(&lines).Error
		return strings.Join(lines, "\n"), err
	}
	var steps []struct{ Detail string }
	err := db.Raw("EXPLAIN QUERY PLAN " + sql).Scan(&steps).Error
	lines := make([]string, len(steps))
	for i, step := range steps {
		lines[i] = step.Detail
	}
	return strings.Join(lines, "\n"), err
}

// usesIndex reports whether a plan reads an index in order.
func usesIndex(plan string) bool {
	plan = strings.ReplaceAll(plan, "Seq Scan on principals", "") // they are few, so PostgreSQL reads them without an index
	for _, bad := range []string{"Seq Scan", "Sort", "TEMP B-TREE"} {
		if strings.Contains(plan, bad) {
			return false
		}
	}
	return strings.Contains(strings.ToUpper(plan), "INDEX") || strings.Contains(plan, "INTEGER PRIMARY KEY")
}

// fillDatabase inserts certificates, jobs, approvals and audit events past the server. Each job awaits its approval, and one
// approval in fifty is pending. The rows need not agree.
func fillDatabase(t testing.TB, s *servertest.Server, certificates, approvals int) {
	t.Helper()
	fillPending(t, s, certificates, approvals, "i % 50 = 0")
}

// fillPending is fillDatabase with a condition for the pending approvals. i is the number of an approval.
func fillPending(t testing.TB, s *servertest.Server, certificates, approvals int, pending string) {
	t.Helper()
	numbers, at := "generate_series(1, COUNT) AS g(i)", "timestamptz '2026-01-01' + i * interval '1 second'"
	if s.Store.IsSQLite() {
		numbers = "(WITH RECURSIVE g(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM g WHERE i < COUNT) SELECT i FROM g)"
		at = "strftime('%Y-%m-%d %H:%M:%S+00:00', '2026-01-01', '+' || i || ' seconds')"
	}
	// These approvals were never pending.
	drop := "DROP TRIGGER approvals_guard_new"
	if !s.Store.IsSQLite() {
		drop += " ON approvals"
	}
	s.Exec(t, drop)
	later := strings.Replace(at, "2026-01-01", "2036-01-01", 1)
	for _, insert := range []struct {
		rows int
		sql  string
	}{
		{certificates, `INSERT INTO certificates (uid, id, spec, spki_sha256, version, renew_at, created_at, updated_at)
			SELECT 'u' || i, 'mc-' || i, '{"profile_id":"p-' || (i % 100) || '","common_name":"n' || i || '","auto_renew":true}', 'k' || i, 1, AT, AT, AT FROM NUMBERS`},
		{approvals, `INSERT INTO approvals (id, kind, state, profile_id, profile_name, certificate_id, certificate_uid, job_id, requested_by, accountable, excluded,
			also_excluded, stands_for, rejections, csr_ignored, reason, subject, digest, expires_at, decided_by, decided_at, note, created_at, updated_at)
			SELECT 'ar-' || i, 'issuance', CASE WHEN PENDING THEN 'pending' ELSE 'rejected' END, 'p-' || (i % 100), 'n', 'mc-' || i, 'u' || (1 + (i - 1) % CERTIFICATES), 'job-' || i,
				CASE WHEN i % 40 = 0 THEN 'alice' ELSE 'olga' END, 'olga', '["olga"]', '[]', '[]', '[]', '[]', '', '{}', 'sha256:0', AT2,
				CASE WHEN PENDING THEN NULL ELSE 'bob' END, CASE WHEN PENDING THEN NULL ELSE AT END, '', AT, AT FROM NUMBERS`},
		{certificates, `INSERT INTO jobs (id, type, certificate_uid, certificate_id, profile_id, approval_id, status, attempt, fence, error_message,
			requested_by, accountable, csr_pem, own_csr, subject, digest, run_at, created_at, updated_at)
			SELECT 'job-' || i, 'Issuance', 'u' || i, 'mc-' || i, 'p-1', 'ar-' || i, 'AwaitingApproval', 0, 0, '', 'olga', 'olga', '', false, '{}', 'sha256:0', AT, AT, AT FROM NUMBERS`},
		{approvals, `INSERT INTO audit_events (id, occurred_at, actor, actor_type, action, resource_type, resource_id, request_id, details)
			SELECT 'ev-' || i, AT, CASE WHEN i % 40 = 0 THEN 'alice' ELSE 'olga' END, 'User', 'x', 'approval', 'ar-' || i, '', '{}' FROM NUMBERS`},
	} {
		source := strings.Replace(numbers, "COUNT", strconv.Itoa(insert.rows), 1)
		s.Exec(t, strings.NewReplacer("NUMBERS", source, "PENDING", pending, "CERTIFICATES", strconv.Itoa(certificates), "AT2", later, "AT", at).Replace(insert.sql))
	}
	s.Exec(t, "ANALYZE")
}

func newApprovals() *approval.Service {
	return approval.New(time.Hour, false, approval.NewMetrics(prometheus.NewRegistry()), slog.New(slog.DiscardHandler))
}
