package faults_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/principal"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// A request that was not approved is never signed: not later, not after a restart, and not after another decision.
func TestClosedRequests_AreNeverSigned(t *testing.T) {
	runOnEach(t, func(t *testing.T, start startFunc) {
		issuer := newTestIssuer(t, nil)
		s := start(t, servertest.Issuer(issuer), servertest.ApprovalTimeout(100*time.Hour))
		p, profile := peopleOf(t, s), s.CreateProfileAsOlga(t, true).ID
		var closed []fixture
		for name, end := range map[string]func(fixture) error{
			"rejected": fixture.reject, "withdrawn": fixture.withdraw, "renamed": fixture.rename, "archived": fixture.archive,
			"expired": func(fixture) error { return nil },
		} {
			c, j := requestNew(t, s, p, profile)
			w := fixture{p, s, c, j}
			if err := end(w); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			closed = append(closed, w)
		}
		// The last request is olga's, who is then disabled.
		c := s.CreateCertificateAsOlga(t, profile)
		j, err := p.olga.RenewCertificate(context.Background(), c.ID, api.Renew{})
		if err != nil {
			t.Fatal(err)
		}
		closed = append(closed, fixture{p, s, c, j})
		s.Disable(t, "olga")
		waitUntilEnded(t, s, j.ID, api.JobCancelled, "person disabled")
		s.Clock.Advance(100 * time.Hour)
		for _, w := range closed {
			if j := s.WaitUntilFinalAsVera(t, w.job.ID); j.Status != api.JobCancelled {
				t.Fatalf("the job is %s", j.Status)
			}
		}
		checkNothingChanges(t, s, func() {
			p = peopleOf(t, s)
			before := readRows(t, s, tables...)
			for _, w := range closed {
				w.people = p
				for _, again := range []func(fixture) error{fixture.approve, fixture.reject, fixture.withdraw} {
					if checkAnswer(t, "decide again", again(w), api.CodeAlreadyDecided, api.CodeApprovalExpired, api.CodeForbidden) == "" {
						t.Error("a closed request was decided again")
					}
				}
				issuer.checkCalls(t, w.job.ID, 0)
			}
			if diff := cmp.Diff(before, readRows(t, s, tables...)); diff != "" {
				t.Errorf("another decision changed something:\n%s", diff)
			}
		})
	})
}

// forbiddenStatements are statements that someone with SQL may try. $pending, $rejected, $approved and $done are
// approvals. @pending, @rejected, @approved and @done are their jobs: waiting, cancelled, ready and completed.
var forbiddenStatements = []string{
	// Decisions: no second decision, none by an excluded person, none without a decider, none after the deadline.
	"UPDATE approvals SET state = 'approved' WHERE id = '$rejected'",
	"UPDATE approvals SET state = 'pending', decided_by = NULL, decided_at = NULL WHERE id = '$rejected'",
	"UPDATE approvals SET state = 'pending', decided_by = NULL, decided_at = NULL WHERE id = '$approved'",
	"UPDATE approvals SET state = 'rejected' WHERE id = '$approved'",
	"UPDATE approvals SET decided_by = 'carol' WHERE id = '$approved'",
	"UPDATE approvals SET note = 'another' WHERE id = '$approved'",
	"UPDATE approvals SET state = 'approved' WHERE id = '$pending'",
	"UPDATE approvals SET state = 'approved', decided_by = 'bob' WHERE id = '$pending'",
	"UPDATE approvals SET state = 'approved', decided_at = created_at WHERE id = '$pending'",
	"UPDATE approvals SET state = 'approved', decided_by = 'alice', decided_at = created_at WHERE id = '$pending'",
	"UPDATE approvals SET state = 'approved', decided_by = requested_by, decided_at = created_at WHERE id = '$pending'",
	"UPDATE approvals SET state = 'approved', decided_by = 'bob', decided_at = expires_at WHERE id = '$pending'",
	"UPDATE approvals SET state = 'approved', decided_by = 'vera', decided_at = created_at WHERE id = '$pending'",
	"UPDATE approvals SET state = 'approved', decided_by = 'terraform', decided_at = created_at WHERE id = '$pending'",
	"UPDATE approvals SET state = 'approved', decided_by = 'olga', decided_at = created_at WHERE id = '$pending'",
	"UPDATE approvals SET state = 'approved', decided_by = 'dora', decided_at = created_at WHERE id = '$pending'",
	"UPDATE approvals SET state = 'rejected', decided_by = 'dora', decided_at = created_at WHERE id = '$pending'",
	"UPDATE approvals SET state = 'approved', decided_by = 'nobody', decided_at = created_at WHERE id = '$pending'",
	"UPDATE approvals SET state = 'approved', decided_by = 'system-reaper', decided_at = created_at WHERE id = '$pending'",
	"UPDATE approvals SET state = 'rejected', decided_by = 'system-bypass', decided_at = created_at WHERE id = '$pending'",
	"UPDATE approvals SET state = 'approved', decided_by = 'bob', decided_at = '2020-01-01 00:00:00+00:00' WHERE id = '$pending'", // before the request
	"UPDATE approvals SET state = 'granted', decided_by = 'bob', decided_at = created_at WHERE id = '$pending'",
	"UPDATE approvals SET decided_by = 'bob', decided_at = created_at WHERE id = '$pending'",
	// The subject of a request.
	"UPDATE approvals SET subject = '{}' WHERE id = '$pending'",
	"UPDATE approvals SET digest = 'sha256:00' WHERE id = '$pending'",
	"UPDATE approvals SET requested_by = 'bob' WHERE id = '$pending'",
	"UPDATE approvals SET accountable = 'bob', excluded = '[\"bob\"]' WHERE id = '$pending'",
	"UPDATE approvals SET excluded = '[]' WHERE id = '$pending'",
	"UPDATE approvals SET excluded = '[\"olga\",\"alice\"]' WHERE id = '$pending'",
	"UPDATE approvals SET expires_at = created_at WHERE id = '$pending'",
	"UPDATE approvals SET kind = 'profile_edit' WHERE id = '$pending'",
	"UPDATE approvals SET job_id = 'job-other' WHERE id = '$pending'",
	"UPDATE approvals SET certificate_id = 'mc-other' WHERE id = '$pending'",
	"UPDATE approvals SET profile_id = 'p-other' WHERE id = '$pending'",
	"UPDATE approvals SET reason = 'another' WHERE id = '$pending'",
	"UPDATE approvals SET id = 'ar-other' WHERE id = '$pending'",
	"UPDATE approvals SET profile_name = 'another' WHERE id = '$pending'",
	"UPDATE approvals SET previous_approval_id = '$rejected' WHERE id = '$pending'",
	"DELETE FROM approvals WHERE id = '$pending'",
	"DELETE FROM approvals WHERE id = '$rejected'",
	// Jobs: no step that the state forbids, none without the approval, none after the end.
	"UPDATE jobs SET status = 'Pending' WHERE id = '@pending'",
	"UPDATE jobs SET status = 'Running', lease_until = run_at WHERE id = '@pending'",
	"UPDATE jobs SET status = 'Completed', finished_at = run_at, serial_number = '00' WHERE id = '@pending'",
	"UPDATE jobs SET status = 'Failed', finished_at = run_at WHERE id = '@pending'",
	"UPDATE jobs SET status = 'Pending', finished_at = NULL WHERE id = '@rejected'",
	"UPDATE jobs SET status = 'AwaitingApproval', finished_at = NULL WHERE id = '@rejected'",
	"UPDATE jobs SET status = 'Running', lease_until = run_at, finished_at = NULL WHERE id = '@rejected'",
	"UPDATE jobs SET error_message = '' WHERE id = '@rejected'",
	"UPDATE jobs SET status = 'Pending', finished_at = NULL, serial_number = NULL WHERE id = '@done'",
	"UPDATE jobs SET serial_number = '00' WHERE id = '@done'",
	"UPDATE jobs SET status = 'AwaitingApproval' WHERE id = '@approved'",
	"UPDATE jobs SET status = 'Completed', finished_at = run_at, serial_number = '00' WHERE id = '@approved'",
	"UPDATE jobs SET status = 'Sleeping' WHERE id = '@approved'",
	"UPDATE jobs SET status = 'Cancelled', cause = 'person_disabled', finished_at = run_at WHERE id = '@approved'",
	// The subject of a job.
	"UPDATE jobs SET approval_id = NULL WHERE id = '@pending'",
	"UPDATE jobs SET approval_id = NULL, status = 'Pending' WHERE id = '@pending'",
	"UPDATE jobs SET approval_id = '$done', status = 'Pending' WHERE id = '@pending'",
	"UPDATE jobs SET approval_id = '$pending' WHERE id = '@approved'",
	"UPDATE jobs SET subject = '{}' WHERE id = '@approved'",
	"UPDATE jobs SET digest = 'sha256:00' WHERE id = '@approved'",
	"UPDATE jobs SET csr_pem = '' WHERE id = '@approved'",
	"UPDATE jobs SET certificate_uid = (SELECT certificate_uid FROM jobs WHERE id = '@done') WHERE id = '@approved'",
	"UPDATE jobs SET certificate_id = 'mc-other' WHERE id = '@approved'",
	"UPDATE jobs SET profile_id = 'p-other' WHERE id = '@approved'",
	"UPDATE jobs SET requested_by = 'bob' WHERE id = '@approved'",
	"UPDATE jobs SET accountable = 'bob' WHERE id = '@approved'",
	"UPDATE jobs SET type = 'Renewal' WHERE id = '@approved'",
	"UPDATE jobs SET id = 'job-other' WHERE id = '@approved'",
	"DELETE FROM jobs WHERE id = '@pending'",
	"DELETE FROM jobs WHERE id = '@done'",
	"DELETE FROM certificates",
	"UPDATE handovers SET to_id = 'bob'",
	"DELETE FROM handovers",
	// New rows that would count as a decision.
	"INSERT INTO jobs " + copyRow("jobs", "@pending", "id", "'job-new'", "status", "'Pending'", "approval_id", "'$rejected'", "certificate_uid", "(SELECT certificate_uid FROM jobs WHERE id = '@rejected')"),
	"INSERT INTO jobs " + copyRow("jobs", "@rejected", "id", "'job-new'", "status", "'Running'", "lease_until", "run_at", "finished_at", "NULL", "approval_id", "NULL"),
	"INSERT INTO jobs " + copyRow("jobs", "@rejected", "id", "'job-new'", "status", "'AwaitingApproval'", "finished_at", "NULL", "approval_id", "NULL"),
	"INSERT INTO jobs " + copyRow("jobs", "@rejected", "id", "'job-new'", "approval_id", "NULL"),
	"INSERT INTO jobs " + copyRow("jobs", "@pending", "id", "'job-new'", "status", "'Pending'", "approval_id", "NULL"), // a second open job
	"INSERT INTO approvals " + copyRow("approvals", "$rejected", "id", "'ar-new'", "job_id", "'job-new'", "state", "'approved'"),
	"INSERT INTO approvals " + copyRow("approvals", "$pending", "id", "'ar-new'", "job_id", "'job-new'", "excluded", "'[]'"),
	// Intents and leaves.
	"INSERT INTO intents " + copyRow("intents", "", "job_id", "'@pending'", "serial_number", "'00'", "digest", "(SELECT digest FROM jobs WHERE id = '@pending')"),
	"INSERT INTO intents " + copyRow("intents", "", "job_id", "'@rejected'", "serial_number", "'00'", "digest", "(SELECT digest FROM jobs WHERE id = '@rejected')"),
	"INSERT INTO intents " + copyRow("intents", "", "job_id", "'@approved'", "serial_number", "'00'", "digest", "(SELECT digest FROM jobs WHERE id = '@approved')"), // the job is not claimed
	"INSERT INTO leaves " + copyRow("leaves", "", "job_id", "'@pending'", "serial_number", "'00'", "fingerprint_sha256", "'00'"),
	"UPDATE intents SET tbs = tbs",
	"UPDATE intents SET digest = 'sha256:00'",
	"UPDATE intents SET created_at = created_at",
	"DELETE FROM intents",
	"UPDATE leaves SET certificate_pem = ''",
	"UPDATE leaves SET created_at = created_at",
	"DELETE FROM leaves",
	// Authors of changes: they are excluded.
	"UPDATE certificate_changes SET accountable = 'bob'",
	"DELETE FROM certificate_changes",
	"UPDATE profile_changes SET accountable = 'bob'",
	"DELETE FROM profile_changes",
	// Principals and keys.
	"UPDATE principals SET id = 'mallory' WHERE id = 'audrey'",
	"UPDATE principals SET kind = 'service', owner = 'bob' WHERE id = 'vera'",
	"UPDATE principals SET kind = 'human', owner = NULL WHERE id = 'terraform'",
	"UPDATE principals SET created_at = '2020-01-01 00:00:00+00:00' WHERE id = 'vera'",
	"DELETE FROM principals WHERE id = 'audrey'",
	"UPDATE keys SET secret_sha256 = ''",
	"UPDATE keys SET principal_id = 'bob' WHERE principal_id = 'alice'",
	"UPDATE keys SET id = 'other' WHERE principal_id = 'alice'",
	"UPDATE keys SET expires_at = '2020-01-01 00:00:00+00:00' WHERE principal_id = 'alice'",
	"UPDATE keys SET revoked_at = NULL WHERE principal_id = 'dora'",
	"DELETE FROM keys WHERE principal_id = 'dora'",
	// Ungated names: always one row.
	"DELETE FROM ungated_names",
	"UPDATE ungated_names SET id = 2",
	"UPDATE ungated_names SET spec = NULL",
	"INSERT INTO ungated_names " + copyRow("ungated_names", "", "allow_all", "NOT allow_all"),
	"INSERT INTO ungated_names " + copyRow("ungated_names", "", "id", "2"),
	"UPDATE issuers SET fingerprint_sha256 = fingerprint_sha256",
	"DELETE FROM issuers",
	// The audit trail.
	"UPDATE audit_events SET actor = 'carol'",
	"UPDATE audit_events SET occurred_at = occurred_at WHERE action = 'approval_approved'",
	"DELETE FROM audit_events",
	"DELETE FROM audit_events WHERE action = 'approval_rejected'",
}

var forbiddenOnPostgres = []string{
	"TRUNCATE audit_events", "TRUNCATE intents CASCADE", "TRUNCATE leaves", "TRUNCATE jobs CASCADE", "TRUNCATE approvals CASCADE",
	"TRUNCATE certificates CASCADE", "TRUNCATE certificate_changes", "TRUNCATE profile_changes", "TRUNCATE principals CASCADE", "TRUNCATE keys", "TRUNCATE issuers",
	"TRUNCATE ungated_names",
	"INSERT INTO audit_events SELECT * FROM audit_events ON CONFLICT (id) DO UPDATE SET actor = 'carol'",
	"INSERT INTO intents SELECT * FROM intents ON CONFLICT (job_id) DO UPDATE SET digest = 'sha256:00'",
}

// forbiddenOnSQLite has REPLACE, which deletes in SQLite without the triggers for DELETE.
var forbiddenOnSQLite = []string{
	"REPLACE INTO audit_events " + copyRow("audit_events", "", "actor", "'carol'"),
	"REPLACE INTO intents " + copyRow("intents", "", "digest", "digest"),
	"REPLACE INTO leaves " + copyRow("leaves", "", "certificate_pem", "''"),
	"REPLACE INTO approvals " + copyRow("approvals", "$rejected", "state", "'approved'"),
	"REPLACE INTO approvals " + copyRow("approvals", "$pending", "excluded", "'[\"alice\"]'", "note", "'replaced'"),
	"REPLACE INTO jobs " + copyRow("jobs", "@rejected", "status", "'Pending'", "finished_at", "NULL", "approval_id", "NULL", "error_message", "''"),
	"INSERT OR REPLACE INTO jobs " + copyRow("jobs", "@pending", "status", "'Pending'", "approval_id", "NULL"),
	"REPLACE INTO certificate_changes " + copyRow("certificate_changes", "", "accountable", "'bob'"),
	"REPLACE INTO profile_changes " + copyRow("profile_changes", "", "accountable", "'bob'"),
	"REPLACE INTO principals " + copyRow("principals", "vera", "roles", "'[\"approver\"]'"),
	"REPLACE INTO issuers " + copyRow("issuers", "", "created_at", "created_at"),
	"REPLACE INTO keys " + copyRow("keys", "", "revoked_at", "NULL"),
	"REPLACE INTO ungated_names " + copyRow("ungated_names", "", "allow_all", "NOT allow_all"),
	"UPDATE OR REPLACE audit_events SET id = id",
	"INSERT INTO audit_events SELECT * FROM audit_events WHERE true ON CONFLICT (id) DO UPDATE SET actor = 'carol'",
	"INSERT INTO intents SELECT * FROM intents WHERE true ON CONFLICT (job_id) DO UPDATE SET digest = 'sha256:00'",
}

// copyRow returns the rest of an INSERT that copies a row with other values. If id is empty, it copies all rows.
func copyRow(table, id string, values ...string) string {
	return "LIKE " + table + " " + id + " " + strings.Join(values, "\x00")
}

func TestSchema_RefusesForbiddenStatements(t *testing.T) {
	runOnEach(t, func(t *testing.T, start startFunc) {
		s := start(t, servertest.NoWorkers())
		p, profile := peopleOf(t, s), s.CreateProfileAsOlga(t, true).ID
		fixtures := map[string]fixture{}
		for _, name := range []string{"done", "approved", "rejected", "pending"} {
			c, j := requestNew(t, s, p, profile)
			w := fixture{p, s, c, j}
			fixtures[name] = w
			var err error
			switch name {
			case "done", "approved":
				err = w.approve()
			case "rejected":
				err = w.reject()
			}
			if err != nil {
				t.Fatal(err)
			}
			if name == "done" {
				s.Drain(t)
				p = peopleOf(t, s)
			}
		}
		s.Write(t, func(tx *store.Tx) error {
			return principal.Create(tx, "dora", api.KindHuman, "", []api.Role{api.RoleApprover})
		})
		s.NewKey(t, "dora")
		s.Disable(t, "dora")
		s.Write(t, func(tx *store.Tx) error { return principal.HandOver(tx, "dora", "vera") })
		var names []string
		for name, w := range fixtures {
			names = append(names, "$"+name, *w.job.ApprovalID, "@"+name, w.job.ID)
		}
		fill := strings.NewReplacer(names...)
		statements := append([]string{}, forbiddenStatements...)
		if s.Store.IsSQLite() {
			statements = append(statements, forbiddenOnSQLite...)
		} else {
			statements = append(statements, forbiddenOnPostgres...)
		}
		before := readRows(t, s, tables...)
		for _, statement := range statements {
			sql := expandCopy(t, s, fill.Replace(statement))
			err := s.Store.Write(context.Background(), func(tx *store.Tx) error { return tx.DB.Exec(sql).Error })
			switch {
			case err == nil:
				t.Errorf("not refused: %s", sql)
			case strings.Contains(err.Error(), "syntax"), strings.Contains(err.Error(), "no such"), strings.Contains(err.Error(), "does not exist"):
				t.Errorf("refused for its form: %s: %v", sql, err)
			}
		}
		if diff := cmp.Diff(before, readRows(t, s, tables...)); diff != "" {
			t.Errorf("something changed:\n%s", diff)
		}
		s.Drain(t)
	})
}

// expandCopy expands the text of copyRow with the columns of the table.
func expandCopy(t testing.TB, s *servertest.Server, statement string) string {
	t.Helper()
	head, rest, ok := strings.Cut(statement, " LIKE ")
	if !ok {
		return statement
	}
	parts := strings.SplitN(rest, " ", 3)
	table, id, changed := parts[0], parts[1], strings.Split(parts[2], "\x00")
	values := map[string]string{}
	for i := 0; i < len(changed); i += 2 {
		values[changed[i]] = changed[i+1]
	}
	var row []map[string]any
	s.Query(t, &row, "SELECT * FROM "+table+" LIMIT 1")
	var columns, selected []string
	for column := range row[0] {
		columns = append(columns, column)
		if value, ok := values[column]; ok {
			selected = append(selected, value)
		} else {
			selected = append(selected, column)
		}
	}
	sql := head + " (" + strings.Join(columns, ", ") + ") SELECT " + strings.Join(selected, ", ") + " FROM " + table
	if s.Store.IsSQLite() || id == "" {
		sql += " WHERE true"
	}
	if id != "" {
		sql += " AND id = '" + id + "'"
	}
	return strings.Replace(sql, table+" AND", table+" WHERE", 1)
}

// The guards of PostgreSQL ignore a temporary table with the name of a table.
func TestGuards_IgnoreTemporaryTables(t *testing.T) {
	t.Parallel()
	s := servertest.NewPostgres(t, servertest.NoWorkers())
	j := s.RequestOlgasCertificate(t, "olga")
	conn, err := pgx.Connect(t.Context(), s.Database().URL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for _, sql := range []string{
		"CREATE TEMPORARY TABLE approvals AS SELECT * FROM public.approvals",
		"UPDATE pg_temp.approvals SET state = 'approved', decided_by = 'bob', decided_at = created_at",
	} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	_, err = conn.Exec(t.Context(), "UPDATE public.jobs SET status = 'Pending' WHERE id = $1", j.ID)
	if err == nil || !strings.Contains(err.Error(), "has no approved approval") {
		t.Errorf("the job became Pending: %v", err)
	}
	var unpinned []string
	err = conn.QueryRow(t.Context(), `SELECT COALESCE(array_agg(DISTINCT p.proname::text), '{}') FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
		WHERE NOT t.tgisinternal AND array_to_string(p.proconfig, ' ') IS DISTINCT FROM 'search_path=public, pg_temp'`).Scan(&unpinned)
	if err != nil || len(unpinned) > 0 {
		t.Errorf("functions without SET search_path FROM CURRENT: %v, %v", unpinned, err)
	}
}
