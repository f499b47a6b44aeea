package approval

import (
	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/audit"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/principal"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Withdraw takes a request back. The accountable person and their services may withdraw it. If a service or the
// scheduler made the request, any operator may.
func (s *Service) Withdraw(tx *store.Tx, who identity.Actor, id, note string) (Approval, error) {
	a, err := Get(tx, id)
	if err != nil {
		return Approval{}, err
	}
	if refusal := checkWithdrawer(who, a); refusal != nil {
		return Approval{}, refusal
	}
	if err := s.requireOpen(tx, a); err != nil {
		return Approval{}, err
	}
	closed, err := s.moveAndClose(tx, who, a, api.ApprovalCancelled, api.CauseApprovalWithdrawn, note)
	if err != nil {
		return Approval{}, err
	}
	tx.AfterCommit(func() { s.metrics.countCancellation(closed, api.CauseApprovalWithdrawn) })
	return closed, appendAudit(tx, who, "approval_withdrawn", closed, audit.Details{"note": note})
}

// checkWithdrawer refuses a caller who may not withdraw the request. A person who made a request is accountable for it;
// a service or the scheduler never is.
func checkWithdrawer(who identity.Actor, a Approval) *api.Problem {
	madeByPerson := a.RequestedBy == a.Accountable
	if who.Accountable() == a.Accountable || (!madeByPerson && principal.HasRole(who, api.RoleOperator)) {
		return nil
	}
	refusal := api.Refuse(api.CodeForbidden, "approval %s was requested by %s: only the requester or their services may withdraw it", a.ID, a.Accountable)
	refusal.Principal, refusal.RequiredRoles = who.ID, []api.Role{api.RoleOperator}
	return refusal
}
