package approval_test

import (
	"context"
	"testing"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/principal"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Disabling a decider waits for a decision that has begun. Once disabled, the person decides no more.
func TestDisable_WaitsForADecision(t *testing.T) {
	t.Parallel()
	s := servertest.NewPostgres(t, servertest.NoWorkers())
	ctx := context.Background()
	id := *s.RequestOlgasCertificate(t, "alice").ApprovalID
	bob := s.Client(t, "bob")

	held, release := make(chan struct{}), make(chan struct{})
	holding := make(chan error, 1)
	go func() {
		holding <- s.Store.Write(ctx, func(tx *store.Tx) error {
			err := tx.DB.Exec("SELECT 1 FROM profiles FOR UPDATE").Error
			close(held)
			<-release
			return err
		})
	}()
	<-held
	decided, disabled := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := bob.ApproveApproval(ctx, id, api.Decision{})
		decided <- err
	}()
	s.WaitForLocks(t, 1)
	go func() {
		disabled <- s.Store.Write(ctx, disablePrincipal("bob"))
	}()
	s.WaitForLocks(t, 2)
	close(release)
	for _, done := range []chan error{holding, decided, disabled} {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func disablePrincipal(id string) func(*store.Tx) error {
	return func(tx *store.Tx) error {
		_, err := principal.Disable(tx, id)
		return err
	}
}

// A disabled person and their service can request nothing, though the server still caches their keys.
func TestRequest_RefusesADisabledPerson(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		c := s.CreateCertificateAsOlga(t, s.CreateProfileAsOlga(t, true).ID)
		both := []string{"alice", "terraform"}
		for _, who := range both {
			if _, err := s.Client(t, who).GetCertificate(context.Background(), c.ID); err != nil {
				t.Fatal(err)
			}
		}
		s.Disable(t, "alice")
		for _, who := range both {
			_, err := s.Client(t, who).RenewCertificate(context.Background(), c.ID, api.Renew{})
			servertest.RequireProblem(t, err, api.CodeUnauthenticated)
		}
	})
}
