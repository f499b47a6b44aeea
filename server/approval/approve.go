package approval

import (
	"errors"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/audit"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Approve decides for the request and lets what waited go on, in one transaction.
func (s *Service) Approve(tx *store.Tx, who identity.Actor, id string, d api.Decision) (Approval, error) {
	a, who, err := s.decidable(tx, who, id, d)
	if err != nil {
		return Approval{}, err
	}
	kind, err := s.kind(a)
	if err != nil {
		return Approval{}, err
	}
	if err := kind.Stands(tx, a); errors.Is(err, ErrSubjectChanged) {
		return Approval{}, s.changed(tx, who, a)
	} else if err != nil {
		return Approval{}, err
	}
	decided, err := s.finish(tx, a, api.ApprovalApproved, who, "", d.Note)
	if err != nil {
		return Approval{}, err
	}
	if err := kind.Approved(tx, decided); err != nil {
		return Approval{}, err
	}
	tx.AfterCommit(func() { s.metrics.decided(decided) })
	return decided, record(tx, who, "approval_approved", decided, audit.Details{"note": d.Note, "digest": a.Digest})
}

// changed closes a request that no longer says what would happen.
func (s *Service) changed(tx *store.Tx, who identity.Actor, a Approval) error {
	if _, err := s.Close(tx, who, a, api.CauseSubjectChanged); err != nil {
		return err
	}
	return store.Keep(api.Refuse(api.CodeSubjectChanged,
		"what approval %s asks for is no longer what would be signed; it is closed: ask again", a.ID))
}
