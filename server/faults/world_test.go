package faults_test

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
	"github.com/certctl/terraform-provider-certctl/server/app"
	"github.com/certctl/terraform-provider-certctl/server/gate"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// start runs a server that lasts as long as the test.
type start func(t testing.TB, opts ...servertest.Option) *servertest.Server

// each runs a test on both databases, in parallel. The test starts its servers itself, with options of its own.
func each(t *testing.T, test func(t *testing.T, start start)) {
	t.Helper()
	t.Parallel()
	for name, run := range map[string]start{"sqlite": servertest.New, "postgres": servertest.Postgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, func(t testing.TB, opts ...servertest.Option) *servertest.Server {
				s := run(t, opts...)
				t.Cleanup(func() { checkLeaves(t, s.Store) })
				return s
			})
		})
	}
}

// checkLeaves holds every leaf against the bytes that the gate let through and against what was approved.
func checkLeaves(t testing.TB, db *store.Store) {
	t.Helper()
	var leaves []struct {
		JobID          string
		CertificatePEM string `gorm:"column:certificate_pem"`
		TBS            []byte `gorm:"column:tbs"`
		Subject        string
		Approved       *string
		State          *string
	}
	err := db.Read(context.Background(), func(tx *store.Tx) error {
		return tx.DB.Raw(`SELECT l.job_id, l.certificate_pem, i.tbs, j.subject, a.subject AS approved, a.state
			FROM leaves l JOIN intents i ON i.job_id = l.job_id JOIN jobs j ON j.id = l.job_id
			LEFT JOIN approvals a ON a.id = j.approval_id`).Scan(&leaves).Error
	})
	if err != nil {
		t.Error(err)
		return
	}
	for _, l := range leaves {
		cert := parse(t, l.CertificatePEM)
		if string(cert.RawTBSCertificate) != string(l.TBS) {
			t.Errorf("job %s: what was signed is not what the gate let through", l.JobID)
		}
		if l.Approved != nil && (*l.Approved != l.Subject || *l.State != "approved") {
			t.Errorf("job %s: what was signed was not approved", l.JobID)
		}
		var subject api.IssuanceSubject
		if err := json.Unmarshal([]byte(l.Subject), &subject); err != nil {
			t.Error(err)
		}
		if !slices.Equal(cert.DNSNames, subject.SANs) {
			t.Errorf("job %s: signed for %v, asked for %v", l.JobID, cert.DNSNames, subject.SANs)
		}
	}
}

func parse(t testing.TB, text string) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		t.Fatalf("this is no PEM: %q", text)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// people call the server, each with one client of his own.
type people struct{ alice, bob, carol, olga, vera *client.Client }

func peopleOf(t testing.TB, s *servertest.Server) people {
	t.Helper()
	return people{s.Client(t, "alice"), s.Client(t, "bob"), s.Client(t, "carol"), s.Client(t, "olga"), s.Client(t, "vera")}
}

// renewed has alice ask for a new certificate under a profile.
func renewed(t testing.TB, s *servertest.Server, p people, profileID string) (api.Certificate, api.Job) {
	t.Helper()
	c := s.Certificate(t, profileID)
	j, err := p.alice.RenewCertificate(context.Background(), c.ID, api.Renew{})
	if err != nil {
		t.Fatal(err)
	}
	return c, j
}

// together calls all of them at once, as far as a machine can.
func together(calls ...func()) {
	var ready, done sync.WaitGroup
	ready.Add(len(calls))
	for _, call := range calls {
		done.Go(func() {
			ready.Done()
			ready.Wait()
			time.Sleep(rand.N(time.Millisecond))
			call()
		})
	}
	done.Wait()
}

// code is the problem that an error is; empty for none.
func code(err error) api.Code {
	var p *api.Problem
	switch {
	case err == nil:
		return ""
	case errors.As(err, &p):
		return p.Code()
	}
	return api.Code(fmt.Sprintf("no problem but %v", err))
}

// answered fails the test unless the answer is a success or one of the problems.
func answered(t testing.TB, what string, err error, allowed ...api.Code) api.Code {
	t.Helper()
	c := code(err)
	if c != "" && !slices.Contains(allowed, c) {
		t.Errorf("%s: %v", what, err)
	}
	return c
}

func jobOf(t testing.TB, p people, id string) api.Job {
	t.Helper()
	j, err := p.vera.GetJob(context.Background(), id)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// ended waits until a job is final, and fails the test unless it ended like this.
func ended(t testing.TB, s *servertest.Server, id string, want api.JobStatus, message string) api.Job {
	t.Helper()
	j := s.Ended(t, id)
	if j.Status != want || j.ErrorMessage != message {
		t.Errorf("job %s is %s (%s), want %s (%s)", id, j.Status, j.ErrorMessage, want, message)
	}
	return j
}

// count counts rows past the server.
func count(t testing.TB, s *servertest.Server, query string, args ...any) int {
	t.Helper()
	n := 0
	s.Query(t, &n, query, args...)
	return n
}

// anotherCA is a CA that none of the tests' subjects names.
func anotherCA(t testing.TB) gate.Issuer {
	t.Helper()
	config := app.Config{DataDir: t.TempDir()}
	ca, err := config.LoadCA(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return ca
}
