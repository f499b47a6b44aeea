package approval

import (
	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/audit"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// bypassApproval approves a new request as system-bypass: for development and CI. The bypass shows in decided_by, in an
// audit row and in a metric. The caller of Open holds the locks of Kind.Lock. The gate of a process without the bypass does not count such an approval.
func (s *Service) bypassApproval(tx *store.Tx, a Approval) (Approval, error) {
	kind, err := s.kindOf(a)
	if err != nil {
		return a, err
	}
	bypassed, err := s.moveToFinal(tx, a, api.ApprovalApproved, identity.Bypass, "", "")
	if err != nil {
		return a, err
	}
	if err := kind.Approve(tx, bypassed); err != nil {
		return a, err
	}
	tx.AfterCommit(func() { s.metrics.countBypass(bypassed) })
	return bypassed, appendAudit(tx, identity.Bypass, "approval_bypassed", bypassed, audit.Details{"digest": a.Digest})
}

// HasBypass reports whether the bypass is on.
func (s *Service) HasBypass() bool { return s.bypass }
