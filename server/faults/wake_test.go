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

// Less than a poll takes: whoever is done within it was woken.
const prompt = 2 * time.Second

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
	door := servertest.Postgres(t, servertest.NoWorkers())
	workers := door.Second(t)
	listening(t, workers)
	woken(t, door, rounds)

	// Also when the server that took the decision is gone with the answer.
	p := peopleOf(t, door)
	c, j := renewed(t, door, p, door.Profile(t, true).ID)
	if err := (world{p, door, c, j}).approve(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	door.Stop()
	ended(t, workers, j.ID, api.JobCompleted, "")
	if took := time.Since(began); took > prompt {
		t.Errorf("it took %v", took)
	}
	door.Restart(t)
}

func woken(t *testing.T, s *servertest.Server, times int) {
	t.Helper()
	p, profile := peopleOf(t, s), s.Profile(t, true).ID
	took := make([]time.Duration, times)
	for i := range took {
		c, j := renewed(t, s, p, profile)
		w := world{p, s, c, j}
		began := time.Now()
		if err := w.approve(); err != nil {
			t.Fatal(err)
		}
		ended(t, s, j.ID, api.JobCompleted, "")
		if took[i] = time.Since(began); took[i] > prompt {
			t.Errorf("from approval to certificate it took %v", took[i])
		}
	}
	slices.Sort(took)
	t.Logf("from approval to certificate: median %v, at most %v", took[len(took)/2], took[len(took)-1])
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
		p := peopleOf(t, s)
		j := approved(t, s, p, s.Profile(t, true).ID)
		due := attempted(t, s, p, j.ID, 1).RunAt
		ended(t, s, j.ID, api.JobCompleted, "")
		if late := s.Clock.Now().Sub(due); late < 0 || late > prompt {
			t.Errorf("tried again %v after it was due", late)
		}
	})
}
