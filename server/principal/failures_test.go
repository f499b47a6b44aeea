package principal_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// transactions counts the open transactions, by the statements of the database.
type transactions struct {
	mu                    sync.Mutex
	open, most, statement int
}

func (c *transactions) trace(sql string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.statement++
	switch sql = strings.ToUpper(sql); {
	case strings.HasPrefix(sql, "BEGIN"):
		c.open++
		c.most = max(c.most, c.open)
	case strings.HasPrefix(sql, "COMMIT"), strings.HasPrefix(sql, "ROLLBACK"):
		c.open--
	}
}

func (c *transactions) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.most, c.statement = c.open, 0
}

func (c *transactions) read() (most, statements int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.most, c.statement
}

// An address that tries keys cannot take all connections of the database. A valid key is accepted meanwhile.
func TestAuthenticate_LimitsFailures(t *testing.T) {
	t.Parallel()
	var count transactions
	s := servertest.NewPostgres(t, servertest.NoWorkers(), servertest.Trace(count.trace))
	ctx := context.Background()
	valid := s.Client(t, "vera") // the key is not cached yet
	try := func(key string) error {
		c, err := client.New(s.URL, key, client.WithRetries(0))
		if err != nil {
			return err
		}
		_, err = c.GetMe(ctx)
		return err
	}

	count.reset()
	for _, noKey := range []string{"x", "ctl_short_secret", strings.Repeat("a", 2000), "ctl_" + strings.Repeat("A", 16) + "_" + strings.Repeat("b", 43)} {
		servertest.RequireProblem(t, try(noKey), api.CodeUnauthenticated)
	}
	if _, statements := count.read(); statements != 0 {
		t.Errorf("malformed keys cost %d statements", statements)
	}

	unknown := func(i int) string { return fmt.Sprintf("ctl_%016d_%s", i, strings.Repeat("b", 43)) }
	for i := 0; !api.Is(try(unknown(i)), api.CodeRateLimited); i++ {
		if i > 200 {
			t.Fatal("the address is not limited")
		}
	}
	count.reset()
	var trying sync.WaitGroup
	for i := range 200 {
		trying.Go(func() {
			if err := try(unknown(i)); !api.Is(err, api.CodeRateLimited, api.CodeUnauthenticated) {
				t.Error(err)
			}
		})
	}
	if _, err := valid.GetMe(ctx); err != nil {
		t.Errorf("a valid key: %v", err)
	}
	trying.Wait()
	if most, statements := count.read(); most > 2 || statements == 0 {
		t.Errorf("%d transactions at once, %d statements", most, statements)
	}
}
