package servertest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/rules"
	"github.com/certctl/terraform-provider-certctl/server/profile"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// CSR makes a certificate request with a fresh key and no names.
func CSR(t testing.TB) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
}

var serial atomic.Int64

// CreateProfileAsOlga makes a profile that allows any name below example.com.
func (s *Server) CreateProfileAsOlga(t testing.TB, gated bool) api.Profile {
	t.Helper()
	spec := api.DefaultProfileSpec()
	spec.Name = fmt.Sprintf("profile %d", serial.Add(1))
	spec.RequiresApproval = gated
	spec.AllowedDNSNames = []string{"**.example.com"}
	p, err := s.Client(t, "olga").CreateProfile(context.Background(), api.CreateProfile{ProfileSpec: spec})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// SetUngatedNames replaces the names that may be signed without approval, as the command does.
func (s *Server) SetUngatedNames(t testing.TB, lists api.UngatedLists) {
	t.Helper()
	names, err := rules.NewUngatedNames(lists)
	if err != nil {
		t.Fatal(err)
	}
	s.Write(t, func(tx *store.Tx) error { return profile.SetUngatedNames(tx, names) })
}

// CreateCertificateAsOlga makes a certificate under a profile.
func (s *Server) CreateCertificateAsOlga(t testing.TB, profileID string) api.Certificate {
	t.Helper()
	return s.CreateCertificateAs(t, "olga", profileID)
}

// CreateCertificateAs makes a certificate under a profile, as a principal.
func (s *Server) CreateCertificateAs(t testing.TB, creator, profileID string) api.Certificate {
	t.Helper()
	spec := api.DefaultCertificateSpec()
	name := fmt.Sprintf("host-%d.example.com", serial.Add(1))
	spec.CommonName, spec.SANs, spec.ProfileID, spec.CSRPEM = name, []string{name}, profileID, CSR(t)
	c, err := s.Client(t, creator).CreateCertificate(context.Background(), api.CreateCertificate{CertificateSpec: spec})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// RequestOlgasCertificate requests a certificate, as a principal. olga makes the certificate and its gated profile. The job
// awaits its approval.
func (s *Server) RequestOlgasCertificate(t testing.TB, by string) api.Job {
	t.Helper()
	c := s.CreateCertificateAsOlga(t, s.CreateProfileAsOlga(t, true).ID)
	j, err := s.Client(t, by).RenewCertificate(context.Background(), c.ID, api.Renew{})
	if err != nil {
		t.Fatal(err)
	}
	if j.Status != api.JobAwaitingApproval || j.ApprovalID == nil {
		t.Fatalf("the job of a gated profile is %s with approval %v", j.Status, j.ApprovalID)
	}
	return j
}

// WaitUntilFinalAsVera waits until a job is final, and returns the job.
func (s *Server) WaitUntilFinalAsVera(t testing.TB, jobID string) api.Job {
	t.Helper()
	var j api.Job
	WaitUntil(t, func() (err error) {
		if j, err = s.Client(t, "vera").GetJob(context.Background(), jobID); err == nil && j.FinishedAt == nil {
			err = fmt.Errorf("job %s is %s", jobID, j.Status)
		}
		return err
	})
	return j
}

// WaitUntil calls f until f returns nil. The limit allows for a slow machine.
func WaitUntil(t testing.TB, f func() error) {
	t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// WaitForLocks waits until at least want statements of the database wait for locks; PostgreSQL only.
func (s *Server) WaitForLocks(t testing.TB, want int) {
	t.Helper()
	WaitUntil(t, func() error {
		waiting := 0
		s.Query(t, &waiting, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`)
		if waiting < want {
			return fmt.Errorf("%d statements wait, not %d", waiting, want)
		}
		return nil
	})
}

// RequireProblem fails the test unless err is a problem with the code. It returns the problem.
func RequireProblem(t testing.TB, err error, code api.Code) *api.Problem {
	t.Helper()
	var p *api.Problem
	if !errors.As(err, &p) {
		t.Fatalf("want the problem %s, got %v", code, err)
	}
	if p.Code() != code {
		t.Fatalf("want the problem %s, got %v", code, p)
	}
	return p
}
