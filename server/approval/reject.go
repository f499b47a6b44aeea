package approval

import (
	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/audit"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Reject decides against a request and ends what waited, in one transaction.
func (s *Service) Reject(tx *store.Tx, caller identity.Actor, id string, d api.Decision) (Approval, error) {
	a, who, err := s.prepareDecision(tx, caller, id, d)
	if err != nil {
		return Approval{}, err
	}
	decided, err := s.moveAndClose(tx, who, a, api.ApprovalRejected, api.CauseApprovalRejected, d.Note)
	if err != nil {
		return Approval{}, err
	}
	tx.AfterCommit(func() { s.metrics.countDecision(decided) })
	return decided, appendAudit(tx, who, "approval_rejected", decided, audit.Details{"note": d.Note, "digest": a.Digest})
}
