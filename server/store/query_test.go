package store_test

import (
	"strings"
	"testing"

	"github.com/certctl/terraform-provider-certctl/server/servertest"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Query accepts one SELECT and nothing else.
func TestQuery_AcceptsOneSelect(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		count := func(tx *store.Tx) (int, error) {
			n := 0
			return n, tx.DB.Raw("SELECT count(*) FROM principals").Scan(&n).Error
		}
		err := s.Store.Query(t.Context(), func(tx *store.Tx) error {
			n, err := count(tx)
			if n == 0 {
				t.Error("it finds nothing")
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
		for name, f := range map[string]func(*store.Tx) error{
			"a second statement": func(tx *store.Tx) error {
				if _, err := count(tx); err != nil {
					return err
				}
				_, err := count(tx)
				return err
			},
			"an UPDATE": func(tx *store.Tx) error { return tx.DB.Exec("UPDATE principals SET roles = roles").Error },
			"an UPDATE ... RETURNING": func(tx *store.Tx) error {
				var id string
				return tx.Must(&id, "UPDATE principals SET roles = roles RETURNING id")
			},
			"an UPDATE for one row": func(tx *store.Tx) error {
				var id string
				return tx.DB.Raw("UPDATE principals SET roles = roles RETURNING id").Row().Scan(&id)
			},
		} {
			if err := s.Store.Query(t.Context(), f); err == nil {
				t.Errorf("%s passes", name)
			} else if !strings.Contains(err.Error(), "in Query") && !strings.Contains(err.Error(), "refused") {
				t.Errorf("%s: %v", name, err)
			}
		}
	}, servertest.NoWorkers())
}
