package approval_test

import (
	"context"
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/client"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// The bypass approves both kinds at once. The approval, the audit trail, the summary and the metrics show it.
func TestBypass_ApprovesBothKindsAtOnce(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		ctx, alice := context.Background(), s.Client(t, "alice")
		p := s.CreateProfileAsOlga(t, true)
		j, err := alice.RenewCertificate(ctx, s.CreateCertificateAsOlga(t, p.ID).ID, api.Renew{})
		if err != nil || j.Status != api.JobPending || j.ApprovalID == nil {
			t.Fatalf("%v, %+v", err, j)
		}
		if done := s.WaitUntilFinalAsVera(t, j.ID); done.Status != api.JobCompleted {
			t.Errorf("the job is %s: %s", done.Status, done.ErrorMessage)
		}
		a, err := alice.GetApproval(ctx, *j.ApprovalID)
		if err != nil || a.State != api.ApprovalApproved || *a.DecidedBy != "system-bypass" {
			t.Errorf("%v, %+v", err, a)
		}
		if diff := cmp.Diff([]string{"approval_bypassed", "approval_requested"}, listActions(t, s, a.ID)); diff != "" {
			t.Error(diff)
		}
		p.RequiresApproval = false
		if preview, err := alice.PreviewProfile(ctx, api.CreateProfile{ID: p.ID, ProfileSpec: p.ProfileSpec}); err != nil || preview.Outcome != api.EditApplies {
			t.Errorf("the preview of the edit: %v, %+v", err, preview)
		}
		if after, err := alice.ReplaceProfile(ctx, p.ID, p.ProfileSpec); err != nil || after.RequiresApproval || after.Version != 2 {
			t.Errorf("the edit: %v, %+v", err, after)
		}
		if summary, err := alice.GetApprovalSummary(ctx, client.GetApprovalSummaryOptions{}); err != nil || !summary.ApprovalBypass {
			t.Errorf("the summary: %v, %+v", err, summary)
		}
		text := readMetrics(t, s)
		for _, line := range []string{
			"certctl_approval_bypass_enabled 1", `certctl_approval_decisions_total{outcome="bypassed",profile_id="` + p.ID + `"} 2`,
			"certctl_approval_pending_age_seconds_count 2",
		} {
			if !strings.Contains(text, line) {
				t.Errorf("the metrics lack %s", line)
			}
		}
	}, servertest.Bypass())
}

func readMetrics(t *testing.T, s *servertest.Server) string {
	t.Helper()
	recorder := httptest.NewRecorder()
	promhttp.HandlerFor(s.App.Registry, promhttp.HandlerOpts{}).ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
	text, err := io.ReadAll(recorder.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A server without the bypass signs no job that another process bypassed.
func TestBypass_DoesNotCountInAServerWithoutIt(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		j, err := s.Client(t, "alice").RenewCertificate(context.Background(), s.CreateCertificateAsOlga(t, s.CreateProfileAsOlga(t, true).ID).ID, api.Renew{})
		if err != nil {
			t.Fatal(err)
		}
		s.EndBypass()
		s.Restart(t)
		ended := s.WaitUntilFinalAsVera(t, j.ID)
		if ended.Status != api.JobCancelled || !strings.Contains(ended.ErrorMessage, "bypassed") {
			t.Errorf("the job is %s: %s", ended.Status, ended.ErrorMessage)
		}
	}, servertest.Bypass(), servertest.NoWorkers())
}
