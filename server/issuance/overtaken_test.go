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

// A renewal that waited for a PUT asks for the key that the PUT stored, and its author may not decide. On SQLite a
// writer is alone.
func TestRenewAsksForTheKeyOfThePutThatItWaitedFor(t *testing.T) {
	t.Parallel()
	s := servertest.NewPostgres(t)
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
	stored, err := c.as("vera").GetCertificate(t.Context(), c.cert.ID)
	if err != nil {
		t.Fatal(err)
	}
	if stored.CSRPEM == before {
		t.Fatal("the PUT stored nothing")
	}
	if want := []string{"alice", "bob", "olga"}; !slices.Equal(a.Excluded, want) {
		t.Errorf("excluded: %q, want %q", a.Excluded, want)
	}
	c.must(c.as("carol").ApproveApproval(t.Context(), a.ID, api.Decision{}))
	s.WaitUntilFinalAsVera(t, *a.JobID)
	if now, err := c.as("vera").GetCertificate(t.Context(), c.cert.ID); err != nil || now.CSRPEM != stored.CSRPEM {
		t.Errorf("the signature took the PUT back: %v", err)
	}
}

// sameKey makes certificate requests with one key. ECDSA signatures differ, so the requests do.
func sameKey(t *testing.T, n int) (requests []string) {
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

// Only a request that came with the renewal becomes the certificate's. What a PUT stored meanwhile with the same key
// stays, and the signature changes no version.
func TestIssued_KeepsThePutOfTheSameKey(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		c := newScene(t, s, "olga", true)
		put := func(csr string) api.Certificate {
			t.Helper()
			c.cert.CSRPEM = csr
			stored, err := c.as("bob").ReplaceCertificate(t.Context(), c.cert.ID, c.cert.CertificateSpec)
			c.must(stored, err)
			return stored
		}
		requests := sameKey(t, 3)
		put(requests[0])
		a := c.renew("alice", api.Renew{})
		second := put(requests[1])
		c.must(c.as("carol").ApproveApproval(t.Context(), a.ID, api.Decision{}))
		s.WaitUntilFinalAsVera(t, *a.JobID)
		now, err := c.as("vera").GetCertificate(t.Context(), c.cert.ID)
		if err != nil || now.Current == nil || now.CSRPEM != second.CSRPEM || now.Version != second.Version {
			t.Errorf("the signature took the PUT back: %v, version %d after %d", err, now.Version, second.Version)
		}
		c.issue("alice", "carol", api.Renew{CSRPEM: requests[2]})
		if now, err = c.as("vera").GetCertificate(t.Context(), c.cert.ID); err != nil || now.CSRPEM != requests[2] || now.Version != second.Version+1 {
			t.Errorf("the renewal's own request is not the certificate's: %v, version %d", err, now.Version)
		}
	})
}
