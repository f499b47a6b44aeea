package approval_test

import (
	"testing"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// Each server's clock may differ two seconds from the database's, so two servers may differ four seconds. A decision by the
// slower server counts.
func TestApprove_AcceptsAClockBehind(t *testing.T) {
	servertest.RunOnEach(t, func(t *testing.T, s *servertest.Server) {
		j := s.RequestOlgasCertificate(t, "alice")
		s.Clock.Advance(-3900 * time.Millisecond)
		if _, err := s.Client(t, "bob").ApproveApproval(t.Context(), *j.ApprovalID, api.Decision{}); err != nil {
			t.Error(err)
		}
	}, servertest.NoWorkers())
}
