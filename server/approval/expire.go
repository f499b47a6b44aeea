package approval

import (
	"context"
	"fmt"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Expire ends a request whose deadline has passed.
func (s *Service) Expire(tx *store.Tx, a Approval) (Approval, error) {
	expired, err := s.moveAndClose(tx, identity.Reaper, a, api.ApprovalExpired, api.CauseApprovalExpired, "")
	if err != nil {
		return Approval{}, err
	}
	tx.AfterCommit(func() { s.metrics.countDecision(expired) })
	return expired, appendAudit(tx, identity.Reaper, "approval_expired", expired, nil)
}

// ExpireDue ends up to limit requests whose deadline has passed. Each has a transaction of its own, so one bad row
// stops no other. Several replicas may call ExpireDue at once.
func (s *Service) ExpireDue(ctx context.Context, db *store.Store, limit int) error {
	var due []Approval
	err := db.Query(ctx, func(tx *store.Tx) error {
		return tx.DB.Where(pendingCondition+" AND expires_at <= ?", tx.Now).Order("expires_at, id").Limit(limit).Find(&due).Error
	})
	if err != nil {
		return fmt.Errorf("find expired approvals: %w", err)
	}
	for _, a := range due {
		err := db.Write(ctx, func(tx *store.Tx) error {
			_, err := s.Expire(tx, a)
			return err
		})
		if err != nil && !IsAlreadyFinal(err) {
			s.log.ErrorContext(ctx, "could not expire an approval", "approval_id", a.ID, "error", err)
		}
	}
	return nil
}
