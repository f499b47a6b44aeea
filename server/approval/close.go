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

// Close cancels a pending request because something happened to what it is about; who is whose call did it. One whose
// deadline had passed before has expired, and nobody closed it.
func (s *Service) Close(tx *store.Tx, who identity.Actor, a Approval, cause api.Cause) (Approval, error) {
	if a.Overdue(tx.Now) {
		return s.Expire(tx, a)
	}
	closed, err := s.end(tx, who, a, api.ApprovalCancelled, cause, "")
	if err != nil {
		return Approval{}, err
	}
	tx.AfterCommit(func() { s.metrics.cancelled(closed, cause) })
	return closed, record(tx, who, "approval_cancelled", closed, audit.Details{"cause": cause})
}

// CloseUnlessDecided is Close for what may have ended meanwhile: whoever was faster has rejected it, withdrawn it or seen
// it expire. An approval would have needed the lock of what waits, which the caller holds.
func (s *Service) CloseUnlessDecided(tx *store.Tx, who identity.Actor, a Approval, cause api.Cause) error {
	if _, err := s.Close(tx, who, a, cause); !IsDecided(err) {
		return err
	}
	return nil
}

// CloseOf cancels every pending request that a principal made or is accountable for, and returns the ids.
func (s *Service) CloseOf(tx *store.Tx, who identity.Actor, principalID string) ([]string, error) {
	return s.closeAll(tx, who, api.CausePersonDisabled, tx.DB.Where("accountable = ? OR requested_by = ?", principalID, principalID))
}

// CloseOfFormerOwners cancels every pending request of a service that its owner is not accountable for, and returns the
// ids.
func (s *Service) CloseOfFormerOwners(tx *store.Tx, who identity.Actor, service, owner string) ([]string, error) {
	return s.closeAll(tx, who, api.CauseOwnerChanged, tx.DB.Where("requested_by = ? AND accountable <> ?", service, owner))
}

func (s *Service) closeAll(tx *store.Tx, who identity.Actor, cause api.Cause, chosen *gorm.DB) ([]string, error) {
	var open []Approval
	if err := tx.DB.Where(isPending).Where(chosen).Order("id").Find(&open).Error; err != nil {
		return nil, fmt.Errorf("find the requests to cancel: %w", err)
	}
	var cancelled []string
	for _, a := range open {
		closed, err := s.Close(tx, who, a, cause)
		switch {
		case err != nil && !IsDecided(err):
			return nil, err
		case err == nil && closed.State == api.ApprovalCancelled:
			cancelled = append(cancelled, closed.ID)
		}
	}
	return cancelled, nil
}

// end moves a pending request to a final state without approval, and ends what waited.
func (s *Service) end(tx *store.Tx, who identity.Actor, a Approval, to api.ApprovalState, cause api.Cause, note string) (Approval, error) {
	kind, err := s.kind(a)
	if err != nil {
		return Approval{}, err
	}
	ended, err := s.finish(tx, a, to, who, cause, note)
	if err != nil {
		return Approval{}, err
	}
	return ended, kind.Closed(tx, ended, cause)
}

// The statements that take an approval out of pending, one for each final state. A decision counts only before the
// deadline, an expiry only after it; a cancellation may come at any time and has no decider.
//
// The empty string that is appended to the state leaves PostgreSQL the primary key alone to find the approval by. If its
// statistics know no pending approval, the index of what is pending looks cheaper, and PostgreSQL walks all of it.
var finishing = map[api.ApprovalState]string{
	api.ApprovalApproved: `UPDATE approvals SET state = 'approved', decided_by = @by, decided_at = @now, note = @note, updated_at = @now
		WHERE id = @id AND state || '' = 'pending' AND expires_at > @now RETURNING *`,
	api.ApprovalRejected: `UPDATE approvals SET state = 'rejected', decided_by = @by, decided_at = @now, note = @note, updated_at = @now
		WHERE id = @id AND state || '' = 'pending' AND expires_at > @now RETURNING *`,
	api.ApprovalExpired: `UPDATE approvals SET state = 'expired', decided_by = @by, decided_at = @now, cause = @cause, updated_at = @now
		WHERE id = @id AND state || '' = 'pending' AND expires_at <= @now RETURNING *`,
	api.ApprovalCancelled: `UPDATE approvals SET state = 'cancelled', closed_by = @by, closed_at = @now, cause = @cause, note = @note, updated_at = @now
		WHERE id = @id AND state || '' = 'pending' RETURNING *`,
}

// finish runs the only statement that may take an approval to a final state. Losing to another call is already_decided,
// with what came first.
func (s *Service) finish(tx *store.Tx, a Approval, to api.ApprovalState, who identity.Actor, cause api.Cause, note string) (Approval, error) {
	statement, known := finishing[to]
	if !known {
		return Approval{}, fmt.Errorf("approval %s cannot end as %q", a.ID, to)
	}
	var ended Approval
	won, err := tx.Guarded(&ended, statement, sql.Named("by", who.ID), sql.Named("now", tx.Now),
		sql.Named("cause", cause), sql.Named("note", note), sql.Named("id", a.ID))
	if err != nil {
		return Approval{}, fmt.Errorf("move approval %s to %s: %w", a.ID, to, err)
	}
	if !won {
		return Approval{}, s.lost(tx, a)
	}
	return ended, nil
}

// lost explains why the guard did not hold.
func (s *Service) lost(tx *store.Tx, a Approval) error {
	now, err := Get(tx, a.ID)
	if err != nil {
		return err
	}
	if err := s.stillOpen(tx, now); err != nil {
		return err
	}
	return fmt.Errorf("approval %s is %s and was not changed", a.ID, now.State)
}

// IsDecided says that another decision came first.
func IsDecided(err error) bool {
	return api.Is(err, api.CodeAlreadyDecided, api.CodeApprovalExpired)
}
