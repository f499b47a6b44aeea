package approval

import (
	"regexp"
	"slices"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/audit"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/principal"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

var wellFormedID = regexp.MustCompile(`^ar-[a-z0-9-]{1,64}$`)

// prepareDecision returns the approval and the caller as they are in this transaction. It checks every rule that
// does not depend on the kind, in the order of docs/design/decision.md. It writes the audit row of a refusal. The caller cannot lose their roles until the transaction ends.
func (s *Service) prepareDecision(tx *store.Tx, caller identity.Actor, id string, d api.Decision) (Approval, identity.Actor, error) {
	who, err := principal.Reload(tx, caller)
	if err != nil {
		return Approval{}, who, err
	}
	a, err := Get(tx, id)
	absent := api.Is(err, api.CodeNotFound)
	if err != nil && !absent {
		return Approval{}, who, err
	}
	if refusal := checkDecider(who, a, a.isOpen(tx.Now)); refusal != nil {
		return Approval{}, who, s.recordDenial(tx, who, id, refusal)
	}
	if absent {
		return Approval{}, who, err
	}
	if err := s.requireOpen(tx, a); err != nil {
		return Approval{}, who, err
	}
	if d.Digest != "" && d.Digest != a.Digest {
		return Approval{}, who, api.Refuse(api.CodeDigestMismatch,
			"the digest sent is not the digest of approval %s: read the approval again before you decide", a.ID)
	}
	return a, who, nil
}

// checkDecider is the two-person rule. The decider is a human and an approver, and is not excluded from the request.
// nil means that they may decide. A caller without the role still learns that they are excluded.
func checkDecider(who identity.Actor, a Approval, open bool) *api.Problem {
	excluded := slices.Contains(a.Excluded.V, who.Accountable()) || who.ID == a.RequestedBy
	switch {
	case open && excluded:
		return api.Refuse(api.CodeTwoPersonIntegrity,
			"two-person integrity: %s is excluded from deciding this request; another person must decide it", who.Accountable())
	case who.Kind != identity.Human:
		return api.Refuse(api.CodeHumanRequired, "%s is a service: only a person may decide", who.ID)
	case !principal.HasRole(who, api.RoleApprover):
		p := api.Refuse(api.CodeForbidden, "%s has no role %s", who.ID, api.RoleApprover)
		p.Principal, p.RequiredRoles = who.ID, []api.Role{api.RoleApprover}
		return p
	}
	return nil
}

// recordDenial writes the audit row of a refused decision and returns the refusal. A breach of the two-person rule is
// also logged. If a principal is refused too often, recordDenial writes nothing and returns rate_limited.
func (s *Service) recordDenial(tx *store.Tx, who identity.Actor, id string, refusal *api.Problem) error {
	if !s.denials.Allow(who.ID) {
		return api.Refuse(api.CodeRateLimited, "%s was refused too many decisions: wait a moment", who.ID)
	}
	if !wellFormedID.MatchString(id) {
		id = "" // no such approval can exist
	}
	if err := appendAudit(tx, who, "decision_denied", Approval{ID: id}, audit.Details{"code": refusal.Code()}); err != nil {
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

// requireOpen refuses an approval that is final. If the deadline has passed, requireOpen records the expiry first.
func (s *Service) requireOpen(tx *store.Tx, a Approval) error {
	if a.isOpen(tx.Now) {
		return nil
	}
	if a.IsOverdue(tx.Now) {
		if _, err := s.Expire(tx, a); err != nil {
			return err
		}
		return store.Keep(expiredProblem(a))
	}
	if a.State == api.ApprovalExpired {
		return expiredProblem(a)
	}
	return decidedProblem(a)
}

// decidedProblem names the decider, or the principal whose call cancelled the request.
func decidedProblem(a Approval) *api.Problem {
	if a.State == api.ApprovalCancelled {
		p := api.Refuse(api.CodeAlreadyDecided, "approval %s was already cancelled by %s: %s", a.ID, *a.ClosedBy, a.Cause.Words())
		p.State, p.ClosedBy, p.Cause = string(a.State), *a.ClosedBy, *a.Cause
		return p
	}
	p := api.Refuse(api.CodeAlreadyDecided, "approval %s was already %s by %s", a.ID, a.State, *a.DecidedBy)
	p.State, p.DecidedBy, p.DecidedAt = string(a.State), *a.DecidedBy, a.DecidedAt
	return p
}

func expiredProblem(a Approval) *api.Problem {
	return api.Refuse(api.CodeApprovalExpired, "approval %s expired at %s: request it again", a.ID, a.ExpiresAt.Format(time.RFC3339))
}
