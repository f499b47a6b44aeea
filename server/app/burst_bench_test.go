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
)

const (
	burst    = 1000 // requests
	deciders = 32   // clients that approve at once
	signers  = 4    // workers
)

// BenchmarkBurst measures on PostgreSQL how long one approved certificate takes, and how fast many clients approve and the
// workers sign, beside the least SQL for the same work. make bench runs it.
func BenchmarkBurst(b *testing.B) {
	s := servertest.NewPostgres(b, servertest.Workers(signers), servertest.WithoutInvariants())
	s.Exec(b, floorTables)
	empty := caller{b, servertest.StartEmptyHandler(b), "none"}
	handler := func() { empty.call("GET", "/") }
	b.Run("from approval to certificate", func(b *testing.B) {
		for b.Loop() {
			approvals := requestMany(b, s, callsInRound)
			took := servertest.MeasureInTurns(rounds, func() time.Duration {
				n := callsInRound / rounds
				now := approvals[:n]
				approvals = approvals[n:]
				return timeEach(n, func() { approveAndWait(b, s, now[0]); now = now[1:] })
			}, func() time.Duration { return s.MeasureSQL(b, 1, callsInRound, approveSQL+signSQL) },
				func() time.Duration { return timeEach(callsInRound, handler) })
			servertest.ReportRatio(b, "ms", servertest.Milliseconds(took[0]), servertest.Milliseconds(took[1]+2*took[2]))
		}
	})
	var done rates
	b.Run(fmt.Sprintf("approve by %d clients", deciders), func(b *testing.B) {
		for b.Loop() {
			done = measureBurst(b, s)
			each := timeEach(1, func() { runEach(b, deciders, make([]struct{}, burst), func(struct{}) error { handler(); return nil }) }) / burst
			floor := s.MeasureSQL(b, deciders, burst, approveSQL) + each
			servertest.ReportRatio(b, "ms", servertest.Milliseconds(done.approved), servertest.Milliseconds(floor))
		}
	})
	floor := s.MeasureSQL(b, signers, burst, signSQL)
	for name, measured := range map[string]time.Duration{fmt.Sprintf("sign while %d clients approve", deciders): done.issued, "sign what waits": done.drained} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				servertest.ReportRatio(b, "ms", servertest.Milliseconds(measured), servertest.Milliseconds(floor))
			}
		})
	}
}

func approveAndWait(b *testing.B, s *servertest.Server, id string) {
	b.Helper()
	a, err := s.Client(b, "bob").ApproveApproval(context.Background(), id, api.Decision{})
	if err != nil {
		b.Fatal(err)
	}
	s.WaitUntilFinalAsVera(b, *a.JobID)
}

// rates are times from one to the next, over all clients or workers.
type rates struct{ approved, issued, drained time.Duration }

func measureBurst(b *testing.B, s *servertest.Server) rates {
	b.Helper()
	approvals := requestMany(b, s, burst)
	bob, former := s.Client(b, "bob"), countIssued(b, s)
	begun := time.Now()
	runEach(b, deciders, approvals, func(id string) error {
		_, err := bob.ApproveApproval(context.Background(), id, api.Decision{})
		return err
	})
	approving := time.Since(begun)
	before := countIssued(b, s) - former
	begun = time.Now()
	servertest.WaitUntil(b, func() error {
		if n := countIssued(b, s) - former; n < burst {
			return fmt.Errorf("%d of %d issued", n, burst)
		}
		return nil
	})
	return rates{approving / burst, approving / time.Duration(max(before, 1)), time.Since(begun) / time.Duration(max(burst-before, 1))}
}

func countIssued(b *testing.B, s *servertest.Server) (n int) {
	b.Helper()
	s.Query(b, &n, "SELECT count(*) FROM jobs WHERE status = 'Completed'")
	return n
}

// requestMany makes gated certificates and requests each. It returns the ids of the approvals.
func requestMany(b *testing.B, s *servertest.Server, n int) []string {
	b.Helper()
	olga, approvals := s.Client(b, "olga"), make(chan string, n)
	runEach(b, 8, createMany(b, s, n), func(id string) error {
		j, err := olga.RenewCertificate(context.Background(), id, api.Renew{})
		if err == nil {
			approvals <- *j.ApprovalID
		}
		return err
	})
	close(approvals)
	var ids []string
	for id := range approvals {
		ids = append(ids, id)
	}
	s.Exec(b, "ANALYZE")
	return ids
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
