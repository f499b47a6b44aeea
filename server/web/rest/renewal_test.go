package rest_test

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"testing"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// A renewal under a gated profile waits. Neither the requester nor their service can approve it. Another person can, and the
// certificate is signed.
func TestRenewal_IsSignedAfterASecondPersonApproved(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		ctx := context.Background()
		j := s.RequestOlgasCertificate(t, "alice")
		for _, who := range []string{"alice", "terraform"} {
			_, err := s.Client(t, who).ApproveApproval(ctx, *j.ApprovalID, api.Decision{})
			servertest.RequireProblem(t, err, api.CodeTwoPersonIntegrity)
		}
		a, err := s.Client(t, "bob").ApproveApproval(ctx, *j.ApprovalID, api.Decision{Note: "as agreed"})
		if err != nil {
			t.Fatal(err)
		}
		if a.State != api.ApprovalApproved || *a.DecidedBy != "bob" || a.Note != "as agreed" {
			t.Fatalf("unexpected approval: %+v", a)
		}
		done := s.WaitUntilFinalAsVera(t, j.ID)
		if done.Status != api.JobCompleted {
			t.Fatalf("the job is %s: %s", done.Status, done.ErrorMessage)
		}
		c, err := s.Client(t, "vera").GetCertificate(ctx, j.CertificateID)
		if err != nil {
			t.Fatal(err)
		}
		if c.Status != api.CertificateIssued || c.Current.SerialNumber != *done.SerialNumber {
			t.Fatalf("unexpected certificate: %+v", c)
		}
		verifyChain(t, s, c)
	})
}

// verifyChain verifies the chain as a client would.
func verifyChain(t *testing.T, s *servertest.Server, c api.Certificate) {
	t.Helper()
	chain, err := s.Client(t, "vera").GetCertificateChain(context.Background(), c.ID)
	if err != nil {
		t.Fatal(err)
	}
	leafBlock, rest := pem.Decode([]byte(chain))
	leaf, err := x509.ParseCertificate(leafBlock.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(rest) {
		t.Fatal("the chain has no issuer")
	}
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: c.CommonName}); err != nil {
		t.Fatal(err)
	}
}
