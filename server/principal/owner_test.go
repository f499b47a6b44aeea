package principal_test

import (
	"context"
	"testing"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
	"github.com/certctl/terraform-provider-certctl/server/principal"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// After a change of owner the former owner's keys fail, and no request of theirs waits.
func TestChangeOwner_RevokesKeysAndCancelsRequests(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		ctx := context.Background()
		former := s.Client(t, "terraform")
		j := s.RequestOlgasCertificate(t, "terraform")
		effects := s.ChangeOwner(t, "terraform", "bob")
		if len(effects.RevokedKeys) != 1 || len(effects.CancelledRequests) != 1 || effects.CancelledRequests[0] != *j.ApprovalID {
			t.Errorf("the effects are %+v", effects)
		}
		_, err := former.RenewCertificate(ctx, j.CertificateID, api.Renew{})
		servertest.RequireProblem(t, err, api.CodeUnauthenticated)
		_, err = s.Client(t, "alice").ApproveApproval(ctx, *j.ApprovalID, api.Decision{})
		servertest.RequireProblem(t, err, api.CodeAlreadyDecided)
		checkEvents(t, s, "terraform", "principal_owner_changed", "principal_created")
		checkEvents(t, s, effects.RevokedKeys[0], "key_revoked", "key_created")

		newer := newClient(t, s, "terraform")
		again, err := newer.RenewCertificate(ctx, j.CertificateID, api.Renew{})
		if err != nil || again.Accountable != "bob" {
			t.Fatalf("%v, %+v", err, again)
		}
		_, err = s.Client(t, "bob").ApproveApproval(ctx, *again.ApprovalID, api.Decision{})
		servertest.RequireProblem(t, err, api.CodeTwoPersonIntegrity)
		// Giving a service to its owner changes nothing.
		if effects := s.ChangeOwner(t, "terraform", "bob"); len(effects.RevokedKeys)+len(effects.CancelledRequests) > 0 {
			t.Errorf("the same owner again: %+v", effects)
		}
		if _, err := newer.WithdrawApproval(ctx, *again.ApprovalID, api.Withdrawal{}); err != nil {
			t.Error(err)
		}
	}, servertest.NoWorkers())
}

// The service of a new owner gets no answer that was stored for the former owner.
func TestChangeOwner_ReplaysNothing(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		ctx := context.Background()
		id := s.CreateCertificateAsOlga(t, s.CreateProfileAsOlga(t, true).ID).ID
		if _, err := s.Client(t, "terraform").RenewCertificate(ctx, id, api.Renew{}, client.IdempotencyKey("once")); err != nil {
			t.Fatal(err)
		}
		s.ChangeOwner(t, "terraform", "bob")
		_, err := newClient(t, s, "terraform").RenewCertificate(ctx, id, api.Renew{}, client.IdempotencyKey("once"))
		servertest.RequireProblem(t, err, api.CodeIdempotencyKeyReused)
	}, servertest.NoWorkers())
}

// A change of owner waits for a request that is being made, and then cancels the request.
func TestChangeOwner_CancelsARequestUnderWay(t *testing.T) {
	t.Parallel()
	s := servertest.NewPostgres(t, servertest.NoWorkers())
	ctx := context.Background()
	id := s.CreateCertificateAsOlga(t, s.CreateProfileAsOlga(t, true).ID).ID
	terraform := s.Client(t, "terraform")

	held, release := make(chan struct{}), make(chan struct{})
	ended := make(chan error, 3)
	go func() {
		ended <- s.Store.Write(ctx, func(tx *store.Tx) error {
			err := tx.DB.Exec("SELECT 1 FROM profiles FOR UPDATE").Error
			close(held)
			<-release
			return err
		})
	}()
	<-held
	go func() {
		_, err := terraform.RenewCertificate(ctx, id, api.Renew{})
		ended <- err
	}()
	s.WaitForLocks(t, 1)
	var effects principal.Effects
	go func() {
		ended <- s.Store.Write(ctx, func(tx *store.Tx) (err error) {
			effects, err = s.App.ChangeOwner(tx, "terraform", "bob")
			return err
		})
	}()
	s.WaitForLocks(t, 2)
	close(release)
	for range 3 {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	if len(effects.CancelledRequests) != 1 {
		t.Errorf("the effects are %+v", effects)
	}
}

// Enabling a person leaves their keys revoked. Their services keep their keys.
func TestEnable_LeavesKeysRevoked(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		ctx := context.Background()
		id := s.CreateCertificateAsOlga(t, s.CreateProfileAsOlga(t, true).ID).ID
		alice, terraform := s.Client(t, "alice"), s.Client(t, "terraform")
		effects := s.Disable(t, "alice")
		if len(effects.RevokedKeys) != 1 || len(effects.StoppedServices) != 1 || effects.StoppedServices[0] != "terraform" {
			t.Errorf("the effects are %+v", effects)
		}
		err := s.Store.Write(ctx, func(tx *store.Tx) error {
			_, err := principal.CreateKey(tx, "alice", "", 0)
			return err
		})
		if err == nil {
			t.Error("a disabled person got a key")
		}
		s.Write(t, func(tx *store.Tx) error { return principal.Enable(tx, "alice") })
		_, err = alice.RenewCertificate(ctx, id, api.Renew{})
		servertest.RequireProblem(t, err, api.CodeUnauthenticated)
		if _, err := terraform.RenewCertificate(ctx, id, api.Renew{}); err != nil {
			t.Error(err)
		}
	}, servertest.NoWorkers())
}

// The last successor is accountable for earlier certificates. A person stays accountable for later ones.
func TestFindSuccessor_FindsTheLastSuccessor(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		since := map[string]time.Time{"start": s.Store.Now()}
		for _, step := range [][2]string{{"alice", "bob"}, {"carol", "vera"}, {"bob", "alice"}, {"alice", "olga"}} {
			s.Clock.Advance(time.Minute)
			s.HandOver(t, step[0], step[1])
			s.Clock.Advance(time.Minute)
			since[step[0]+" to "+step[1]] = s.Store.Now()
		}
		for _, c := range []struct{ who, when, want string }{
			{"alice", "start", "olga"}, // bob, then alice, then olga
			{"alice", "alice to bob", "olga"},
			{"alice", "alice to olga", "alice"},
			{"bob", "alice to bob", "olga"},
			{"bob", "bob to alice", "bob"},
			{"carol", "start", "vera"},
			{"vera", "start", "vera"},
			{"olga", "start", "olga"},
		} {
			var got string
			s.Write(t, func(tx *store.Tx) (err error) {
				got, err = principal.FindSuccessor(tx, c.who, since[c.when])
				return err
			})
			if got != c.want {
				t.Errorf("the successor of %s since %s is %s, not %s", c.who, c.when, got, c.want)
			}
		}
	}, servertest.NoWorkers())
}

func newClient(t *testing.T, s *servertest.Server, who string) *client.Client {
	t.Helper()
	c, err := client.New(s.URL, s.NewKey(t, who), client.WithRetries(0))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// checkEvents compares the actions in the audit trail of an object, newest first.
func checkEvents(t *testing.T, s *servertest.Server, id string, want ...string) {
	t.Helper()
	var got []string
	s.Query(t, &got, "SELECT action FROM audit_events WHERE resource_id = ? ORDER BY occurred_at DESC, id DESC", id)
	if len(got) != len(want) {
		t.Fatalf("the events of %s are %v", id, got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("the events of %s are %v", id, got)
		}
	}
}
