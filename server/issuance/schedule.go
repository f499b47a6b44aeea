package issuance

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/certctl/terraform-provider-certctl/api"
	"github.com/certctl/terraform-provider-certctl/server/certificate"
	"github.com/certctl/terraform-provider-certctl/server/gate"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/job"
	"github.com/certctl/terraform-provider-certctl/server/principal"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

const dueAtOnce = 500

// RenewDue asks for each certificate that is due, as a person would, so that a gated one waits for its approval. Each
// is a transaction of its own: one that cannot be renewed stops no other. Replicas may all do it: the certificate's
// lock lets one of them open the job. After a renewal that ended without a certificate it asks no sooner than
// retryAfter.
func (s *Service) RenewDue(ctx context.Context, retryAfter time.Duration) error {
	var after store.Cursor
	for {
		var due, asked []certificate.Certificate
		err := s.Store.Read(ctx, func(tx *store.Tx) (err error) {
			if due, err = certificate.Due(tx, after, dueAtOnce); err != nil {
				return err
			}
			asked, err = wanted(tx, due, retryAfter)
			return err
		})
		if err != nil {
			return fmt.Errorf("find the certificates that are due: %w", err)
		}
		for _, c := range asked {
			if ctx.Err() != nil {
				return nil
			}
			if err := s.renewDue(ctx, c, retryAfter); err != nil {
				s.Log.WarnContext(ctx, "could not ask for a renewal", "certificate_id", c.ID, "error", err)
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
		if due, err := certificate.StillDue(tx, c); err != nil || !due {
			return err
		}
		still, err := wanted(tx, []certificate.Certificate{c}, retryAfter)
		if err != nil || len(still) == 0 {
			return err
		}
		signed, err := gate.LastSigned(tx, c)
		if err != nil {
			return err
		}
		before, err := job.Get(tx, signed.JobID)
		if err != nil {
			return err
		}
		accountable, err := principal.Successor(tx, before.Accountable, before.CreatedAt)
		if err != nil {
			return err
		}
		_, err = s.Renew(tx, identity.Scheduler(accountable), Unprepared(c.ID, api.Renew{Reason: "due since " + c.RenewAt.Format(time.RFC3339)}))
		return err
	})
	switch {
	case errors.Is(err, principal.ErrUnauthenticated):
		return errors.New("the person accountable for it is disabled: someone must renew it, or see certctl principal handover")
	case api.Is(err, api.CodeJobAlreadyOpen, api.CodeProfileDisabled):
		return nil // asked for already, or not to be asked for
	}
	return err
}

// wanted are those of the certificates to ask for. One whose newest job is open is waited for; one whose newest job came
// to nothing because of a person, of time or of the issuer is not asked for again at once. Where what would be signed
// changed meanwhile, asking again is the point.
func wanted(tx *store.Tx, due []certificate.Certificate, retryAfter time.Duration) ([]certificate.Certificate, error) {
	uids := make([]string, len(due))
	for i, c := range due {
		uids[i] = c.UID
	}
	newest, err := job.Newest(tx, uids)
	if err != nil {
		return nil, err
	}
	var asked []certificate.Certificate
	for _, c := range due {
		last, ever := newest[c.UID]
		if !ever || last.FinishedAt == nil {
			continue
		}
		if !endedWithoutCertificate(last) || !tx.Now.Before(last.FinishedAt.Add(retryAfter)) {
			asked = append(asked, c)
		}
	}
	return asked, nil
}

// endedWithoutCertificate says whether a person, time or the issuer ended a job.
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
