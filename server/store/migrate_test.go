package store_test

import (
	"strings"
	"testing"

	"github.com/certctl/terraform-provider-certctl/server/servertest"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// A database whose first migration was another one than the program's is refused in one line that says what to do.
func TestMigrate_OldInit(t *testing.T) {
	for name, age := range map[string]string{
		"older than its number": "ALTER TABLE schema_requirements DROP COLUMN init",
		"older than the freeze": "DROP TABLE schema_requirements",
		"another number":        "UPDATE schema_requirements SET init = 0",
	} {
		t.Run(name, func(t *testing.T) {
			servertest.Each(t, func(t *testing.T, s *servertest.Server) {
				s.Exec(t, age)
				db, err := store.Open(s.Database())
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() {
					if err := db.Close(); err != nil {
						t.Error(err)
					}
				})
				err = db.Migrate(t.Context())
				if err == nil || !strings.Contains(err.Error(), "start with an empty database") || strings.Contains(err.Error(), "\n") {
					t.Errorf("it is migrated: %v", err)
				}
			}, servertest.NoWorkers(), servertest.Tampered())
		})
	}
}
