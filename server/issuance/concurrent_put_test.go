package issuance_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"sync"
	"testing"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/certificate"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// If a renewal waited for a PUT, it requests the key that the PUT stored. The author of the PUT may not decide. SQLite has
// only one writer at a time, so the test needs PostgreSQL.
func TestRenew_RequestsTheKeyOfThePutThatItWaitedFor(t *testing.T) {
	t.Parallel()
	s := servertest.NewPostgres(t)
	c := newFixture(t, s, "olga", true)
	before := c.cert.CSRPEM
	var calls sync.WaitGroup
	var a *api.Approval
	s.Write(t, func(tx *store.Tx) error {
		if _, err := certificate.Lock(tx, c.cert.ID); err != nil {
			return err
		}
		calls.Go(func() { c.replaceKey("bob") })
		s.WaitForLocks(t, 1)
		calls.Go(func() { a = c.renewAs("alice", api.Renew{}) })
		s.WaitForLocks(t, 2)
		return nil
	})
	calls.Wait()
	stored, err := c.clientOf("vera").GetCertificate(t.Context(), c.cert.ID)
	if err != nil {
		t.Fatal(err)
	}
	if stored.CSRPEM == before {
		t.Fatal("the PUT stored nothing")
	}
	if want := []string{"alice", "bob", "olga"}; !slices.Equal(a.Excluded, want) {
		t.Errorf("excluded: %q, want %q", a.Excluded, want)
	}
	c.noError(c.clientOf("carol").ApproveApproval(t.Context(), a.ID, api.Decision{}))
	s.WaitUntilFinalAsVera(t, *a.JobID)
	if now, err := c.clientOf("vera").GetCertificate(t.Context(), c.cert.ID); err != nil || now.CSRPEM != stored.CSRPEM {
		t.Errorf("the signature took the PUT back: %v", err)
	}
}

// newCSRsWithOneKey makes CSRs with the same key. ECDSA signatures differ, so the CSRs differ.
func newCSRsWithOneKey(t *testing.T, n int) (requests []string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for range n {
		der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
		if err != nil {
			t.Fatal(err)
		}
		requests = append(requests, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})))
	}
	return requests
}

// The certificate gets only a CSR that was sent with the renewal. If a PUT stored another CSR with the same key meanwhile,
// that CSR stays, and the signature changes no version.
func TestIssue_KeepsAPutOfTheSameKey(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		c := newFixture(t, s, "olga", true)
		put := func(csr string) api.Certificate {
			t.Helper()
			c.cert.CSRPEM = csr
			stored, err := c.clientOf("bob").ReplaceCertificate(t.Context(), c.cert.ID, c.cert.CertificateSpec)
			c.noError(stored, err)
			return stored
		}
		requests := newCSRsWithOneKey(t, 3)
		put(requests[0])
		a := c.renewAs("alice", api.Renew{})
		second := put(requests[1])
		c.noError(c.clientOf("carol").ApproveApproval(t.Context(), a.ID, api.Decision{}))
		s.WaitUntilFinalAsVera(t, *a.JobID)
		now, err := c.clientOf("vera").GetCertificate(t.Context(), c.cert.ID)
		if err != nil || now.Current == nil || now.CSRPEM != second.CSRPEM || now.Version != second.Version {
			t.Errorf("the signature took the PUT back: %v, version %d after %d", err, now.Version, second.Version)
		}
		c.renewAndApprove("alice", "carol", api.Renew{CSRPEM: requests[2]})
		if now, err = c.clientOf("vera").GetCertificate(t.Context(), c.cert.ID); err != nil || now.CSRPEM != requests[2] || now.Version != second.Version+1 {
			t.Errorf("the renewal's own request is not the certificate's: %v, version %d", err, now.Version)
		}
	})
}
