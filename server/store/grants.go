package store

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"
)

// grants are the rights of the role that serves: all that a server and the commands need, and nothing else. What must
// not change once it is written has no UPDATE and no DELETE, so the triggers that refuse it are the second lock, and
// only the tables' owner could take them away. UPDATE also permits the row locks of FOR SHARE.
var grants = []struct {
	rights []string
	tables []string
}{
	{
		[]string{"SELECT", "INSERT"},
		[]string{"audit_events", "intents", "leaves", "profile_edits", "profile_changes", "certificate_changes"},
	},
	{
		[]string{"SELECT", "INSERT", "UPDATE"},
		[]string{"principals", "keys", "certificates", "approvals", "jobs"},
	},
	{
		[]string{"SELECT", "INSERT", "UPDATE", "DELETE"},
		[]string{"profiles", "replays"},
	},
	{
		[]string{"SELECT"},
		[]string{"goose_db_version"},
	},
}

// GrantServing gives a role the rights to serve, and takes every other right on certctl's tables from it. A role that
// may do more all the same is refused: it would not be bound by what was granted.
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
	var schema string
	if err := tx.DB.Raw("SELECT relnamespace::regnamespace::text FROM pg_class WHERE oid = to_regclass('audit_events')").Scan(&schema).Error; err != nil {
		return err
	}
	to := pgx.Identifier{role}.Sanitize()
	statements := []string{fmt.Sprintf("GRANT USAGE ON SCHEMA %s TO %s", schema, to)}
	for _, g := range grants {
		tables := strings.Join(g.tables, ", ")
		statements = append(statements, fmt.Sprintf("REVOKE ALL ON %s FROM %s", tables, to),
			fmt.Sprintf("GRANT %s ON %s TO %s", strings.Join(g.rights, ", "), tables, to))
	}
	for _, statement := range statements {
		if err := tx.DB.Exec(statement).Error; err != nil {
			return fmt.Errorf("grant: %w", err)
		}
	}
	return nil
}

// checkRights finds out before the first request whether this role was granted what the program needs: a grant may
// be older than a table.
func (s *Store) checkRights(ctx context.Context, role string) error {
	lacking, _, err := compareRights(s.reader.WithContext(ctx), role)
	if err != nil || len(lacking) == 0 {
		return err
	}
	if n := len(lacking); n > 3 {
		lacking = append(lacking[:3], fmt.Sprintf("and %d more", n-3))
	}
	return fmt.Errorf("the role %q lacks rights (%s): run certctl migrate --serve-role %s with the role that owns the tables",
		role, strings.Join(lacking, ", "), role)
}

// compareRights tells what a role lacks of the grants, and what it has beyond them, by whatever way. Tables that are
// not there yet count for neither.
func compareRights(db *gorm.DB, role string) (lacking, excess []string, err error) {
	for _, g := range grants {
		var rights []struct {
			Name, Right string
			Held        bool
		}
		err := db.Raw(`SELECT c.relname AS name, r.right, has_table_privilege(?, c.oid, r.right) AS held
			FROM unnest(string_to_array(?, ',')) t JOIN pg_class c ON c.oid = to_regclass(t)
			CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) r ("right")
			ORDER BY 1, 2`,
			role, strings.Join(g.tables, ",")).Scan(&rights).Error
		if err != nil {
			return nil, nil, err
		}
		for _, r := range rights {
			switch granted := slices.Contains(g.rights, r.Right); {
			case granted && !r.Held:
				lacking = append(lacking, r.Right+" on "+r.Name)
			case r.Held && !granted:
				excess = append(excess, r.Right+" on "+r.Name)
			}
		}
	}
	var creates bool
	if err := db.Raw("SELECT COALESCE(has_schema_privilege(?, current_schema(), 'CREATE'), false)", role).Scan(&creates).Error; err != nil {
		return nil, nil, err
	}
	if creates {
		excess = append(excess, "CREATE on the schema")
	}
	return lacking, excess, nil
}
