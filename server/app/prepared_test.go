package app_test

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"gorm.io/gorm"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/approval"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// preparedStatement is a statement as the program prepares it, with the values of one call.
type preparedStatement struct {
	sql  string
	vars []any
}

// recorder collects the statements that gorm runs.
type recorder struct {
	mu         sync.Mutex
	statements []preparedStatement
}

// recordStatements records the statements of a server from now on. Call it while the server is idle.
func recordStatements(t *testing.T, s *servertest.Server) *recorder {
	t.Helper()
	r := &recorder{}
	appendStatement := func(db *gorm.DB) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.statements = append(r.statements, preparedStatement{db.Statement.SQL.String(), slices.Clone(db.Statement.Vars)})
	}
	err := s.Store.Read(context.Background(), func(tx *store.Tx) error {
		callbacks := tx.DB.Callback()
		if err := callbacks.Query().After("gorm:query").Register("test:query", appendStatement); err != nil {
			return err
		}
		return callbacks.Row().After("gorm:row").Register("test:row", appendStatement)
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// listDistinct returns the recorded statements, each text once.
func (r *recorder) listDistinct() []preparedStatement {
	r.mu.Lock()
	defer r.mu.Unlock()
	found := map[string]bool{}
	var distinct []preparedStatement
	for _, p := range r.statements {
		if !found[p.sql] {
			found[p.sql] = true
			distinct = append(distinct, p)
		}
	}
	return distinct
}

// formatLiteral returns a value as an argument of EXECUTE.
func formatLiteral(v any) string {
	switch v := v.(type) {
	case int, int64, bool:
		return fmt.Sprint(v)
	case time.Time:
		return "'" + v.Format(time.RFC3339Nano) + "'"
	case *time.Time, nil:
		return "NULL"
	default:
		return "'" + strings.ReplaceAll(fmt.Sprint(v), "'", "''") + "'"
	}
}

// planModes are the two ways to plan a prepared statement. After five calls PostgreSQL chooses between them.
var planModes = []string{"force_generic_plan", "force_custom_plan"}

// explainPrepared returns PostgreSQL's plan of a prepared statement. It does not run the statement.
func explainPrepared(t *testing.T, conn *pgx.Conn, p preparedStatement, mode string) string {
	t.Helper()
	ctx := context.Background()
	args := make([]string, len(p.vars))
	for i, v := range p.vars {
		args[i] = formatLiteral(v)
	}
	call := "EXECUTE explained"
	if len(args) > 0 {
		call += "(" + strings.Join(args, ", ") + ")"
	}
	for _, statement := range []string{"SET plan_cache_mode = " + mode, "PREPARE explained AS " + p.sql} {
		if _, err := conn.Exec(ctx, statement, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	rows, err := conn.Query(ctx, "EXPLAIN "+call, pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatalf("%s with %v: %v", p.sql, args, err)
	}
	if _, err := conn.Exec(ctx, "DEALLOCATE explained"); err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}

func connect(t *testing.T, s *servertest.Server, notice func(*pgconn.Notice)) *pgx.Conn {
	t.Helper()
	ctx := context.Background()
	config, err := pgx.ParseConfig(s.Database().URL)
	if err != nil {
		t.Fatal(err)
	}
	config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) {
		if notice != nil {
			notice(n)
		}
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(ctx) })
	return conn
}

// The list and the count of pending approvals read no decided row. This holds for the program's prepared statements in both
// plan modes, whether most requests wait or most are decided.
func TestPendingApprovals_ReadNoDecidedRow(t *testing.T) {
	t.Parallel()
	servertest.NeedPostgres(t)
	for name, pending := range map[string]string{"mostly decided": "i % 50 = 0", "mostly pending": "i % 50 <> 0"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := servertest.NewPostgres(t, servertest.NoWorkers(), servertest.WithoutInvariants())
			fillPending(t, s, 100, 100_000, pending)
			r := recordStatements(t, s)
			waiting := approval.Filter{States: []api.ApprovalState{api.ApprovalPending}}
			deep := store.Cursor{At: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC), ID: "m"}
			err := s.Store.Read(t.Context(), func(tx *store.Tx) error {
				for _, order := range []api.ApprovalOrder{api.ApprovalsOldestFirst, api.ApprovalsNewestFirst, api.ApprovalsSoonestExpiry} {
					for _, after := range []store.Cursor{{}, deep} {
						if _, err := approval.List(tx, waiting, order, store.Page{Limit: 51, After: after}); err != nil {
							return err
						}
					}
				}
				_, err := newApprovals().Summarize(tx, waiting, 50)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.App.Expire(t.Context()); err != nil {
				t.Fatal(err)
			}
			conn := connect(t, s, nil)
			statements := r.listDistinct()
			if len(statements) < 6 {
				t.Fatalf("recorded %d statements", len(statements))
			}
			for _, statement := range statements {
				for _, mode := range planModes {
					plan := explainPrepared(t, conn, statement, mode)
					if name == "mostly pending" && strings.Contains(statement.sql, "count(*)") {
						continue // the count reads nearly all rows in any plan
					}
					if !strings.Contains(plan, "approvals_pending") || strings.Contains(plan, "Sort") {
						t.Errorf("%s, %s:\n%s", mode, statement.sql, plan)
					}
				}
			}
		})
	}
}

// byID is a statement that changes one approval or job.
var byID = regexp.MustCompile(`(?s)^UPDATE (approvals|jobs) .*WHERE id = `)

// byPrimaryKey matches the scan that finds such a row.
var byPrimaryKey = regexp.MustCompile(`Index Scan using (approvals|jobs)_pkey on (approvals|jobs)( [aj])?  `)

// A decision, a step of a job and their triggers find one row by its primary key. The statistics know no pending approval
// and no open job. So the planner finds the index of a state cheaper, though it has many rows now.
func TestByID_UsesThePrimaryKeyWithStaleStatistics(t *testing.T) {
	t.Parallel()
	servertest.NeedPostgres(t)
	s := servertest.NewPostgres(t, servertest.NoWorkers(), servertest.WithoutInvariants())
	for _, table := range []string{"approvals", "jobs"} {
		s.Exec(t, "ALTER TABLE "+table+" SET (autovacuum_enabled = false)")
	}
	fillPending(t, s, 10_000, 10_000, "false")
	rejected, approved, waiting := s.RequestOlgasCertificate(t, "alice"), s.RequestOlgasCertificate(t, "alice"), s.RequestOlgasCertificate(t, "alice")
	r := recordStatements(t, s)
	if _, err := s.Client(t, "bob").RejectApproval(t.Context(), *rejected.ApprovalID, api.Decision{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Client(t, "bob").ApproveApproval(t.Context(), *approved.ApprovalID, api.Decision{}); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var working sync.WaitGroup
	working.Go(func() { s.App.Work(ctx) })
	s.WaitUntilFinalAsVera(t, approved.ID)
	stop()
	working.Wait()

	var plans strings.Builder
	conn := connect(t, s, func(n *pgconn.Notice) { plans.WriteString(n.Message) })
	count := 0
	for _, statement := range r.listDistinct() {
		if !byID.MatchString(statement.sql) {
			continue
		}
		count++
		for _, mode := range planModes {
			if plan := explainPrepared(t, conn, statement, mode); !byPrimaryKey.MatchString(plan) {
				t.Errorf("%s, %s:\n%s", mode, statement.sql, plan)
			}
		}
	}
	if count < 7 { // reject, cancel, approve, release, claim, hold, complete
		t.Errorf("%d statements were explained", count)
	}

	for _, setting := range []string{
		"LOAD 'auto_explain'", "SET auto_explain.log_min_duration = 0", "SET auto_explain.log_nested_statements = on", "SET client_min_messages = log",
	} {
		if _, err := conn.Exec(t.Context(), setting); err != nil {
			t.Fatal(err)
		}
	}
	for trigger, statement := range map[string]string{
		"jobs_guard":     `UPDATE jobs SET status = 'Pending' WHERE id = $1`,
		"jobs_guard_new": `INSERT INTO jobs SELECT (jsonb_populate_record(j, '{"id": "job-new", "status": "Pending"}')).* FROM jobs j WHERE id = $1`,
		"intents_guard": `INSERT INTO intents (job_id, serial_number, digest, issuer_id, issuer_generation, issuer_fingerprint_sha256, not_before, not_after,
			tbs, profile_version, certificate_version, created_at) SELECT id, '', digest, '', 1, '', now(), now(), '', 1, 1, now() FROM jobs WHERE id = $1`,
	} {
		plans.Reset()
		if _, err := conn.Exec(t.Context(), statement, waiting.ID); err == nil {
			t.Errorf("%s accepts the statement", trigger)
		}
		scans := 0
		for line := range strings.Lines(plans.String()) {
			if !strings.Contains(line, " Scan ") || strings.Contains(line, "Result") {
				continue
			}
			scans++
			if !byPrimaryKey.MatchString(line) {
				t.Errorf("%s: %s", trigger, plans.String())
			}
		}
		if scans == 0 {
			t.Errorf("%s scans nothing: %q", trigger, plans.String())
		}
	}
}
