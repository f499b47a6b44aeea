package issuance

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/certificate"
	"github.com/certctl/terraform-provider-certctl/server/gate"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/job"
	"github.com/certctl/terraform-provider-certctl/server/outbox"
	"github.com/certctl/terraform-provider-certctl/server/principal"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

const (
	checkedPage = 200
	// maxChecked bounds the certificates that are not known to be blocked and that one search looks at. The next search
	// goes on with the others.
	maxChecked = 1000
)

// CheckRenewals finds out which certificates could not be renewed now, and stores that: for every certificate that was
// blocked, and for the next thousand of the others. It logs only what changed.
func (s *Service) CheckRenewals(ctx context.Context) error {
	s.checking.Lock()
	defer s.checking.Unlock()
	failed := s.checkAll(ctx, certificate.ListBlocked, "", func([]certificate.Checked) bool { return true })
	checked := 0
	return cmp.Or(failed, s.checkAll(ctx, certificate.ListUnblocked, s.checkedUntil, func(page []certificate.Checked) bool {
		if s.checkedUntil = ""; len(page) == checkedPage {
			s.checkedUntil = page[len(page)-1].UID
		}
		checked += len(page)
		return checked < maxChecked
	}))
}

// checkAll checks certificates in pages until a page is not full, or until more returns false. A certificate that cannot be
// checked stops no other; checkAll returns the first such error at its end.
func (s *Service) checkAll(ctx context.Context, list func(*store.Tx, string, int) ([]certificate.Checked, error), after string, more func([]certificate.Checked) bool) error {
	var failed error
	for ctx.Err() == nil {
		page, err := s.checkPage(ctx, func(tx *store.Tx) ([]certificate.Checked, error) { return list(tx, after, checkedPage) })
		failed = cmp.Or(failed, err)
		if goOn := more(page); !goOn || len(page) < checkedPage {
			return failed
		}
		after = page[len(page)-1].UID
	}
	return failed
}

// checkPage checks a page of certificates and stores what blocks them. It returns the first error with the page.
func (s *Service) checkPage(ctx context.Context, list func(*store.Tx) ([]certificate.Checked, error)) (page []certificate.Checked, failed error) {
	found := map[string]certificate.Block{} // by uid
	failed = s.Store.Read(ctx, func(tx *store.Tx) (err error) {
		if page, err = list(tx); err != nil || len(page) == 0 {
			return err
		}
		approvers, err := principal.ListApprovers(tx)
		if err != nil {
			return err
		}
		for _, c := range page {
			block, one := s.tryFindBlock(tx, c, approvers)
			if one != nil {
				err = cmp.Or(err, fmt.Errorf("check whether certificate %s can be renewed: %w", c.ID, one))
				continue
			}
			found[c.UID] = block
		}
		return err
	})
	for _, c := range page {
		if block, checked := found[c.UID]; checked {
			failed = cmp.Or(failed, s.recordBlock(ctx, c, block))
		}
	}
	return page, failed
}

// tryFindBlock is findBlock. A panic becomes an error.
func (s *Service) tryFindBlock(tx *store.Tx, c certificate.Checked, approvers []string) (block certificate.Block, err error) {
	defer s.recoverAs(tx.Context(), &err, "certificate_id", c.ID)
	return s.findBlock(tx, c, approvers)
}

// recordBlock stores a block that differs from the one found before.
func (s *Service) recordBlock(ctx context.Context, c certificate.Checked, b certificate.Block) error {
	if b.Reason == c.Reason && b.Detail == c.Detail {
		return nil
	}
	return s.Store.Write(ctx, func(tx *store.Tx) error {
		changed, err := certificate.SetBlock(tx, c.Certificate, b)
		if err != nil || !changed {
			return err
		}
		if b.Reason != "" {
			if err := appendBlocked(tx, c, b); err != nil {
				return err
			}
		}
		tx.AfterCommit(func() {
			if b.Reason == "" {
				s.Log.InfoContext(ctx, "the renewal of a certificate is possible again", "certificate_id", c.ID, "was_blocked_by", c.Reason)
				return
			}
			s.Log.WarnContext(ctx, "the renewal of a certificate is blocked", "certificate_id", c.ID, "profile_id", c.Spec.V.ProfileID, "blocked_by", b.Reason, "detail", b.Detail)
		})
		return nil
	})
}

// appendBlocked adds a message to the outbox. It leaves out the detail, which contains texts of users.
func appendBlocked(tx *store.Tx, c certificate.Checked, b certificate.Block) error {
	return outbox.Append(tx, outbox.Message{
		Type: outbox.RenewalBlocked, About: c.UID, Topic: c.Spec.V.ProfileID, MayGather: true,
		Data: outbox.BlockedRenewal{CertificateID: c.ID, ProfileID: c.Spec.V.ProfileID, Reason: string(b.Reason), NotAfter: c.NotAfter},
	})
}

// findBlock returns what would keep the scheduler from having a certificate signed now; the zero Block if nothing would.
// approvers are the people who can decide.
func (s *Service) findBlock(tx *store.Tx, c certificate.Checked, approvers []string) (certificate.Block, error) {
	if !c.Renewable() {
		return certificate.Block{}, nil
	}
	accountable, err := findAccountable(tx, c.Certificate)
	if err != nil {
		return certificate.Block{}, err
	}
	enabled, err := principal.IsEnabled(tx, accountable)
	if err != nil {
		return certificate.Block{}, err
	}
	if !enabled {
		return certificate.Block{Reason: api.BlockedByPerson, Detail: fmt.Sprintf(
			"%s, who is accountable for it, is disabled: name a successor with certctl principal handover, or have somebody else renew it", accountable)}, nil
	}
	p, err := s.Gate.GetProposal(tx, c.UID, "")
	if err != nil {
		return asBlock(err, api.BlockedByRules)
	}
	if !p.Profile.Enabled {
		return asBlock(profileDisabledProblem(p.ProfileID), api.BlockedByProfile)
	}
	if err := s.checkRules(tx, p); err != nil {
		return asBlock(err, api.BlockedByRules)
	}
	if err := asInvalid(s.Gate.Lint(p.Subject, tx.Now)); err != nil {
		return asBlock(err, api.BlockedByIssuer)
	}
	if !p.Profile.RequiresApproval || s.Approvals.HasBypass() {
		return certificate.Block{}, nil
	}
	excluded, err := findExcluded(tx, identity.Scheduler(accountable), p, api.Renew{})
	if err != nil {
		return certificate.Block{}, err
	}
	if detail := describeUndecidable(approvers, excluded); detail != "" {
		return certificate.Block{Reason: api.BlockedByNobody, Detail: detail}, nil
	}
	return certificate.Block{}, nil
}

// describeUndecidable says why nobody can decide a request; empty if somebody can.
func describeUndecidable(approvers, excluded []string) string {
	switch {
	case len(approvers) == 0:
		return "nobody can decide: no enabled person has the role approver"
	case !slices.ContainsFunc(approvers, func(a string) bool { return !slices.Contains(excluded, a) }):
		return fmt.Sprintf("nobody can decide: every enabled approver (%s) is excluded", strings.Join(approvers, ", "))
	}
	return ""
}

// asBlock turns a refusal into a block. Any other error stays an error.
func asBlock(err error, reason api.RenewalBlock) (certificate.Block, error) {
	var refusal *api.Problem
	var unsignable *gate.UnsignableError
	switch {
	case errors.As(err, &unsignable):
		return certificate.Block{Reason: reason, Detail: unsignable.Error()}, nil
	case !errors.As(err, &refusal):
		return certificate.Block{}, err
	}
	if refusal.Code() == api.CodeApprovalRequired {
		reason = api.BlockedByApproval
	}
	return certificate.Block{Reason: reason, Detail: describeRefusal(refusal)}, nil
}

// maxDetail bounds what is stored of a refusal: a certificate can have a thousand names.
const maxDetail = 500

// describeRefusal returns a refusal and its faults in one line.
func describeRefusal(refusal *api.Problem) string {
	parts := make([]string, len(refusal.Errors))
	for i, f := range refusal.Errors {
		parts[i] = strings.TrimSpace(f.Pointer + " " + f.Detail)
	}
	detail := strings.Join(parts, "; ")
	if detail == "" {
		detail = refusal.Detail
	}
	if runes := []rune(detail); len(runes) > maxDetail {
		detail = string(runes[:maxDetail]) + "..."
	}
	return detail
}

// findAccountable returns who is accountable for the next scheduled renewal: the person accountable for the current leaf, or
// the successor of that person.
func findAccountable(tx *store.Tx, c certificate.Certificate) (string, error) {
	signed, err := gate.FindLastSigned(tx, c)
	if err != nil {
		return "", err
	}
	before, err := job.Get(tx, signed.JobID)
	if err != nil {
		return "", err
	}
	return principal.FindSuccessor(tx, before.Accountable, before.CreatedAt)
}
