package gate

import (
	"context"
	"errors"
	"fmt"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/rules"
	"github.com/certctl/terraform-provider-certctl/server/approval"
	"github.com/certctl/terraform-provider-certctl/server/audit"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/job"
	"github.com/certctl/terraform-provider-certctl/server/principal"
	"github.com/certctl/terraform-provider-certctl/server/profile"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// Admit returns a permit for a claimed job, or ends the job with a RefusedError. After any other error the job is tried
// again. A job that was admitted before gets a permit for the same bytes. If the program is older than the database
// allows, nothing is admitted.
func (g *Gate) Admit(ctx context.Context, c job.Claim) (Permit, error) {
	// Drafting and linting take milliseconds, so they run before the transaction. The transaction then checks the
	// subject that was drafted.
	drafted, err := g.prepareDraft(ctx, c)
	unsignable, err := splitUnsignable(err)
	if err != nil {
		return Permit{}, err
	}
	var permit Permit
	err = g.store.Write(ctx, func(tx *store.Tx) error {
		if err := tx.CheckProgram(); err != nil {
			return err
		}
		proposal, reason, err := g.checkJob(tx, c)
		if err != nil {
			return err
		}
		if reason == "" && unsignable != nil {
			reason = unsignable.Error()
		}
		if reason != "" {
			return g.refuse(tx, c, reason)
		}
		permit, err = g.writePermit(tx, c, proposal, drafted)
		return err
	})
	return permit, err
}

// writePermit extends the lease of the job, writes the intent and makes the permit.
func (g *Gate) writePermit(tx *store.Tx, c job.Claim, proposal Proposal, drafted draft) (Permit, error) {
	if err := g.queue.Hold(tx, c); err != nil {
		return Permit{}, err
	}
	intent, err := g.writeIntent(tx, c, proposal, drafted)
	if err != nil {
		return Permit{}, err
	}
	if tx.Now.After(intent.NotAfter) {
		return Permit{}, g.refuse(tx, c, "the certificate would have expired")
	}
	issuer, err := g.findIssuer(intent.IssuerID)
	if err != nil {
		return Permit{}, err
	}
	return Permit{tbs: intent.TBS, jobID: c.ID, issuer: issuer, subject: proposal.Subject.IssuanceSubject}, nil
}

// prepareDraft drafts the subject of a job, unless an earlier attempt wrote the intent.
func (g *Gate) prepareDraft(ctx context.Context, c job.Claim) (draft, error) {
	found := false
	err := g.store.Query(ctx, func(tx *store.Tx) (err error) {
		_, found, err = findIntent(tx, c.ID)
		return err
	})
	if err != nil || found {
		return draft{}, err
	}
	subject, err := g.subjectOf(c.Job)
	if err != nil {
		return draft{}, &UnsignableError{api.Fault{Detail: err.Error()}}
	}
	return g.draftAndLint(subject, g.store.Now())
}

// checkJob returns a reason if the job must be refused, or an error if that could not be determined.
func (g *Gate) checkJob(tx *store.Tx, c job.Claim) (Proposal, string, error) {
	names, err := profile.ShareUngatedNames(tx)
	if err != nil {
		return Proposal{}, "", err
	}
	proposal, err := g.LockProposal(tx, c.CertificateUID, c.CSRPEM)
	if errors.Is(err, ErrNothingToSign) {
		return proposal, err.Error(), nil
	}
	if proposal.hasDisabledProfile() {
		return proposal, "", ErrProfileDisabled
	}
	unsignable, err := splitUnsignable(err)
	if err != nil {
		return proposal, "", err
	}
	if unsignable != nil {
		return proposal, unsignable.Error(), nil
	}
	if reason := refusalReason(proposal, c.Subject, c.Digest); reason != "" {
		return proposal, reason, nil
	}
	reason, err := g.checkApproval(tx, proposal, c.Job, names)
	return proposal, reason, err
}

// checkApproval returns a reason if the job lacks the approval that it needs. A gated profile needs one, and a job that
// has one needs it approved. A job that no human approved may only have ungated names.
func (g *Gate) checkApproval(tx *store.Tx, proposal Proposal, j job.Job, names rules.UngatedNames) (string, error) {
	if j.ApprovalID == nil {
		if proposal.Profile.RequiresApproval {
			return "the profile requires approval and nobody approved", nil
		}
		return checkUngated(names, proposal), nil
	}
	a, found, err := approval.Share(tx, *j.ApprovalID)
	switch {
	case err != nil:
		return "", err
	case !found:
		return "its approval is missing", nil
	case a.State != api.ApprovalApproved:
		return fmt.Sprintf("its approval is %s", a.State), nil
	case a.Kind != api.ApprovalIssuance || a.JobID == nil || *a.JobID != j.ID || a.Digest != j.Digest || a.Subject != j.Subject:
		return "its approval is for something else", nil
	}
	if reason, err := g.checkDecision(tx, a.Decider()); err != nil || reason != "" {
		return reason, err
	}
	if a.Decider().Kind != identity.Human {
		return checkUngated(names, proposal), nil
	}
	return "", nil
}

// checkDecision returns a reason if an approval by this decider does not count. A person who was disabled after the
// decision counts.
func (g *Gate) checkDecision(tx *store.Tx, decider identity.Actor) (string, error) {
	if decider.ID == identity.Bypass.ID {
		if g.bypass {
			return "", nil
		}
		return "its approval was bypassed, and this server does not bypass", nil
	}
	human, err := principal.IsHuman(tx, decider.ID)
	if err == nil && !human {
		return fmt.Sprintf("its approval was decided by %q, who is no person", decider.ID), nil
	}
	return "", err
}

// refuse ends the job and returns the RefusedError to report.
func (g *Gate) refuse(tx *store.Tx, c job.Claim, reason string) error {
	if err := g.queue.Refuse(tx, c, reason); err != nil {
		return err
	}
	if err := appendAudit(tx, "issuance_refused", c, audit.Details{"reason": reason}); err != nil {
		return err
	}
	return store.Keep(&RefusedError{reason})
}

func appendAudit(tx *store.Tx, action string, c job.Claim, details audit.Details) error {
	return audit.Append(tx, audit.Event{Actor: identity.Issuer, Action: action, ResourceType: "job", ResourceID: c.ID, Details: details})
}
