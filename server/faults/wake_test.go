package faults_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/gate"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// pollTime is less than a poll takes. A faster answer shows that the worker was woken.
const pollTime = 2 * time.Second

// checkWakes calls do up to five times until it is faster than a poll. A worker that polls is slow each time.
func checkWakes(t *testing.T, do func() (took time.Duration)) {
	t.Helper()
	var took [5]time.Duration
	for i := range took {
		if took[i] = do(); took[i] <= pollTime {
			return
		}
	}
	t.Errorf("no worker was woken: it took %v", took)
}

// An approval wakes a worker, which does not wait for a poll.
func TestApproval_WakesAWorker(t *testing.T) {
	runOnEach(t, func(t *testing.T, start startFunc) {
		s := start(t)
		checkMedianWake(t, s, rounds)
	})
}

// An approval wakes a worker of another server.
func TestApproval_WakesAWorkerOfAnotherServer(t *testing.T) {
	t.Parallel()
	server := servertest.NewPostgres(t, servertest.NoWorkers())
	workers := server.StartSecond(t)
	waitForListener(t, workers)
	checkMedianWake(t, server, rounds)

	// The server that decided stops right after its answer.
	checkWakes(t, func() time.Duration {
		p := peopleOf(t, server)
		c, j := requestNew(t, server, p, server.CreateProfileAsOlga(t, true).ID)
		if err := (fixture{p, server, c, j}).approve(); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		server.Stop()
		waitUntilEnded(t, workers, j.ID, api.JobCompleted, "")
		took := time.Since(began)
		server.Drain(t) // the server has no workers again
		return took
	})
}

func checkMedianWake(t *testing.T, s *servertest.Server, times int) {
	t.Helper()
	p, profile := peopleOf(t, s), s.CreateProfileAsOlga(t, true).ID
	took := make([]time.Duration, times)
	for i := range took {
		c, j := requestNew(t, s, p, profile)
		w := fixture{p, s, c, j}
		began := time.Now()
		if err := w.approve(); err != nil {
			t.Fatal(err)
		}
		waitUntilEnded(t, s, j.ID, api.JobCompleted, "")
		took[i] = time.Since(began)
	}
	slices.Sort(took)
	median := took[len(took)/2]
	t.Logf("from approval to certificate: median %v, at most %v", median, took[len(took)-1])
	if median > pollTime {
		t.Error("no worker was woken")
	}
}

// A worker retries a job when it is due, without waiting for a poll.
func TestRetry_WakesOnTime(t *testing.T) {
	runOnEach(t, func(t *testing.T, start startFunc) {
		s := start(t, servertest.Issuer(newTestIssuer(t, func(ctx context.Context, c signCall, real gate.Issuer) (gate.Chain, error) {
			if c.number == 1 {
				return gate.Chain{}, errors.New("not yet")
			}
			return real.Sign(ctx, c.Permit)
		})))
		p, profile := peopleOf(t, s), s.CreateProfileAsOlga(t, true).ID
		checkWakes(t, func() time.Duration {
			j := requestAndApprove(t, s, p, profile)
			due := waitForAttempt(t, s, p, j.ID, 1).RunAt
			waitUntilEnded(t, s, j.ID, api.JobCompleted, "")
			late := s.Clock.Now().Sub(due)
			if late < 0 {
				t.Errorf("retried %v before it was due", -late)
			}
			return late
		})
	})
}
