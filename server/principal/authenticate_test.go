package principal_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
	"github.com/certctl/terraform-provider-certctl/server/principal"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// A caller who was disabled, or whose key was revoked, is refused within five seconds, in spite of the cache. A service
// of a disabled owner is refused too. A key expires at once.
func TestAuthenticate_RefusesWithinFiveSeconds(t *testing.T) {
	changes := map[string]struct {
		who    string
		change func(t *testing.T, s *servertest.Server, key string)
	}{
		"disabled": {"vera", func(t *testing.T, s *servertest.Server, _ string) {
			s.Disable(t, "vera")
		}},
		"the owner is disabled": {"terraform", func(t *testing.T, s *servertest.Server, _ string) {
			s.Disable(t, "alice")
		}},
		"revoked": {"vera", func(t *testing.T, s *servertest.Server, key string) {
			s.Write(t, func(tx *store.Tx) error { return principal.RevokeKey(tx, key[4:20]) })
		}},
	}
	for name, c := range changes {
		t.Run(name, func(t *testing.T) {
			servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
				key := s.Key(t, c.who)
				caller := s.Client(t, c.who)
				if _, err := caller.GetApprovalSummary(context.Background(), client.GetApprovalSummaryOptions{}); err != nil {
					t.Fatal(err)
				}
				c.change(t, s, key)
				since := time.Now()
				servertest.WaitUntil(t, func() error {
					elapsed := time.Since(since)
					_, err := caller.GetApprovalSummary(context.Background(), client.GetApprovalSummaryOptions{})
					if err == nil && elapsed > 5*time.Second {
						t.Fatalf("%s is accepted after %s", c.who, elapsed)
					}
					if err == nil {
						return fmt.Errorf("%s is still accepted", c.who)
					}
					servertest.RequireProblem(t, err, api.CodeUnauthenticated)
					return nil
				})
			})
		})
	}
	t.Run("expired", func(t *testing.T) {
		servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
			var key string
			s.Write(t, func(tx *store.Tx) (err error) {
				key, err = principal.CreateKey(tx, "vera", "short", time.Hour)
				return err
			})
			caller, err := client.New(s.URL, key, client.WithRetries(0))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := caller.GetApprovalSummary(context.Background(), client.GetApprovalSummaryOptions{}); err != nil {
				t.Fatal(err)
			}
			s.Clock.Advance(time.Hour)
			_, err = caller.GetApprovalSummary(context.Background(), client.GetApprovalSummaryOptions{})
			servertest.RequireProblem(t, err, api.CodeUnauthenticated)
		})
	})
}
