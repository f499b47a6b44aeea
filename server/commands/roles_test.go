package commands

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// The serving role owns no table. Every write of the server works under it, and it cannot change immutable rows.
func TestServeRole_CanServeAndNoMore(t *testing.T) {
	t.Parallel()
	db := newRoles(t)
	env := append(newCA(t), "CERTCTL_DATABASE_URL="+db.serverURL, "CERTCTL_LOG_LEVEL=warn")
	owner := []string{"CERTCTL_DATABASE_URL=" + db.ownerURL, "CERTCTL_LOG_LEVEL=warn"}
	dir := t.TempDir()
	checkRefusal := func(env []string, text string, args ...string) {
		t.Helper()
		got := runCertctl(t, dir, env, args...)
		got.stderr = regexp.MustCompile(`and \d+ more`).ReplaceAllString(got.stderr, "and more")
		if want := "certctl: error: " + text + "\n"; !got.failed || got.stderr != want {
			t.Errorf("%v: failed %t\n got %s\nwant %s", args, got.failed, got.stderr, want)
		}
	}
	runOK := func(env []string, args ...string) string {
		t.Helper()
		got := runCertctl(t, dir, env, args...)
		if got.failed || got.stderr != "" {
			t.Fatalf("%v: %s", args, got.stderr)
		}
		return strings.TrimSpace(got.stdout)
	}

	again := fmt.Sprintf("run certctl migrate --serve-role %s with the role that", db.role)
	nothing := fmt.Sprintf("the role %q finds no tables of certctl in the database and may not make them: %s is to own them", db.role, again)
	checkRefusal(env, nothing, "serve")
	checkRefusal(env, nothing, "migrate")
	checkRefusal(env, nothing, "principal", "list")

	// As in a database that was hardened: the grant has to name the functions.
	db.exec(t, db.ownerURL, "ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC")
	runOK(owner, "migrate")
	checkRefusal(env, fmt.Sprintf("the role %q lacks rights (INSERT on approval_names, SELECT on approval_names, INSERT on audit_events, and more): %s owns the tables", db.role, again), "serve")
	checkRefusal(owner, `there is no role "nobody" in the database: CREATE ROLE makes one`, "migrate", "--serve-role", "nobody")
	checkRefusal(owner, fmt.Sprintf("the role %q owns the tables, belongs to the role that does, or is a superuser: make a role of its own for serving", db.ownerRole), "migrate", "--serve-role", db.ownerRole)
	runOK(owner, "migrate", "--serve-role", db.role)
	db.exec(t, db.ownerURL, "REVOKE EXECUTE ON FUNCTION audit_generation() FROM "+db.quoted)
	checkRefusal(env, fmt.Sprintf("the role %q lacks rights (EXECUTE on audit_generation): %s owns the tables", db.role, again), "serve")
	runOK(owner, "migrate", "--serve-role", db.role)
	// With too many rights: migrate revokes those that it can, and names the others.
	db.exec(t, db.superURL, "GRANT ALL ON audit_events, intents TO "+db.quoted)
	runOK(owner, "migrate", "--serve-role", db.role)
	db.exec(t, db.superURL, "GRANT UPDATE, DELETE ON audit_events TO PUBLIC")
	checkRefusal(owner, fmt.Sprintf("the role %q may do more than serving needs, by another role or as PUBLIC; revoke DELETE on audit_events, UPDATE on audit_events", db.role), "migrate", "--serve-role", db.role)
	db.exec(t, db.superURL, "REVOKE UPDATE, DELETE ON audit_events FROM PUBLIC")
	db.exec(t, db.superURL, "GRANT UPDATE (kind) ON principals TO PUBLIC")
	checkRefusal(owner, fmt.Sprintf("the role %q may do more than serving needs, by another role or as PUBLIC; revoke UPDATE (kind) on principals", db.role), "migrate", "--serve-role", db.role)
	db.exec(t, db.superURL, "REVOKE UPDATE (kind) ON principals FROM PUBLIC")
	// Only the owner of the database can revoke the right to make temporary tables from PUBLIC.
	db.exec(t, db.superURL, fmt.Sprintf("ALTER DATABASE %s OWNER TO CURRENT_USER", db.database))
	db.exec(t, db.superURL, fmt.Sprintf("GRANT TEMPORARY ON DATABASE %s TO PUBLIC", db.database))
	checkRefusal(owner, fmt.Sprintf("the role %q may do more than serving needs, by another role or as PUBLIC; revoke TEMPORARY on the database", db.role), "migrate", "--serve-role", db.role)
	db.exec(t, db.superURL, fmt.Sprintf("ALTER DATABASE %s OWNER TO %s", db.database, db.ownerRole))
	runOK(owner, "migrate", "--serve-role", db.role)

	keys := map[string]string{}
	for _, name := range []string{"alice", "bob"} {
		runOK(env, "principal", "create", name, "--kind", "human", "--role", "operator")
		runOK(env, "principal", "disable", name)
		runOK(env, "principal", "enable", name)
		runOK(env, "principal", "roles", name, "--role", "operator", "--role", "approver")
		keys[name] = runOK(env, "key", "create", name)
		runOK(env, "key", "revoke", runOK(env, "key", "create", name))
	}
	// The serving role reads the ungated names, and cannot write them.
	const unwritten = "nothing was changed: the database role may not write the ungated names, use the role that owns the tables"
	checkRefusal(env, unwritten, "ungated-names", "set", "--dns", "*.dev.example.com")
	checkRefusal(env, unwritten, "ungated-names", "set", "--none")
	runOK(owner, "ungated-names", "set", "--none")
	checkRefusal(env, unwritten, "ungated-names", "allow-all", "--yes")
	if got := runOK(env, "ungated-names", "show"); got != "No name may be signed without approval." {
		t.Errorf("ungated-names show: %s", got)
	}
	runOK(env, "principal", "create", "bot", "--kind", "service", "--owner", "alice", "--role", "operator")
	runOK(env, "principal", "owner", "bot", "--owner", "bob")
	for _, list := range []string{"principal", "key"} {
		if got := runOK(env, list, "list"); !strings.Contains(got, "alice") {
			t.Errorf("%s list: %s", list, got)
		}
	}

	// The server starts after all these commands.
	info := append(slices.Clone(env), "CERTCTL_LOG_LEVEL=info", "CERTCTL_REAPER_INTERVAL=100ms", "CERTCTL_RENEWAL_INTERVAL=100ms")
	server := startServer(t, dir, info...)
	alice, bob := server.newClient(t, keys["alice"]), server.newClient(t, keys["bob"])
	writeEveryTable(t, alice, bob)

	// A newer schema stops no running server, no starting server and no command.
	db.exec(t, db.ownerURL, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, true)")
	if err := alice.GetReady(t.Context()); err != nil {
		t.Errorf("a newer schema made the server unready: %v", err)
	}
	server.stop()
	for line := range strings.Lines(server.log.String()) {
		if !strings.Contains(line, `"level":"INFO"`) {
			t.Errorf("under the serving role: %s", line)
		}
	}
	server = startServer(t, dir, info...)
	alice, bob = server.newClient(t, keys["alice"]), server.newClient(t, keys["bob"])
	issueCertificate(t, alice, bob)
	server.stop()
	if !strings.Contains(server.log.String(), `"the schema is newer than this program: another version of certctl migrated it","version":999`) {
		t.Errorf("no word of the newer schema:\n%s", server.log)
	}
	if got := runCertctl(t, dir, env, "key", "list"); got.failed {
		t.Error(got.stderr)
	}

	db.checkServerRefused(t)

	// The program of the next version, before its migration.
	db.exec(t, db.ownerURL, "DELETE FROM goose_db_version WHERE version_id > 0")
	got := runCertctl(t, dir, env, "serve")
	want := fmt.Sprintf(`, and the role %q may not change it: %s owns it, %q`, db.role, again, db.ownerRole)
	if !got.failed || !strings.HasPrefix(got.stderr, "certctl: error: the schema has version 0, this program needs ") ||
		!strings.HasSuffix(got.stderr, want+"\n") || strings.Count(got.stderr, "\n") != 1 {
		t.Errorf("the schema is behind: %+v", got)
	}
}

// writeEveryTable makes the server insert, update and delete rows in every table where it does so.
func writeEveryTable(t *testing.T, alice, bob *client.Client) {
	t.Helper()
	ctx := t.Context()
	profile := issueCertificate(t, alice, bob)
	noError := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	// Two edits wait. One is rejected, the other approved.
	profile.AllowedDNSNames = append(profile.AllowedDNSNames, "**.example.org")
	for _, decide := range []func(context.Context, string, api.Decision) (api.Approval, error){bob.RejectApproval, bob.ApproveApproval} {
		profile.Description += "again"
		profile.MaxSANs++ // a description alone would not wait
		_, err := alice.ReplaceProfile(ctx, profile.ID, profile.ProfileSpec)
		var waiting *client.AwaitingApprovalError
		if !errors.As(err, &waiting) {
			t.Fatalf("the edit did not wait: %v", err)
		}
		_, err = decide(ctx, waiting.Approval.ID, api.Decision{})
		noError(err)
	}
	// Another request is withdrawn, and then the certificate is archived.
	certificate, err := alice.CreateCertificate(ctx, newCertificateBody(t, profile.ID))
	noError(err)
	job, err := alice.RenewCertificate(ctx, certificate.ID, api.Renew{})
	noError(err)
	_, err = alice.WithdrawApproval(ctx, *job.ApprovalID, api.Withdrawal{})
	noError(err)
	noError(alice.DeleteCertificate(ctx, certificate.ID))
	// A profile without certificates is deleted.
	unused, err := alice.CreateProfile(ctx, api.CreateProfile{ProfileSpec: newGatedSpec("unused")})
	noError(err)
	noError(alice.DeleteProfile(ctx, unused.ID))
}

// issueCertificate makes a gated certificate as alice, approves it as bob, and waits until it is issued.
func issueCertificate(t *testing.T, alice, bob *client.Client) api.Profile {
	t.Helper()
	ctx := t.Context()
	profile, err := alice.CreateProfile(ctx, api.CreateProfile{ProfileSpec: newGatedSpec(store.NewID("profile "))})
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := alice.CreateCertificate(ctx, newCertificateBody(t, profile.ID))
	if err != nil {
		t.Fatal(err)
	}
	job, err := alice.RenewCertificate(ctx, certificate.ID, api.Renew{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bob.ApproveApproval(ctx, *job.ApprovalID, api.Decision{}); err != nil {
		t.Fatal(err)
	}
	servertest.WaitUntil(t, func() error {
		job, err := alice.GetJob(ctx, job.ID)
		if err == nil && job.Status != api.JobCompleted {
			err = fmt.Errorf("the job is %s: %s", job.Status, job.ErrorMessage)
		}
		return err
	})
	return profile
}

func newGatedSpec(name string) api.ProfileSpec {
	spec := api.DefaultProfileSpec()
	spec.Name, spec.RequiresApproval, spec.AllowedDNSNames = name, true, []string{"**.example.com"}
	return spec
}

func newCertificateBody(t *testing.T, profileID string) api.CreateCertificate {
	spec := api.DefaultCertificateSpec()
	spec.CommonName, spec.SANs, spec.ProfileID, spec.CSRPEM = "host.example.com", []string{"host.example.com"}, profileID, servertest.CSR(t)
	return api.CreateCertificate{CertificateSpec: spec}
}

// roles are an empty database, the role that owns it, and the role that serves.
type roles struct {
	superURL, ownerURL, serverURL string
	ownerRole, role               string
	database                      string
	quoted                        string // role, for SQL
}

func newRoles(t *testing.T) roles {
	t.Helper()
	servertest.NeedPostgres(t)
	base := os.Getenv("CERTCTL_TEST_POSTGRES_URL")
	if base == "" {
		t.Fatal("CERTCTL_TEST_POSTGRES_URL is not set: run the tests with make test, or with scripts/with-postgres go test ...")
	}
	// SQL must quote these names, and no layer may take them for parameters.
	id := store.NewID("")
	r := roles{ownerRole: "owner_" + id, role: `serve"` + id + `-?@$1'`}
	r.quoted = pgx.Identifier{r.role}.Sanitize()
	database := "roles_" + id
	r.database = database
	urlFor := func(user, password, database string) string {
		u, err := url.Parse(base)
		if err != nil {
			t.Fatal(err)
		}
		if u.Path = "/" + database; user != "" {
			u.User = url.UserPassword(user, password)
		}
		return u.String()
	}
	r.superURL, r.ownerURL, r.serverURL = urlFor("", "", database), urlFor(r.ownerRole, "o", database), urlFor(r.role, "s", database)
	for _, sql := range []string{
		"CREATE ROLE " + r.ownerRole + " LOGIN PASSWORD 'o'",
		"CREATE ROLE " + r.quoted + " LOGIN PASSWORD 's'",
		"CREATE DATABASE " + database + " OWNER " + r.ownerRole,
	} {
		r.exec(t, base, sql)
	}
	t.Cleanup(func() {
		r.exec(t, base, "DROP DATABASE "+database+" WITH (FORCE)")
		r.exec(t, base, "DROP ROLE "+r.ownerRole+", "+r.quoted)
	})
	// This is the default since PostgreSQL 15.
	r.exec(t, r.superURL, "REVOKE CREATE ON SCHEMA public FROM PUBLIC")
	return r
}

func (roles) exec(t *testing.T, where, sql string) {
	t.Helper()
	if err := executeSQL(where, sql); err != nil {
		t.Errorf("%s: %v", sql, err)
	}
}

func executeSQL(where, sql string) error {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, where)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, sql)
	return err
}

// checkServerRefused tries statements that the serving role must not run. The database refuses them for a missing right,
// before any trigger runs.
func (r roles) checkServerRefused(t *testing.T) {
	t.Helper()
	const insufficientPrivilege = "42501"
	for _, sql := range []string{
		"UPDATE audit_events SET actor = 'bob'", "DELETE FROM audit_events", "TRUNCATE audit_events",
		"ALTER TABLE audit_events DISABLE TRIGGER ALL", "DROP TRIGGER audit_immutable ON audit_events", "DROP TABLE audit_events CASCADE",
		"ALTER TABLE audit_events RENAME TO other", "CREATE INDEX ON audit_events (id)",
		"CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'", "DROP FUNCTION refuse_change CASCADE",
		"CREATE TABLE extra (id text)", "CREATE TRIGGER extra BEFORE INSERT ON jobs FOR EACH ROW EXECUTE FUNCTION refuse_change()",
		"SET session_replication_role = replica", "SET ROLE " + r.ownerRole,
		"UPDATE intents SET digest = ''", "DELETE FROM intents", "UPDATE leaves SET sans = ''", "DELETE FROM leaves", "UPDATE profile_edits SET spec = ''",
		"UPDATE profile_changes SET accountable = 'bob'", "DELETE FROM profile_changes", "UPDATE certificate_changes SET accountable = 'bob'",
		"DELETE FROM approvals", "DELETE FROM jobs", "DELETE FROM certificates", "DELETE FROM principals", "DELETE FROM keys",
		"UPDATE principals SET kind = 'human'", "UPDATE principals SET id = 'bob'", "UPDATE keys SET secret_sha256 = ''", "UPDATE keys SET principal_id = 'bob'",
		"UPDATE keys SET expires_at = NULL", "CREATE TEMPORARY TABLE approvals (id text)", "UPDATE issuers SET fingerprint_sha256 = ''", "DELETE FROM issuers",
		"UPDATE schema_requirements SET min_program = 1", "DELETE FROM schema_requirements",
		"TRUNCATE replays", "TRUNCATE profiles CASCADE", "UPDATE goose_db_version SET version_id = 2", "INSERT INTO goose_db_version (version_id, is_applied) VALUES (1, true)",
		"UPDATE ungated_names SET allow_all = true", "UPDATE ungated_names SET spec = '{}'", "UPDATE ungated_names SET updated_at = now()",
		"DELETE FROM ungated_names", "TRUNCATE ungated_names", "INSERT INTO ungated_names (id, allow_all, spec, updated_at) VALUES (1, true, '{}', now())",
		"INSERT INTO ungated_names (id, allow_all, spec, updated_at) VALUES (1, true, '{}', now()) ON CONFLICT (id) DO UPDATE SET allow_all = true",
	} {
		var refusal *pgconn.PgError
		if err := executeSQL(r.serverURL, sql); !errors.As(err, &refusal) || refusal.Code != insufficientPrivilege {
			t.Errorf("%s: %v", sql, err)
		}
	}
	// Each table must have grants. Otherwise a migration could add a table that the serving role cannot use.
	var missing []string
	conn, err := pgx.Connect(t.Context(), r.ownerURL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	err = conn.QueryRow(t.Context(), `SELECT COALESCE(array_agg(tablename), '{}') FROM pg_tables
		WHERE tableowner = $1 AND NOT has_table_privilege($2, format('%I.%I', schemaname, tablename), 'SELECT')`, r.ownerRole, r.role).Scan(&missing)
	if err != nil || len(missing) > 0 {
		t.Errorf("no grant for the tables %v: %v", missing, err)
	}
}
