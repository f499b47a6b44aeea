package approval

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/audit"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/principal"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Who decides and what about, both as they stand now, in one round trip. Whoever takes the decider's key, roles or
// place away has to wait for the decision, or comes before it.
const findDecision = "SELECT " + principal.HolderColumns + ", a.* FROM " + principal.HolderTables + `
	LEFT JOIN approvals a ON a.id = ? WHERE k.id = ?`

var wellFormedID = regexp.MustCompile(`^ar-[a-z0-9-]{1,64}$`)

// decidable finds the approval and the caller's standing, and checks every rule that needs no look at what is
// decided on, in the order in which callers are told. A refusal is to be returned as it is.
func (s *Service) decidable(tx *store.Tx, who identity.Actor, id string, d api.Decision) (Approval, identity.Actor, error) {
	sought := id
	if !wellFormedID.MatchString(id) {
		id = "" // it cannot exist; but who may not decide at all hears that first
	}
	var row struct {
		Holder   principal.Holder `gorm:"embedded"`
		Approval Approval         `gorm:"embedded"`
	}
	if _, err := tx.Find(&row, findDecision+tx.Locking(principal.HolderLock), id, who.KeyID); err != nil {
		return Approval{}, who, fmt.Errorf("look up the approval: %w", err)
	}
	who, err := row.Holder.Actor(tx.Now)
	if err != nil {
		return Approval{}, who, err
	}
	a := row.Approval
	if refusal := mayDecide(who, a, a.open(tx.Now)); refusal != nil {
		return Approval{}, who, s.denied(tx, who, id, refusal)
	}
	if a.ID == "" {
		return Approval{}, who, api.NotFound("approval", sought)
	}
	if err := s.stillOpen(tx, a); err != nil {
		return Approval{}, who, err
	}
	if d.Digest != "" && d.Digest != a.Digest {
		return Approval{}, who, api.Refuse(api.CodeDigestMismatch, "the digest sent is not that of approval %s: read it again before you decide", a.ID)
	}
	return a, who, nil
}

// mayDecide is the rule of the two people. The decider is a human, an approver, and not one of those who stand
// behind the request. nil means that he may.
func mayDecide(who identity.Actor, a Approval, open bool) *api.Problem {
	excluded := slices.Contains(a.Excluded.V, who.Accountable()) || who.ID == a.RequestedBy
	switch {
	case open && excluded:
		return api.Refuse(api.CodeTwoPersonIntegrity,
			"two-person integrity: %s stands behind this request, so another person must decide it", who.Accountable())
	case who.Kind != identity.Human:
		return api.Refuse(api.CodeHumanRequired, "%s is a service: only a person may decide", who.ID)
	case !who.Has(api.RoleApprover):
		p := api.Refuse(api.CodeForbidden, "%s has no role %s", who.ID, api.RoleApprover)
		p.Principal, p.RequiredRoles = who.ID, []api.Role{api.RoleApprover}
		return p
	}
	return nil
}

// denied records that who was refused, and tells the log of a breach of the two-person rule. A principal who is refused
// too often is told only that.
func (s *Service) denied(tx *store.Tx, who identity.Actor, id string, refusal *api.Problem) error {
	if !s.denials.Allow(who.ID) {
		return api.Refuse(api.CodeRateLimited, "%s was refused too many decisions: wait a moment", who.ID)
	}
	if err := record(tx, who, "decision_denied", Approval{ID: id}, audit.Details{"code": refusal.Code()}); err != nil {
		return err
	}
	if refusal.Code() == api.CodeTwoPersonIntegrity {
		ctx := tx.Context()
		tx.AfterCommit(func() {
			s.log.WarnContext(ctx, "two-person integrity: decision refused", "request_id", identity.RequestID(ctx), "approval_id", id, "principal", who.ID)
		})
	}
	return store.Keep(refusal)
}

// stillOpen refuses a request that has ended. One whose deadline passed unseen is ended here and now.
func (s *Service) stillOpen(tx *store.Tx, a Approval) error {
	if a.open(tx.Now) {
		return nil
	}
	if a.Overdue(tx.Now) {
		if _, err := s.Expire(tx, a); err != nil {
			return err
		}
		return store.Keep(expired(a))
	}
	if a.State == api.ApprovalExpired {
		return expired(a)
	}
	return alreadyDecided(a)
}

// alreadyDecided names the decider, or the principal whose call cancelled the request.
func alreadyDecided(a Approval) *api.Problem {
	if a.State == api.ApprovalCancelled {
		p := api.Refuse(api.CodeAlreadyDecided, "approval %s is cancelled already, by %s: %s", a.ID, *a.ClosedBy, a.Cause.Words())
		p.State, p.ClosedBy, p.Cause = string(a.State), *a.ClosedBy, *a.Cause
		return p
	}
	p := api.Refuse(api.CodeAlreadyDecided, "approval %s is %s already, by %s", a.ID, a.State, *a.DecidedBy)
	p.State, p.DecidedBy, p.DecidedAt = string(a.State), *a.DecidedBy, a.DecidedAt
	return p
}

func expired(a Approval) *api.Problem {
	return api.Refuse(api.CodeApprovalExpired, "approval %s expired at %s: ask again", a.ID, a.ExpiresAt.Format("2006-01-02T15:04:05Z07:00"))
}
