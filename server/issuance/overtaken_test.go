package issuance_test

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/certificate"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// A renewal that waited for a PUT asks for the key that the PUT stored, and its author may not decide. On SQLite a
// writer is alone.
func TestRenewAsksForTheKeyOfThePutThatItWaitedFor(t *testing.T) {
	t.Parallel()
	s := servertest.Postgres(t)
	c := newScene(t, s, "olga", true)
	before := c.cert.CSRPEM
	var calls sync.WaitGroup
	var a *api.Approval
	s.Write(t, func(tx *store.Tx) error {
		if _, err := certificate.Lock(tx, c.cert.ID); err != nil {
			return err
		}
		calls.Go(func() { c.newKey("bob") })
		s.WaitForLocks(t, 1)
		calls.Go(func() { a = c.renew("alice", api.Renew{}) })
		s.WaitForLocks(t, 2)
		return nil
	})
	calls.Wait()
	stored, err := c.as("vera").GetCertificate(context.Background(), c.cert.ID)
	if err != nil {
		t.Fatal(err)
	}
	if stored.CSRPEM == before {
		t.Fatal("the PUT stored nothing")
	}
	if want := []string{"alice", "bob", "olga"}; !slices.Equal(a.Excluded, want) {
		t.Errorf("excluded: %q, want %q", a.Excluded, want)
	}
	c.must(c.as("carol").ApproveApproval(context.Background(), a.ID, api.Decision{}))
	s.Ended(t, *a.JobID)
	if now, err := c.as("vera").GetCertificate(context.Background(), c.cert.ID); err != nil || now.CSRPEM != stored.CSRPEM {
		t.Errorf("the signature took the PUT back: %v", err)
	}
}
