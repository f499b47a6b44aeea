package rest_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// A newer program adds columns while a server of this program has prepared its statements. Calls that write succeed.
// Reads succeed or ask to be tried again.
func TestColumnsOfANewerProgram_FailNoCall(t *testing.T) {
	t.Parallel()
	s := servertest.NewPostgres(t, servertest.NoWorkers())
	certificate := s.CreateCertificateAsOlga(t, s.CreateProfileAsOlga(t, false).ID).ID
	s.Key(t, "olga")
	readAtOnce := func() (statuses map[int]int) {
		statuses = map[int]int{}
		var mu sync.Mutex
		var reading sync.WaitGroup
		for range 30 {
			reading.Go(func() {
				got := send(t, s, "olga", http.MethodGet, "/api/v1/certificates/"+certificate, "")
				mu.Lock()
				defer mu.Unlock()
				statuses[got.status]++
			})
		}
		reading.Wait()
		return statuses
	}
	for range 5 {
		readAtOnce()
	}
	for i := range 5 {
		for _, table := range []string{"certificates", "profiles", "jobs", "principals", "keys"} {
			s.Exec(t, fmt.Sprintf("ALTER TABLE %s ADD COLUMN newer_%d text", table, i))
		}
		body := fmt.Sprintf(`{"name":"After the migration %d"}`, i)
		if got := send(t, s, "olga", http.MethodPost, "/api/v1/profiles", body); got.status != http.StatusCreated {
			t.Errorf("a write gets %d: %s", got.status, got.body)
		}
		for status, n := range readAtOnce() {
			if status != http.StatusOK && status != http.StatusServiceUnavailable {
				t.Errorf("%d reads get %d", n, status)
			}
		}
		servertest.WaitUntil(t, func() error {
			if got := readAtOnce(); got[http.StatusOK] != 30 {
				return fmt.Errorf("reads get %v", got)
			}
			return nil
		})
	}
}
