package approval

import (
	"database/sql"
	"fmt"

	"gorm.io/gorm"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/audit"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Close cancels a pending request because what it is about changed. who is the principal whose call did that. If the
// deadline has passed, Close records the expiry instead.
func (s *Service) Close(tx *store.Tx, who identity.Actor, a Approval, cause api.Cause) (Approval, error) {
	if a.IsOverdue(tx.Now) {
		return s.Expire(tx, a)
	}
	closed, err := s.moveAndClose(tx, who, a, api.ApprovalCancelled, cause, "")
	if err != nil {
		return Approval{}, err
	}
	tx.AfterCommit(func() { s.metrics.countCancellation(closed, cause) })
	return closed, appendAudit(tx, who, "approval_cancelled", closed, audit.Details{"cause": cause})
}

// CloseUnlessDecided is Close, but succeeds if the request was rejected, withdrawn or expired meanwhile. It cannot have
// been approved meanwhile: that needs the lock the caller holds.
func (s *Service) CloseUnlessDecided(tx *store.Tx, who identity.Actor, a Approval, cause api.Cause) error {
	if _, err := s.Close(tx, who, a, cause); !IsAlreadyFinal(err) {
		return err
	}
	return nil
}

// CloseForPrincipal cancels every pending request that a principal made or is accountable for. It returns the ids.
func (s *Service) CloseForPrincipal(tx *store.Tx, who identity.Actor, principalID string) ([]string, error) {
	return s.closeAll(tx, who, api.CausePersonDisabled, tx.DB.Where("accountable = ? OR requested_by = ?", principalID, principalID))
}

// CloseForFormerOwners cancels every pending request of a service that its owner is not accountable for. It returns the
// ids.
func (s *Service) CloseForFormerOwners(tx *store.Tx, who identity.Actor, service, owner string) ([]string, error) {
	return s.closeAll(tx, who, api.CauseOwnerChanged, tx.DB.Where("requested_by = ? AND accountable <> ?", service, owner))
}

func (s *Service) closeAll(tx *store.Tx, who identity.Actor, cause api.Cause, chosen *gorm.DB) ([]string, error) {
	var pending []Approval
	if err := tx.DB.Where(pendingCondition).Where(chosen).Order("id").Find(&pending).Error; err != nil {
		return nil, fmt.Errorf("find the requests to cancel: %w", err)
	}
	var cancelled []string
	for _, a := range pending {
		closed, err := s.Close(tx, who, a, cause)
		switch {
		case err != nil && !IsAlreadyFinal(err):
			return nil, err
		case err == nil && closed.State == api.ApprovalCancelled:
			cancelled = append(cancelled, closed.ID)
		}
	}
	return cancelled, nil
}

// moveAndClose moves a pending request to a final state other than approved, and ends what waited.
func (s *Service) moveAndClose(tx *store.Tx, who identity.Actor, a Approval, to api.ApprovalState, cause api.Cause, note string) (Approval, error) {
	kind, err := s.kindOf(a)
	if err != nil {
		return Approval{}, err
	}
	ended, err := s.moveToFinal(tx, a, to, who, cause, note)
	if err != nil {
		return Approval{}, err
	}
	return ended, kind.Close(tx, ended, cause)
}

// finalStatements are the statements that take an approval out of pending, one for each final state. A decision needs
// the deadline ahead, an expiry needs it behind. A cancellation needs neither and has no decider.
//
// The empty string appended to the state makes PostgreSQL find the approval by its primary key. If its statistics know
// no pending approval, the index of pending approvals looks cheaper, and PostgreSQL walks all of it.
var finalStatements = map[api.ApprovalState]string{
	api.ApprovalApproved: `UPDATE approvals SET state = 'approved', decided_by = @by, decided_at = @now, note = @note, updated_at = @now
		WHERE id = @id AND state || '' = 'pending' AND expires_at > @now RETURNING *`,
	api.ApprovalRejected: `UPDATE approvals SET state = 'rejected', decided_by = @by, decided_at = @now, note = @note, updated_at = @now
		WHERE id = @id AND state || '' = 'pending' AND expires_at > @now RETURNING *`,
	api.ApprovalExpired: `UPDATE approvals SET state = 'expired', decided_by = @by, decided_at = @now, cause = @cause, updated_at = @now
		WHERE id = @id AND state || '' = 'pending' AND expires_at <= @now RETURNING *`,
	api.ApprovalCancelled: `UPDATE approvals SET state = 'cancelled', closed_by = @by, closed_at = @now, cause = @cause, note = @note, updated_at = @now
		WHERE id = @id AND state || '' = 'pending' RETURNING *`,
}

// moveToFinal runs the only statements that take an approval to a final state, and appends the message about it. If another call was first, moveToFinal
// returns already_decided or approval_expired, with what that call did.
func (s *Service) moveToFinal(tx *store.Tx, a Approval, to api.ApprovalState, who identity.Actor, cause api.Cause, note string) (Approval, error) {
	statement, known := finalStatements[to]
	if !known {
		return Approval{}, fmt.Errorf("approval %s cannot end as %q", a.ID, to)
	}
	var moved Approval
	won, err := tx.Guarded(&moved, statement, sql.Named("by", who.ID), sql.Named("now", tx.Now),
		sql.Named("cause", cause), sql.Named("note", note), sql.Named("id", a.ID))
	if err != nil {
		return Approval{}, fmt.Errorf("move approval %s to %s: %w", a.ID, to, err)
	}
	if !won {
		return Approval{}, s.explainLoss(tx, a)
	}
	return moved, AppendMessage(tx, moved, finalMessages[to], nil)
}

// explainLoss returns why the guard of a statement did not hold.
func (s *Service) explainLoss(tx *store.Tx, a Approval) error {
	now, err := Get(tx, a.ID)
	if err != nil {
		return err
	}
	if err := s.requireOpen(tx, now); err != nil {
		return err
	}
	return fmt.Errorf("approval %s is %s and was not changed", a.ID, now.State)
}

// IsAlreadyFinal reports whether err says that the approval was decided, cancelled or expired before.
func IsAlreadyFinal(err error) bool {
	return api.Is(err, api.CodeAlreadyDecided, api.CodeApprovalExpired)
}
