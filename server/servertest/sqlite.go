package servertest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/certctl/terraform-provider-certctl/server/store"
)

// createMigratedFile copies a migrated template to a new SQLite file.
func createMigratedFile(t testing.TB) string {
	t.Helper()
	NeedSQLite(t)
	template, err := sqliteTemplate()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "certctl.db")
	if err := os.WriteFile(path, template, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// sqliteTemplate returns the content of a migrated file. Each test binary has one template.
var sqliteTemplate = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "certctl-template-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "certctl.db")
	db, err := store.Open(store.Options{Path: path})
	if err != nil {
		return nil, err
	}
	// The last connection writes the log into the file when it closes.
	if err := errors.Join(db.Migrate(context.Background()), db.Close()); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})
