package app_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// waitForLog waits until the log has a text.
func waitForLog(t *testing.T, log *buffer, text string) {
	t.Helper()
	servertest.WaitUntil(t, func() error {
		if !strings.Contains(log.String(), text) {
			return fmt.Errorf("the log does not say %q: %s", text, log)
		}
		return nil
	})
}

// newClient makes a client of a server with a key that another server made.
func newClient(t *testing.T, s *servertest.Server, key string) *client.Client {
	t.Helper()
	c, err := client.New(s.URL, key, client.WithRetries(0))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// callWrites makes calls that write, each as a principal who may. It returns their errors.
func callWrites(t *testing.T, s *servertest.Server, on *servertest.Server, approvalID, certificateID string) map[string]error {
	t.Helper()
	ctx := context.Background()
	clientOf := func(who string) *client.Client { return newClient(t, on, s.Key(t, who)) }
	spec := api.DefaultProfileSpec()
	spec.Name = store.NewID("profile ")
	errs := map[string]error{"delete": clientOf("olga").DeleteCertificate(ctx, certificateID)}
	_, errs["approve"] = clientOf("bob").ApproveApproval(ctx, approvalID, api.Decision{})
	_, errs["reject"] = clientOf("bob").RejectApproval(ctx, approvalID, api.Decision{})
	_, errs["decide alone"] = clientOf("alice").ApproveApproval(ctx, approvalID, api.Decision{})
	_, errs["withdraw"] = clientOf("alice").WithdrawApproval(ctx, approvalID, api.Withdrawal{})
	_, errs["renew"] = clientOf("alice").RenewCertificate(ctx, certificateID, api.Renew{})
	_, errs["create"] = clientOf("olga").CreateProfile(ctx, api.CreateProfile{ProfileSpec: spec})
	errs["command"] = on.Store.Write(ctx, func(tx *store.Tx) error {
		_, err := on.App.DisablePrincipal(tx, "alice")
		return err
	})
	return errs
}

// checkAllRefused fails the test unless each of the writes was refused for the reason.
func checkAllRefused(t *testing.T, errs map[string]error, reason string) {
	t.Helper()
	for call, err := range errs {
		var p *api.Problem
		switch {
		case err == nil:
			t.Errorf("%s: it was done", call)
		case !strings.Contains(err.Error(), reason):
			t.Errorf("%s: %v", call, err)
		case call != "command" && (!errors.As(err, &p) || p.Code() != api.CodeUnavailable || p.Status != http.StatusServiceUnavailable):
			t.Errorf("%s: %v", call, err)
		}
	}
}

// If a server's clock differs from the database's, the server writes nothing: no call, no tick, no worker. It still reads. It
// writes again once its clock is right.
func TestClock_WritesNothingWhileSkewed(t *testing.T) {
	t.Parallel()
	s := servertest.NewPostgres(t, servertest.NoWorkers())
	ctx := context.Background()
	waiting := s.RequestOlgasCertificate(t, "alice")
	state := func() (state string) {
		s.Query(t, &state, "SELECT state FROM approvals WHERE id = ?", *waiting.ApprovalID)
		return state
	}
	log := &buffer{}
	// other is a replica whose clock differs from its database's. The database of the first server has its clock.
	s.Clock.Advance(-time.Hour)
	other := s.StartSecond(t, servertest.DatabaseClock(), servertest.Log(log))
	ungated, err := s.Client(t, "alice").RenewCertificate(ctx, s.CreateCertificateAsOlga(t, s.CreateProfileAsOlga(t, false).ID).ID, api.Renew{})
	if err != nil {
		t.Fatal(err)
	}
	checkAllRefused(t, callWrites(t, s, other, *waiting.ApprovalID, waiting.CertificateID), "this machine's clock is ")
	if got := state(); got != "pending" {
		t.Errorf("the approval is %s", got)
	}
	waitForLog(t, log, "could not claim a job")
	if a, err := newClient(t, other, s.Key(t, "vera")).GetApproval(ctx, *waiting.ApprovalID); err != nil {
		t.Errorf("reading is refused: %v, %+v", err, a)
	}

	s.Clock.Advance(9 * 24 * time.Hour) // past the deadline
	log.reset()
	waitForLog(t, log, "tick skipped")
	if err := other.App.Expire(ctx); err != nil {
		t.Error(err)
	}
	if got := state(); got != "pending" {
		t.Errorf("the approval is %s", got)
	}

	s.Clock.Advance(time.Hour - 9*24*time.Hour)
	if j := s.WaitUntilFinalAsVera(t, ungated.ID); j.Status != api.JobCompleted {
		t.Errorf("the job is %s: %s", j.Status, j.ErrorMessage)
	}
	if _, err := newClient(t, other, s.Key(t, "bob")).ApproveApproval(ctx, *waiting.ApprovalID, api.Decision{}); err != nil {
		t.Error(err)
	}
}

// A program that is too old for the database does not start, sign or write.
func TestProgram_WritesNothingWhileTooOld(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(testing.TB, ...servertest.Option) *servertest.Server{"sqlite": servertest.New, "postgres": servertest.NewPostgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := &buffer{}
			s := start(t, servertest.NoWorkers(), servertest.Log(log))
			waiting := s.RequestOlgasCertificate(t, "alice")
			ungated, err := s.Client(t, "alice").RenewCertificate(t.Context(), s.CreateCertificateAsOlga(t, s.CreateProfileAsOlga(t, false).ID).ID, api.Renew{})
			if err != nil {
				t.Fatal(err)
			}
			for _, who := range []string{"alice", "bob", "olga"} {
				s.Key(t, who)
			}
			const tooOld = "this program is too old"
			s.Exec(t, "UPDATE schema_requirements SET min_program = 99")
			if err := s.Store.Migrate(t.Context()); err == nil || !strings.Contains(err.Error(), tooOld) {
				t.Errorf("the program starts: %v", err)
			}
			// A server caches the check for five seconds, but the gate does not use the cache.
			ctx, stop := context.WithCancel(t.Context())
			working := make(chan struct{})
			go func() {
				defer close(working)
				s.App.Work(ctx)
			}()
			waitForLog(t, log, tooOld)
			servertest.WaitUntil(t, func() error {
				if err := s.Store.Write(t.Context(), func(*store.Tx) error { return nil }); err == nil {
					return errors.New("the program writes")
				}
				return nil
			})
			checkAllRefused(t, callWrites(t, s, s, *waiting.ApprovalID, waiting.CertificateID), tooOld)
			stop()
			<-working
			signed := 0
			s.Query(t, &signed, "SELECT count(*) FROM intents")
			if signed != 0 {
				t.Errorf("the gate admitted job %s", ungated.ID)
			}
			servertest.WaitUntil(t, func() error { return checkReadyAnswer(s.URL, tooOld) })
		})
	}
}
