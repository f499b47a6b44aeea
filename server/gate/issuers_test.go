package gate_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/app"
	"github.com/certctl/terraform-provider-certctl/server/gate"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// A server with another CA does not start, and changes nothing that was approved.
func TestRegisterIssuers_RefusesAnotherCA(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		j, other := createReadyJob(t, s, true), newOtherCA(t)
		err := gate.RegisterIssuers(t.Context(), s.Store, map[string]gate.Issuer{app.LocalIssuerID: other})
		for _, text := range []string{servertest.CA(t).Fingerprint(), other.Fingerprint(), "certctl ca replace"} {
			if err == nil || !strings.Contains(err.Error(), text) {
				t.Errorf("the error does not say %q: %v", text, err)
			}
		}
		s.Restart(t)
		if ended := s.WaitUntilFinalAsVera(t, j.ID); ended.Status != api.JobCompleted {
			t.Errorf("the job is %s: %s", ended.Status, ended.ErrorMessage)
		}
	}, servertest.NoWorkers())
}

// A running server whose CA was replaced signs nothing, requests nothing and ends nothing. A server with the new CA works.
func TestReplaceIssuer_StopsARunningServer(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(testing.TB, ...servertest.Option) *servertest.Server{"sqlite": servertest.New, "postgres": servertest.NewPostgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := &servertest.LogBuffer{}
			s := start(t, servertest.NoWorkers(), servertest.Log(log))
			approved, waiting, other := createReadyJob(t, s, true), s.RequestOlgasCertificate(t, "alice"), newOtherCA(t)
			replacement := s.ReplaceIssuer(t, other)
			if len(replacement.Stale) != 2 || replacement.Stale[0].ID != approved.ID || replacement.Stale[1].ID != waiting.ID {
				t.Errorf("the stale jobs are %+v", replacement.Stale)
			}
			_, err := s.Client(t, "alice").RenewCertificate(t.Context(), s.CreateCertificateAsOlga(t, s.CreateProfileAsOlga(t, true).ID).ID, api.Renew{})
			servertest.RequireProblem(t, err, api.CodeUnavailable)
			_, err = s.Client(t, "bob").ApproveApproval(t.Context(), *waiting.ApprovalID, api.Decision{})
			servertest.RequireProblem(t, err, api.CodeUnavailable)
			servertest.WaitUntil(t, func() error {
				if err := s.Client(t, "vera").GetReady(t.Context()); err == nil {
					return errors.New("it is ready")
				}
				return nil
			})
			ctx, stop := context.WithCancel(t.Context())
			working := make(chan struct{})
			go func() {
				defer close(working)
				s.App.Work(ctx)
			}()
			servertest.WaitUntil(t, func() error {
				if !strings.Contains(log.String(), "certctl ca replace") {
					return fmt.Errorf("no worker tried: %s", log.String())
				}
				return nil
			})
			stop()
			<-working
			if j, err := s.Client(t, "vera").GetJob(t.Context(), approved.ID); err != nil || j.FinishedAt != nil {
				t.Errorf("the server with the former CA ended the job: %v, %+v", err, j)
			}
			s.Restart(t)
			if ended := s.WaitUntilFinalAsVera(t, approved.ID); ended.Status != api.JobCancelled || ended.ErrorMessage != "subject changed" {
				t.Errorf("the job is %s: %s", ended.Status, ended.ErrorMessage)
			}
		})
	}
}

// A replica whose CA was replaced closes no request of a server with the new CA.
func TestReplaceIssuer_KeepsNewRequestsFromAStaleReplica(t *testing.T) {
	t.Parallel()
	s := servertest.NewPostgres(t, servertest.NoWorkers())
	other := newOtherCA(t)
	s.Write(t, func(tx *store.Tx) error {
		_, err := gate.ReplaceIssuer(tx, app.LocalIssuerID, other.Fingerprint())
		return err
	})
	current := s.StartSecond(t, servertest.Issuer(other))
	waiting := current.RequestOlgasCertificate(t, "alice")
	_, err := s.Client(t, "bob").ApproveApproval(t.Context(), *waiting.ApprovalID, api.Decision{})
	servertest.RequireProblem(t, err, api.CodeUnavailable)
	if _, err := current.Client(t, "bob").ApproveApproval(t.Context(), *waiting.ApprovalID, api.Decision{}); err != nil {
		t.Fatal(err)
	}
	if ended := current.WaitUntilFinalAsVera(t, waiting.ID); ended.Status != api.JobCompleted {
		t.Errorf("the job is %s: %s", ended.Status, ended.ErrorMessage)
	}
}
