package approval

import (
	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/audit"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Withdraw takes a request back: the accountable person or his services may, and any operator when a service or
// the scheduler asked.
func (s *Service) Withdraw(tx *store.Tx, who identity.Actor, id, note string) (Approval, error) {
	a, err := Get(tx, id)
	if err != nil {
		return Approval{}, err
	}
	if refusal := mayWithdraw(who, a); refusal != nil {
		return Approval{}, refusal
	}
	if err := s.stillOpen(tx, a); err != nil {
		return Approval{}, err
	}
	closed, err := s.end(tx, who, a, api.ApprovalCancelled, api.CauseApprovalWithdrawn, note)
	if err != nil {
		return Approval{}, err
	}
	tx.AfterCommit(func() { s.metrics.cancelled(closed, api.CauseApprovalWithdrawn) })
	return closed, record(tx, who, "approval_withdrawn", closed, audit.Details{"note": note})
}

// A person who asked himself is the accountable one; a service or the scheduler never is.
func mayWithdraw(who identity.Actor, a Approval) *api.Problem {
	askedByPerson := a.RequestedBy == a.Accountable
	if who.Accountable() == a.Accountable || (!askedByPerson && who.Has(api.RoleOperator)) {
		return nil
	}
	refusal := api.Refuse(api.CodeForbidden, "approval %s was asked for by %s: only he or a service of his may withdraw it", a.ID, a.Accountable)
	refusal.Principal, refusal.RequiredRoles = who.ID, []api.Role{api.RoleOperator}
	return refusal
}
