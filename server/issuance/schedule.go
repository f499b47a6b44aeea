package issuance

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/certificate"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/job"
	"github.com/certctl/terraform-provider-certctl/server/principal"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

const dueAtOnce = 500

// RenewDue requests each certificate that is due, as a person would: a gated one waits for its approval. Each request has
// a transaction of its own, so one certificate that cannot be renewed stops no other. Several replicas may call RenewDue
// at once: the certificate's lock lets one of them open the job.
//
// After a renewal that ended without a certificate, RenewDue waits for retryAfter, or less if the leaf ends soon.
func (s *Service) RenewDue(ctx context.Context, retryAfter time.Duration) error {
	var after store.Cursor
	for {
		var due, requested []certificate.Certificate
		err := s.Store.Read(ctx, func(tx *store.Tx) (err error) {
			if due, err = certificate.ListDue(tx, after, dueAtOnce); err != nil {
				return err
			}
			requested, err = filterDue(tx, due, retryAfter)
			return err
		})
		if err != nil {
			return fmt.Errorf("find the certificates that are due: %w", err)
		}
		for _, c := range requested {
			if ctx.Err() != nil {
				return nil
			}
			if err := s.renewDue(ctx, c, retryAfter); err != nil {
				s.Log.WarnContext(ctx, "could not request a renewal", "certificate_id", c.ID, "error", err)
			}
		}
		if len(due) < dueAtOnce {
			return nil
		}
		last := due[len(due)-1]
		after = store.Cursor{At: *last.RenewAt, ID: last.UID}
	}
}

func (s *Service) renewDue(ctx context.Context, c certificate.Certificate, retryAfter time.Duration) (err error) {
	defer s.recoverAs(ctx, &err, "certificate_id", c.ID)
	err = s.Store.Write(ctx, func(tx *store.Tx) error {
		if due, err := certificate.LockIfDue(tx, c); err != nil || !due {
			return err
		}
		still, err := filterDue(tx, []certificate.Certificate{c}, retryAfter)
		if err != nil || len(still) == 0 {
			return err
		}
		accountable, err := findAccountable(tx, c)
		if err != nil {
			return err
		}
		_, err = s.Renew(tx, identity.Scheduler(accountable), Request{CertificateID: c.ID, Renew: api.Renew{Reason: "due since " + c.RenewAt.Format(time.RFC3339)}})
		return err
	})
	var refusal *api.Problem
	if errors.Is(err, principal.ErrUnauthenticated) || errors.As(err, &refusal) {
		return nil // somebody else requested it, or CheckRenewals stores and logs what is in the way
	}
	return err
}

// filterDue skips certificates with an open job, and those whose last job was rejected, withdrawn, expired or failed a
// short while ago: see retryPause. A last job that ended because its subject changed is no reason to wait.
func filterDue(tx *store.Tx, due []certificate.Certificate, retryAfter time.Duration) ([]certificate.Certificate, error) {
	uids := make([]string, len(due))
	for i, c := range due {
		uids[i] = c.UID
	}
	newest, err := job.Newest(tx, uids)
	if err != nil {
		return nil, err
	}
	var filtered []certificate.Certificate
	for _, c := range due {
		last, ever := newest[c.UID]
		if !ever || last.FinishedAt == nil {
			continue
		}
		if !endedWithoutCertificate(last) || !tx.Now.Before(last.FinishedAt.Add(retryPause(c, *last.FinishedAt, retryAfter))) {
			filtered = append(filtered, c)
		}
	}
	return filtered, nil
}

// minRetryPause bounds how often approvers of a short certificate are asked.
const minRetryPause = time.Minute

// retryPause returns how long the scheduler waits after a request that ended without a certificate: a quarter of what is
// left of the leaf, at most the configured time. An expired leaf has nothing left to lose.
func retryPause(c certificate.Certificate, ended time.Time, most time.Duration) time.Duration {
	if c.NotAfter == nil || !ended.Before(*c.NotAfter) {
		return most
	}
	return min(most, max(c.NotAfter.Sub(ended)/4, minRetryPause))
}

// endedWithoutCertificate reports whether a person, a deadline or the issuer ended the job.
func endedWithoutCertificate(j job.Job) bool {
	if j.Cause == nil {
		return false
	}
	switch *j.Cause {
	case api.CauseApprovalRejected, api.CauseApprovalExpired, api.CauseApprovalWithdrawn, api.CauseIssuerFailed:
		return true
	default:
		return false
	}
}
