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

// prompt is less than a poll takes, so what took no longer was woken.
const prompt = 2 * time.Second

// wakes has something done until it was prompt. A worker that polls is late each time, a slow machine only now and then.
func wakes(t *testing.T, do func() (took time.Duration)) {
	t.Helper()
	var took [5]time.Duration
	for i := range took {
		if took[i] = do(); took[i] <= prompt {
			return
		}
	}
	t.Errorf("nobody was woken: it took %v", took)
}

// From approval to certificate nobody waits for a poll.
func TestWokenByApproval(t *testing.T) {
	each(t, func(t *testing.T, start start) {
		s := start(t)
		woken(t, s, rounds)
	})
}

// Nor when another server has the workers.
func TestWokenByOtherServer(t *testing.T) {
	t.Parallel()
	door := servertest.NewPostgres(t, servertest.NoWorkers())
	workers := door.StartSecond(t)
	listening(t, workers)
	woken(t, door, rounds)

	// Also when the server that took the decision is gone with the answer.
	wakes(t, func() time.Duration {
		p := peopleOf(t, door)
		c, j := renewed(t, door, p, door.CreateProfileAsOlga(t, true).ID)
		if err := (world{p, door, c, j}).approve(); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		door.Stop()
		ended(t, workers, j.ID, api.JobCompleted, "")
		took := time.Since(began)
		door.Drain(t) // it has no workers again
		return took
	})
}

func woken(t *testing.T, s *servertest.Server, times int) {
	t.Helper()
	p, profile := peopleOf(t, s), s.CreateProfileAsOlga(t, true).ID
	took := make([]time.Duration, times)
	for i := range took {
		c, j := renewed(t, s, p, profile)
		w := world{p, s, c, j}
		began := time.Now()
		if err := w.approve(); err != nil {
			t.Fatal(err)
		}
		ended(t, s, j.ID, api.JobCompleted, "")
		took[i] = time.Since(began)
	}
	slices.Sort(took)
	median := took[len(took)/2]
	t.Logf("from approval to certificate: median %v, at most %v", median, took[len(took)-1])
	if median > prompt {
		t.Error("nobody was woken")
	}
}

// A job that is tried again has a timer: it waits no longer than it should.
func TestRetryOnTime(t *testing.T) {
	each(t, func(t *testing.T, start start) {
		s := start(t, servertest.Issuer(newDouble(t, func(ctx context.Context, c signing, real gate.Issuer) (gate.Chain, error) {
			if c.number == 1 {
				return gate.Chain{}, errors.New("not yet")
			}
			return real.Sign(ctx, c.Permit)
		})))
		p, profile := peopleOf(t, s), s.CreateProfileAsOlga(t, true).ID
		wakes(t, func() time.Duration {
			j := approved(t, s, p, profile)
			due := attempted(t, s, p, j.ID, 1).RunAt
			ended(t, s, j.ID, api.JobCompleted, "")
			late := s.Clock.Now().Sub(due)
			if late < 0 {
				t.Errorf("tried again %v before it was due", -late)
			}
			return late
		})
	})
}
