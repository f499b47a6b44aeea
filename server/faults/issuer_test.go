package faults_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
	"github.com/certctl/terraform-provider-certctl/server/gate"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// requestAndApprove requests a new certificate as alice and approves the request as bob.
func requestAndApprove(t testing.TB, s *servertest.Server, p people, profileID string) api.Job {
	t.Helper()
	c, j := requestNew(t, s, p, profileID)
	if err := (fixture{p, s, c, j}).approve(); err != nil {
		t.Fatal(err)
	}
	return j
}

// If an issuer fails, the job is retried with the same bytes, each time later, the last time at its deadline. Then the job
// has failed.
func TestFailingIssuer_IsRetriedForTheSameBytes(t *testing.T) {
	// The pauses double from two seconds. After nine of them the ten minutes are over.
	const attempts, within = 10, 10 * time.Minute
	// Only one line of this text may reach the database or a caller.
	dirt := "no luck\x00\xff\nand\t" + strings.Repeat("ü", 10_000)
	for _, failures := range []int{0, 1, attempts - 1, attempts} {
		t.Run(fmt.Sprint(failures), func(t *testing.T) {
			runOnEach(t, func(t *testing.T, start startFunc) {
				issuer := newTestIssuer(t, func(ctx context.Context, c signCall, real gate.Issuer) (gate.Chain, error) {
					if c.number <= failures {
						return gate.Chain{}, errors.New(dirt)
					}
					return real.Sign(ctx, c.Permit)
				})
				s := start(t, servertest.Issuer(issuer), servertest.IssueWithin(within))
				p := peopleOf(t, s)
				profile := s.CreateProfileAsOlga(t, true).ID
				j := requestAndApprove(t, s, p, profile)
				for attempt := 1; attempt <= min(failures, attempts-1); attempt++ {
					failed := waitForAttempt(t, s, p, j.ID, attempt)
					wait, last := failed.RunAt.Sub(failed.UpdatedAt), attempt == attempts-1
					if full := min(time.Second<<attempt, 5*time.Minute); last && wait >= full || !last && wait != full {
						t.Errorf("after attempt %d the next is %v later", attempt, wait)
					}
					message := failed.ErrorMessage
					if !strings.HasPrefix(message, "the issuer failed: no luck") || len(message) > 1500 ||
						strings.ContainsAny(message, "\x00\n\t") || !utf8.ValidString(message) {
						t.Errorf("the job says %q", message)
					}
					if retrying := s.Gauge(t, "certctl_jobs_retrying"); retrying[""] != 1 {
						t.Errorf("the gauge of jobs that are tried again is %v", retrying)
					}
					s.Clock.Advance(failed.RunAt.Sub(s.Clock.Now()))
				}
				j = s.WaitUntilFinalAsVera(t, j.ID)
				if retrying := s.Gauge(t, "certctl_jobs_retrying"); retrying[""] != 0 {
					t.Errorf("the gauge of jobs that are tried again is %v after the end", retrying)
				}
				if retried := countRows(t, s, "SELECT count(*) FROM audit_events WHERE resource_id = ? AND action = 'issuance_retried'", j.ID); retried != min(failures, attempts-1) {
					t.Errorf("%d failures in the trail", retried)
				}
				issuer.checkCalls(t, j.ID, min(failures+1, attempts))
				if failures < attempts {
					if j.Status != api.JobCompleted || j.Attempt != failures || j.ErrorMessage != "" {
						t.Errorf("the job is %s after %d attempts: %s", j.Status, j.Attempt, j.ErrorMessage)
					}
					return
				}
				if j.Status != api.JobFailed || j.Attempt != attempts || countRows(t, s, "SELECT count(*) FROM leaves") != 0 {
					t.Errorf("the job is %s after %d attempts: %s", j.Status, j.Attempt, j.ErrorMessage)
				}
				checkNothingChanges(t, s, func() { issuer.checkCalls(t, j.ID, attempts) })
				// The certificate can be requested again.
				p = peopleOf(t, s)
				again, err := p.alice.RenewCertificate(context.Background(), j.CertificateID, api.Renew{})
				if err != nil || again.Status != api.JobAwaitingApproval {
					t.Errorf("renewed after a failure: %s, %v", again.Status, err)
				}
			})
		})
	}
}

// waitForAttempt waits until a job was returned to the queue after so many attempts.
func waitForAttempt(t testing.TB, s *servertest.Server, p people, id string, attempt int) (j api.Job) {
	t.Helper()
	servertest.WaitUntil(t, func() error {
		if j = getJob(t, p, id); j.Status != api.JobPending || j.Attempt != attempt {
			return fmt.Errorf("job %s is %s after %d attempts: %s", id, j.Status, j.Attempt, j.ErrorMessage)
		}
		return nil
	})
	return j
}

// checkNothingChanges passes ten retry and reaper periods and restarts the server. No approval and no job may change.
func checkNothingChanges(t testing.TB, s *servertest.Server, check func()) {
	t.Helper()
	before := readRows(t, s, "approvals", "jobs", "intents", "leaves")
	for period := range 10 {
		s.Clock.Advance(time.Hour)
		time.Sleep(30 * time.Millisecond)
		if period == 5 {
			s.Restart(t)
		}
	}
	time.Sleep(150 * time.Millisecond) // one period of the reaper
	if diff := cmp.Diff(before, readRows(t, s, "approvals", "jobs", "intents", "leaves")); diff != "" {
		t.Errorf("something changed:\n%s", diff)
	}
	check()
}

// Only the issuer's own signature on the permitted bytes is stored, for any answer of an issuer.
func TestLyingIssuer_StoresNothing(t *testing.T) {
	type answer = func(*testing.T, context.Context, signCall, gate.Issuer) (gate.Chain, error)
	honest := func(t *testing.T, ctx context.Context, c signCall, real gate.Issuer) gate.Chain {
		chain, err := real.Sign(ctx, c.Permit)
		if err != nil {
			t.Error(err)
		}
		return chain
	}
	for name, answer := range map[string]answer{
		"nothing": func(*testing.T, context.Context, signCall, gate.Issuer) (gate.Chain, error) { return gate.Chain{}, nil },
		"garbage": func(t *testing.T, ctx context.Context, c signCall, real gate.Issuer) (gate.Chain, error) {
			chain := honest(t, ctx, c, real)
			chain.Leaf = chain.Leaf[:len(chain.Leaf)/2]
			return chain, nil
		},
		"another certificate": func(t *testing.T, ctx context.Context, c signCall, real gate.Issuer) (gate.Chain, error) {
			chain := honest(t, ctx, c, real)
			chain.Leaf = newSelfSigned(t)
			return chain, nil
		},
		"a bad signature": func(t *testing.T, ctx context.Context, c signCall, real gate.Issuer) (gate.Chain, error) {
			chain := honest(t, ctx, c, real)
			chain.Leaf[len(chain.Leaf)-1] ^= 1
			return chain, nil
		},
		"no chain": func(t *testing.T, ctx context.Context, c signCall, real gate.Issuer) (gate.Chain, error) {
			chain := honest(t, ctx, c, real)
			chain.Issuers = nil
			return chain, nil
		},
		"another chain": func(t *testing.T, ctx context.Context, c signCall, real gate.Issuer) (gate.Chain, error) {
			chain := honest(t, ctx, c, real)
			chain.Issuers = [][]byte{newSelfSigned(t)}
			return chain, nil
		},
		"a panic": func(*testing.T, context.Context, signCall, gate.Issuer) (gate.Chain, error) { panic("no") },
	} {
		t.Run(name, func(t *testing.T) {
			runOnEach(t, func(t *testing.T, start startFunc) {
				issuer := newTestIssuer(t, func(ctx context.Context, c signCall, real gate.Issuer) (gate.Chain, error) {
					if c.number == 1 {
						return answer(t, ctx, c, real)
					}
					return real.Sign(ctx, c.Permit)
				})
				s := start(t, servertest.Issuer(issuer))
				p := peopleOf(t, s)
				j := requestAndApprove(t, s, p, s.CreateProfileAsOlga(t, true).ID)
				waitForAttempt(t, s, p, j.ID, 1)
				if n := countRows(t, s, "SELECT count(*) FROM leaves"); n != 0 {
					t.Fatalf("%d leaves", n)
				}
				s.Clock.Advance(time.Minute)
				waitUntilEnded(t, s, j.ID, api.JobCompleted, "")
				issuer.checkCalls(t, j.ID, 2)
			})
		})
	}
}

func newSelfSigned(t testing.TB) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"evil.example.net"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// A worker whose lease expired loses its job. Another worker signs the same bytes. The first worker then writes nothing,
// before or after the other worker is done.
func TestLostLease_WritesNothing(t *testing.T) {
	runOnEach(t, func(t *testing.T, start startFunc) {
		for _, late := range []struct {
			name  string
			err   error // of the first worker; nil if it has a signature
			first bool  // whether the first worker is done before the other
		}{
			{"a signature after the end", nil, false},
			{"a signature before the end", nil, true},
			{"an error after the end", errors.New("too late"), false},
			{"an error before the end", errors.New("too late"), true},
		} {
			t.Run(late.name, func(t *testing.T) {
				hung := make(chan int, 2)
				release := []chan struct{}{make(chan struct{}), make(chan struct{})}
				issuer := newTestIssuer(t, func(ctx context.Context, c signCall, real gate.Issuer) (gate.Chain, error) {
					hung <- c.number
					<-release[c.number-1]
					if c.number == 1 && late.err != nil {
						return gate.Chain{}, late.err
					}
					return real.Sign(ctx, c.Permit)
				})
				log := &servertest.LogBuffer{}
				s := start(t, servertest.Issuer(issuer), servertest.Log(log))
				p := peopleOf(t, s)
				j := requestAndApprove(t, s, p, s.CreateProfileAsOlga(t, true).ID)
				<-hung
				s.Clock.Advance(40 * time.Second)
				<-hung // the other worker has the job
				if !late.first {
					close(release[1])
					waitUntilEnded(t, s, j.ID, api.JobCompleted, "")
				}
				before := readRows(t, s, tables...)
				close(release[0])
				servertest.WaitUntil(t, func() error { return checkLog(log, "another worker has this job", 1) })
				if diff := cmp.Diff(before, readRows(t, s, tables...)); diff != "" {
					t.Errorf("the worker without a lease wrote something:\n%s", diff)
				}
				if late.first {
					close(release[1])
				}
				if done := waitUntilEnded(t, s, j.ID, api.JobCompleted, ""); done.Attempt != 0 {
					t.Error("a lost lease counted as an attempt")
				}
				issuer.checkCalls(t, j.ID, 2)
				if n := countRows(t, s, "SELECT count(*) FROM leaves WHERE job_id = ?", j.ID); n != 1 {
					t.Errorf("%d leaves", n)
				}
			})
		}
	})
}

// checkLog returns an error unless the log has the text at least so often.
func checkLog(log *servertest.LogBuffer, text string, times int) error {
	if n := strings.Count(log.String(), text); n < times {
		return fmt.Errorf("the log says %q %d times", text, n)
	}
	return nil
}

// A worker keeps its job while it is alive, even with a slow issuer.
func TestHeartbeat_ExtendsTheLease(t *testing.T) {
	t.Parallel()
	hung, release := make(chan struct{}), make(chan struct{})
	issuer := newTestIssuer(t, func(ctx context.Context, c signCall, real gate.Issuer) (gate.Chain, error) {
		close(hung)
		<-release
		return real.Sign(ctx, c.Permit)
	})
	s := servertest.New(t, servertest.Issuer(issuer))
	p := peopleOf(t, s)
	j := requestAndApprove(t, s, p, s.CreateProfileAsOlga(t, true).ID)
	<-hung
	claimed := leaseOf(t, s, j.ID)
	s.Clock.Advance(10 * time.Second)
	// A worker extends its lease after a third of the lease. It may do so ten seconds late.
	servertest.WaitUntil(t, func() error {
		if time.Sleep(100 * time.Millisecond); !leaseOf(t, s, j.ID).After(claimed) {
			return errors.New("no heartbeat")
		}
		return nil
	})
	s.Clock.Advance(20 * time.Second)
	time.Sleep(200 * time.Millisecond) // two periods of the reaper
	close(release)
	waitUntilEnded(t, s, j.ID, api.JobCompleted, "")
	if n := countRows(t, s, "SELECT fence FROM jobs WHERE id = ?", j.ID); n != 1 {
		t.Errorf("the job was claimed %d times", n)
	}
	issuer.checkCalls(t, j.ID, 1)
}

func leaseOf(t testing.TB, s *servertest.Server, job string) time.Time {
	t.Helper()
	var j struct{ LeaseUntil time.Time }
	s.Query(t, &j, "SELECT lease_until FROM jobs WHERE id = ?", job)
	return j.LeaseUntil
}

// Stopping a server waits until a running signature is stored.
func TestStop_WaitsForASignature(t *testing.T) {
	runOnEach(t, func(t *testing.T, start startFunc) {
		hung, release := make(chan struct{}), make(chan struct{})
		issuer := newTestIssuer(t, func(ctx context.Context, c signCall, real gate.Issuer) (gate.Chain, error) {
			close(hung)
			select {
			case <-release:
				return real.Sign(ctx, c.Permit)
			case <-ctx.Done():
				return gate.Chain{}, ctx.Err()
			}
		})
		s := start(t, servertest.Issuer(issuer))
		p := peopleOf(t, s)
		j := requestAndApprove(t, s, p, s.CreateProfileAsOlga(t, true).ID)
		<-hung
		time.AfterFunc(200*time.Millisecond, func() { close(release) })
		s.Stop()
		s.Restart(t)
		if done := getJob(t, peopleOf(t, s), j.ID); done.Status != api.JobCompleted || done.Attempt != 0 {
			t.Errorf("the job is %s after %d attempts: %s", done.Status, done.Attempt, done.ErrorMessage)
		}
		issuer.checkCalls(t, j.ID, 1)
	})
}

// A draft that fails or panics is no attempt, and stops no worker.
func TestFailingDraft_IsNoAttempt(t *testing.T) {
	runOnEach(t, func(t *testing.T, start startFunc) {
		s := start(t, servertest.NoWorkers())
		p := peopleOf(t, s)
		j := requestAndApprove(t, s, p, s.CreateProfileAsOlga(t, true).ID)
		issuer := &failingDrafter{testIssuer: newTestIssuer(t, nil)}
		s.UseIssuer(issuer)
		s.Restart(t)
		waitForRetries(t, s, j.ID, false)
		if n := countRows(t, s, "SELECT count(*) FROM intents"); n != 0 || len(issuer.listCalls(j.ID)) != 0 {
			t.Error("something was signed without a draft")
		}
		s.UseIssuer(issuer.testIssuer)
		s.Restart(t)
		s.Clock.Advance(time.Minute)
		if done := waitUntilEnded(t, s, j.ID, api.JobCompleted, ""); done.Attempt != 0 {
			t.Error("a failed draft counted as an attempt")
		}
	})
}

// failingDrafter fails to draft. Every other time it panics.
type failingDrafter struct {
	*testIssuer
	drafts int
}

// Draft implements gate.Issuer.
func (u *failingDrafter) Draft(gate.Subject, gate.Serial, gate.Validity) ([]byte, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.drafts++; u.drafts%2 == 0 {
		panic("no")
	}
	return nil, errors.New("no")
}

// The time under a disabled profile does not count against the deadline of the issuer.
func TestFailingIssuer_HasItsTimeAfterADisabledProfile(t *testing.T) {
	runOnEach(t, func(t *testing.T, start startFunc) {
		issuer := newTestIssuer(t, func(ctx context.Context, c signCall, real gate.Issuer) (gate.Chain, error) {
			if c.number <= 2 {
				return gate.Chain{}, errors.New("no luck")
			}
			return real.Sign(ctx, c.Permit)
		})
		s := start(t, servertest.Issuer(issuer), servertest.IssueWithin(time.Hour))
		p := peopleOf(t, s)
		profile := s.CreateProfileAsOlga(t, true)
		j := requestAndApprove(t, s, p, profile.ID)
		waitForAttempt(t, s, p, j.ID, 1)
		disabled := profile.ProfileSpec
		disabled.Enabled = false
		if _, err := s.Client(t, "olga").ReplaceProfile(t.Context(), profile.ID, disabled); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			s.Clock.Advance(24 * time.Hour)
			now := s.Clock.Now()
			servertest.WaitUntil(t, func() error {
				if waiting := getJob(t, peopleOf(t, s), j.ID); waiting.ErrorMessage != "the profile is disabled" || waiting.RunAt.Before(now) {
					return fmt.Errorf("the job is %s and due at %s: %s", waiting.Status, waiting.RunAt, waiting.ErrorMessage)
				}
				return nil
			})
		}
		var waiting *client.AwaitingApprovalError
		if _, err := s.Client(t, "olga").ReplaceProfile(t.Context(), profile.ID, profile.ProfileSpec); !errors.As(err, &waiting) {
			t.Fatal(err)
		}
		if _, err := s.Client(t, "bob").ApproveApproval(t.Context(), waiting.Approval.ID, api.Decision{}); err != nil {
			t.Fatal(err)
		}
		again := waitForAttempt(t, s, peopleOf(t, s), j.ID, 2)
		s.Clock.Advance(again.RunAt.Sub(s.Clock.Now()))
		if done := s.WaitUntilFinalAsVera(t, j.ID); done.Status != api.JobCompleted {
			t.Errorf("the job is %s: %s", done.Status, done.ErrorMessage)
		}
	})
}
