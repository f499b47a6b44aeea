package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"
)

// grants are the rights of the role that serves: all that a server and the commands need, and nothing else. Rows that
// must not change have no UPDATE and no DELETE. So the triggers are the second guard, and only the owner of the tables
// can drop them. UPDATE also permits the row locks of FOR SHARE.
var grants = []struct {
	rights []string
	tables []string
}{
	{
		[]string{"SELECT", "INSERT"},
		[]string{"audit_events", "intents", "leaves", "profile_edits", "profile_changes", "certificate_changes", "issuers", "approval_names", "handovers", "principals", "keys"},
	},
	{
		[]string{"SELECT", "INSERT", "DELETE"},
		[]string{"certificate_names"},
	},
	{
		[]string{"SELECT", "INSERT", "UPDATE"},
		[]string{"certificates", "approvals", "jobs"},
	},
	{
		[]string{"SELECT", "INSERT", "UPDATE", "DELETE"},
		[]string{"profiles", "replays", "blocked_renewals", "outbox", "receivers", "notices", "sessions"},
	},
	{
		[]string{"SELECT"},
		[]string{"goose_db_version", "schema_requirements", "ungated_names"},
	},
}

// columnGrants are the columns that the commands write under the role that serves, beyond the grants of the tables. One
// of them also permits the row locks of FOR SHARE.
var columnGrants = []struct {
	table   string
	columns []string
}{
	{"principals", []string{"owner", "roles", "disabled_at", "updated_at"}},
	{"keys", []string{"revoked_at"}},
	{"ungated_names", []string{"id"}}, // for the row lock alone: its CHECK accepts one value
}

// GrantServing gives a role the rights to serve, and revokes every other right on certctl's tables. If the role still has
// more rights, by another role or as PUBLIC, GrantServing returns an error.
func (s *Store) GrantServing(ctx context.Context, role string) error {
	if s.sqlite {
		return fmt.Errorf("SQLite knows no roles: there is nothing to grant to %q", role)
	}
	return s.Write(ctx, func(tx *Tx) error {
		// Two grants at once on one table are an error in PostgreSQL; the second waits instead.
		if err := tx.DB.Exec("SELECT pg_advisory_xact_lock(hashtext('certctl grants'))").Error; err != nil {
			return err
		}
		var owns []bool
		err := tx.DB.Raw(`SELECT pg_has_role(r.oid, c.relowner, 'MEMBER') FROM pg_roles r, pg_class c
			WHERE r.rolname = ? AND c.oid = to_regclass('audit_events')`, role).Scan(&owns).Error
		switch {
		case err != nil:
			return err
		case len(owns) == 0:
			return fmt.Errorf("there is no role %q in the database: CREATE ROLE makes one", role)
		case owns[0]:
			return fmt.Errorf("the role %q owns the tables, belongs to the role that does, or is a superuser: make a role of its own for serving", role)
		}
		if err := grant(tx, role); err != nil {
			return err
		}
		_, excess, err := compareRights(tx.DB, role)
		if err == nil && len(excess) > 0 {
			err = fmt.Errorf("the role %q may do more than serving needs, by another role or as PUBLIC; revoke %s", role, strings.Join(excess, ", "))
		}
		return err
	})
}

func grant(tx *Tx, role string) error {
	var place struct {
		Schema, Database string
		OwnsDatabase     bool
	}
	err := tx.DB.Raw(`SELECT c.relnamespace::regnamespace::text AS schema, quote_ident(d.datname) AS database, pg_has_role(d.datdba, 'USAGE') AS owns_database
		FROM pg_class c, pg_database d WHERE c.oid = to_regclass('audit_events') AND d.datname = current_database()`).Scan(&place).Error
	if err != nil {
		return err
	}
	to := pgx.Identifier{role}.Sanitize()
	statements := []string{fmt.Sprintf("GRANT USAGE ON SCHEMA %s TO %s", place.Schema, to)}
	if place.OwnsDatabase {
		statements = append(statements, fmt.Sprintf("REVOKE TEMPORARY ON DATABASE %s FROM PUBLIC, %s", place.Database, to))
	}
	for _, g := range grants {
		tables := strings.Join(g.tables, ", ")
		statements = append(statements, fmt.Sprintf("REVOKE ALL ON %s FROM %s", tables, to),
			fmt.Sprintf("GRANT %s ON %s TO %s", strings.Join(g.rights, ", "), tables, to))
	}
	for _, g := range columnGrants {
		statements = append(statements, fmt.Sprintf("GRANT UPDATE (%s) ON %s TO %s", strings.Join(g.columns, ", "), g.table, to))
	}
	// Everyone may call functions by default; a hardened database revokes that.
	statements = append(statements, fmt.Sprintf("GRANT EXECUTE ON FUNCTION audit_generation() TO %s", to))
	for _, statement := range statements {
		if err := tx.DB.Exec(statement).Error; err != nil {
			return fmt.Errorf("grant: %w", err)
		}
	}
	return nil
}

// checkRights returns an error if the role lacks a right that the program needs: a grant may be older than a table.
func checkRights(db *gorm.DB, role string) error {
	lacking, _, err := compareRights(db, role)
	if err != nil || len(lacking) == 0 {
		return err
	}
	if n := len(lacking); n > 3 {
		lacking = append(lacking[:3], fmt.Sprintf("and %d more", n-3))
	}
	return fmt.Errorf("the role %q lacks rights (%s): run certctl migrate --serve-role %s with the role that owns the tables",
		role, strings.Join(lacking, ", "), role)
}

// compareRights returns the rights of the grants that a role lacks, and those that it has beyond them. A table that does
// not exist yet counts for neither.
func compareRights(db *gorm.DB, role string) (lacking, excess []string, err error) {
	compare := func(rights []right, granted func(right) bool) {
		for _, r := range rights {
			switch granted := granted(r); {
			case granted && !r.Held:
				lacking = append(lacking, r.Right+" on "+r.Name)
			case r.Held && !granted:
				excess = append(excess, r.Right+" on "+r.Name)
			}
		}
	}
	for _, g := range grants {
		rights, err := readTableRights(db, role, g.tables)
		if err != nil {
			return nil, nil, err
		}
		compare(rights, func(r right) bool { return slices.Contains(g.rights, r.Right) })
	}
	for _, g := range columnGrants {
		rights, err := readColumnRights(db, role, g.table)
		if err != nil {
			return nil, nil, err
		}
		compare(rights, func(r right) bool { return slices.Contains(g.columns, r.Column) })
	}
	var callable []bool // none before the function exists
	err = db.Raw("SELECT has_function_privilege(?, f, 'EXECUTE') FROM to_regprocedure('audit_generation()') f WHERE f IS NOT NULL", role).Scan(&callable).Error
	if err == nil && slices.Contains(callable, false) {
		lacking = append(lacking, "EXECUTE on audit_generation")
	}
	more, moreErr := listRightsBeyondTables(db, role)
	return lacking, append(excess, more...), errors.Join(err, moreErr)
}

// right is one that a role may hold on a table, or on a column of it.
type right struct {
	Name, Column, Right string
	Held                bool
}

func readTableRights(db *gorm.DB, role string, tables []string) ([]right, error) {
	var rights []right
	err := db.Raw(`SELECT c.relname AS name, r.right, has_table_privilege(?, c.oid, r.right) AS held
		FROM unnest(string_to_array(?, ',')) t JOIN pg_class c ON c.oid = to_regclass(t)
		CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) r ("right")
		ORDER BY 1, 2`,
		role, strings.Join(tables, ",")).Scan(&rights).Error
	return rights, err
}

func readColumnRights(db *gorm.DB, role, table string) ([]right, error) {
	var rights []right
	err := db.Raw(`SELECT c.relname AS name, a.attname AS column, format('UPDATE (%I)', a.attname) AS right,
			has_column_privilege(?, c.oid, a.attnum, 'UPDATE') AS held
		FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
		WHERE c.oid = to_regclass(?) ORDER BY a.attnum`,
		role, table).Scan(&rights).Error
	return rights, err
}

// listRightsBeyondTables lists rights by which a role could shadow the tables with others.
func listRightsBeyondTables(db *gorm.DB, role string) (excess []string, _ error) {
	var may struct{ Creates, MakesTemporary bool }
	err := db.Raw(`SELECT COALESCE(has_schema_privilege(?, current_schema(), 'CREATE'), false) AS creates,
		has_database_privilege(?, current_database(), 'TEMPORARY') AS makes_temporary`, role, role).Scan(&may).Error
	if may.Creates {
		excess = append(excess, "CREATE on the schema")
	}
	if may.MakesTemporary {
		excess = append(excess, "TEMPORARY on the database")
	}
	return excess, err
}
