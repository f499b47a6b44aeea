package provider

import (
	"fmt"
	"time"

	"github.com/hashicorp/terraform-plugin-framework-timetypes/timetypes"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/certctl/terraform-provider-certctl/api"
)

// setSummary sets every attribute but the arguments.
func (m *pendingApprovalsModel) setSummary(s api.ApprovalSummary, endpoint string) error {
	m.TotalCount = types.Int64Value(s.TotalCount)
	m.Truncated = types.BoolValue(s.TotalCount > int64(len(s.Approvals)))
	m.OldestRequestedAt = timetypes.NewRFC3339Null()
	m.OldestAgeSeconds = types.Int64Value(0)
	if s.OldestRequestedAt != nil {
		m.OldestRequestedAt = newTimestamp(*s.OldestRequestedAt)
		m.OldestAgeSeconds = types.Int64Value(ageSeconds(*s.OldestRequestedAt, s))
	}
	m.EvaluatedAt = newTimestamp(s.EvaluatedAt)
	m.CountByKind = s.CountByKind
	m.CountByProfile = s.CountByProfile
	m.ApprovalBypass = types.BoolValue(s.ApprovalBypass)
	m.Endpoint = types.StringValue(endpoint)
	m.ServerVersion = types.StringValue(s.ServerVersion)
	return m.setApprovals(s)
}

func (m *pendingApprovalsModel) setApprovals(s api.ApprovalSummary) error {
	m.IDs = make([]string, len(s.Approvals))
	m.Approvals = make([]pendingApprovalModel, len(s.Approvals))
	for i, a := range s.Approvals {
		m.IDs[i] = a.ID
		var err error
		if m.Approvals[i], err = newPendingApprovalModel(a, s); err != nil {
			return fmt.Errorf("approval %s: %w", a.ID, err)
		}
	}
	return nil
}

func newPendingApprovalModel(a api.Approval, s api.ApprovalSummary) (pendingApprovalModel, error) {
	m, err := newApprovalModel(a)
	return pendingApprovalModel{approvalModel: m, AgeSeconds: ageSeconds(a.CreatedAt, s)}, err
}

// ageSeconds compares times of the server only. The clock of this machine may be wrong.
func ageSeconds(since time.Time, s api.ApprovalSummary) int64 {
	return max(0, int64(s.EvaluatedAt.Sub(since)/time.Second))
}
