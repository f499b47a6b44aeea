package app_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

const (
	burst    = 1500 // requests
	deciders = 32   // clients that approve at once
)

// BenchmarkBurst approves many requests at once, while four workers sign. It reports the approvals and the signatures of a
// second while the clients approve, and the signatures of a second afterwards.
//
//	CGO_ENABLED=0 CERTCTL_TEST_POSTGRES_DURABLE=1 scripts/with-postgres go test ./server/app -run '^$' -bench Burst -benchtime 1x
func BenchmarkBurst(b *testing.B) {
	for name, start := range map[string]func(testing.TB, ...servertest.Option) *servertest.Server{"postgres": servertest.NewPostgres, "sqlite": servertest.New} {
		b.Run(name, func(b *testing.B) {
			var done rates
			for b.Loop() {
				done = measureBurst(b, start(b, servertest.Workers(4), servertest.WithoutInvariants()))
			}
			b.ReportMetric(done.approved, "approved/s")
			b.ReportMetric(done.issued, "issued/s")
			b.ReportMetric(done.drained, "drained/s")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// rates are numbers in a second.
type rates struct{ approved, issued, drained float64 }

func measureBurst(b *testing.B, s *servertest.Server) rates {
	b.Helper()
	approvals := requestMany(b, s, burst)
	bob := s.Client(b, "bob")
	begun := time.Now()
	runEach(b, deciders, approvals, func(id string) error {
		_, err := bob.ApproveApproval(context.Background(), id, api.Decision{})
		return err
	})
	approving := time.Since(begun).Seconds()
	before := countIssued(b, s)
	drained := time.Now()
	servertest.WaitUntil(b, func() error {
		if n := countIssued(b, s); n < len(approvals) {
			return fmt.Errorf("%d of %d issued", n, len(approvals))
		}
		return nil
	})
	return rates{
		float64(len(approvals)) / approving, float64(before) / approving,
		float64(len(approvals)-before) / time.Since(drained).Seconds(),
	}
}

func countIssued(b *testing.B, s *servertest.Server) (n int) {
	b.Helper()
	s.Query(b, &n, "SELECT count(*) FROM jobs WHERE status = 'Completed'")
	return n
}

// requestMany makes gated certificates and requests each. It returns the ids of the approvals.
func requestMany(b *testing.B, s *servertest.Server, n int) []string {
	b.Helper()
	olga, profile := s.Client(b, "olga"), s.CreateProfileAsOlga(b, true).ID
	var mu sync.Mutex
	var approvals []string
	runEach(b, 8, make([]struct{}, n), func(struct{}) error {
		j, err := olga.RenewCertificate(context.Background(), s.CreateCertificateAsOlga(b, profile).ID, api.Renew{})
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		approvals = append(approvals, *j.ApprovalID)
		return nil
	})
	s.Write(b, func(tx *store.Tx) error { return tx.DB.Exec("ANALYZE").Error })
	return approvals
}

// runEach calls f for each item, from several clients at once.
func runEach[T any](b *testing.B, clients int, items []T, f func(T) error) {
	b.Helper()
	var next atomic.Int64
	var running sync.WaitGroup
	for range clients {
		running.Go(func() {
			for i := next.Add(1); i <= int64(len(items)); i = next.Add(1) {
				if err := f(items[i-1]); err != nil {
					b.Error(err)
				}
			}
		})
	}
	running.Wait()
}
