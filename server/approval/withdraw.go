package approval

import (
	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/audit"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/principal"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Withdraw takes a request back. The accountable person and their services may withdraw it, also without a role, and any
// operator may: it opens no gate, and an operator could archive the certificate instead.
func (s *Service) Withdraw(tx *store.Tx, who identity.Actor, id, note string) (Approval, error) {
	who, err := principal.Reload(tx, who)
	if err != nil {
		return Approval{}, err
	}
	a, err := Get(tx, id)
	if refusal := checkWithdrawer(who, a); refusal != nil && (err == nil || api.Is(err, api.CodeNotFound)) {
		return Approval{}, refusal // who may not withdraw does not learn whether the approval exists
	}
	if err != nil {
		return Approval{}, err
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

// MayWithdraw reports whether somebody may withdraw a request now.
func MayWithdraw(tx *store.Tx, who identity.Actor, a Approval) bool {
	return a.isOpen(tx.Now) && checkWithdrawer(who, a) == nil
}

// checkWithdrawer refuses a caller who may not withdraw the request.
func checkWithdrawer(who identity.Actor, a Approval) *api.Problem {
	if who.Accountable() == a.Accountable || principal.HasRole(who, api.RoleOperator) {
		return nil
	}
	refusal := api.Refuse(api.CodeForbidden, "only an operator, the requester or their services may withdraw a request")
	refusal.Principal, refusal.RequiredRoles = who.ID, []api.Role{api.RoleOperator}
	return refusal
}
