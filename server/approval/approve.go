package approval

import (
	"errors"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/audit"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Approve decides for a request and moves on what waited, in one transaction.
func (s *Service) Approve(tx *store.Tx, caller identity.Actor, id string, d api.Decision) (Approval, error) {
	a, who, err := s.prepareDecision(tx, caller, id, d)
	if err != nil {
		return Approval{}, err
	}
	kind, err := s.kindOf(a)
	if err != nil {
		return Approval{}, err
	}
	if err := kind.Lock(tx, a); errors.Is(err, ErrSubjectChanged) {
		return Approval{}, s.closeChanged(tx, who, a)
	} else if err != nil {
		return Approval{}, err
	}
	decided, err := s.moveToFinal(tx, a, api.ApprovalApproved, who, "", d.Note)
	if err != nil {
		return Approval{}, err
	}
	if err := kind.Approve(tx, decided); err != nil {
		return Approval{}, err
	}
	tx.AfterCommit(func() { s.metrics.countDecision(decided) })
	return decided, appendAudit(tx, who, "approval_approved", decided, audit.Details{"note": d.Note, "digest": a.Digest})
}

// closeChanged closes a request whose subject changed, and returns the refusal to report.
func (s *Service) closeChanged(tx *store.Tx, who identity.Actor, a Approval) error {
	if _, err := s.Close(tx, who, a, api.CauseSubjectChanged); err != nil {
		return err
	}
	return store.Keep(api.Refuse(api.CodeSubjectChanged,
		"approval %s is closed: what it asks for is no longer what would happen; request it again", a.ID))
}
