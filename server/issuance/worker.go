package issuance

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/certctl/terraform-provider-certctl/server/audit"
	"github.com/certctl/terraform-provider-certctl/server/certificate"
	"github.com/certctl/terraform-provider-certctl/server/gate"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/job"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

const (
	// A poll covers a lost wake-up and a job whose time has come.
	pollEvery = time.Second
	// What a worker began it finishes, also while the server stops: this long for each write.
	finishWithin = 10 * time.Second
)

// Work runs workers until ctx ends and returns when each has finished or given back its job.
func (s *Service) Work(ctx context.Context, workers int) {
	var running sync.WaitGroup
	for range workers {
		running.Go(func() { s.loop(ctx) })
	}
	running.Wait()
}

func (s *Service) loop(ctx context.Context) {
	woken, unsubscribe := s.Store.Jobs().Subscribe()
	defer unsubscribe()
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for ctx.Err() == nil {
		claimed, err := s.next(ctx)
		if err != nil && ctx.Err() == nil {
			s.Log.WarnContext(ctx, "could not claim a job; trying again", "error", err)
		}
		if claimed {
			continue
		}
		select {
		case <-ctx.Done():
		case <-woken:
		case <-poll.C:
		}
	}
}

// next claims one job and works on it.
func (s *Service) next(ctx context.Context) (bool, error) {
	claim, found, err := s.Queue.Claim(ctx)
	if err != nil || !found {
		return false, err
	}
	// The job's own context: stopping the server takes no job out of its worker's hands.
	working, done := context.WithCancelCause(context.WithoutCancel(ctx))
	defer done(nil)
	go s.keepAlive(working, done, claim)
	s.work(working, claim)
	return true, nil
}

// keepAlive prolongs the lease; when it is lost, the work ends.
func (s *Service) keepAlive(ctx context.Context, stop context.CancelCauseFunc, c job.Claim) {
	beat := time.NewTicker(job.Lease / 3)
	defer beat.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-beat.C:
			if err := s.Queue.Heartbeat(ctx, c); errors.Is(err, job.ErrLost) {
				stop(err)
				return
			}
		}
	}
}

// work takes a job through the gate to the issuer and stores what comes back.
func (s *Service) work(ctx context.Context, c job.Claim) {
	log := s.Log.With("job_id", c.ID, "certificate_id", c.CertificateID)
	chain, err := s.sign(ctx, c)
	if err == nil {
		err = s.within(ctx, func(ctx context.Context) error { return s.finish(ctx, c, chain) })
	}
	var refused *gate.RefusedError
	var issuer *issuerError
	switch {
	case err == nil:
		s.Metrics.issued(c.ProfileID, "issued")
		log.InfoContext(ctx, "certificate issued")
	case errors.Is(err, job.ErrLost):
		log.WarnContext(ctx, "another worker has this job", "error", err)
	case errors.As(err, &refused):
		s.Metrics.issued(c.ProfileID, "refused")
		log.WarnContext(ctx, "issuance refused", "reason", refused.Reason)
	case errors.As(err, &issuer):
		log.WarnContext(ctx, "the issuer failed", "error", err)
		if err := s.within(ctx, func(ctx context.Context) error { return s.fail(ctx, c, issuer) }); err != nil {
			log.WarnContext(ctx, "could not record the issuer's failure; the lease will run out", "error", err)
		}
	default:
		log.WarnContext(ctx, "job given back", "error", err)
		if err := s.within(ctx, func(ctx context.Context) error { return s.Queue.Release(ctx, c) }); err != nil {
			log.WarnContext(ctx, "could not give the job back; the lease will run out", "error", err)
		}
	}
}

func (s *Service) within(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishWithin)
	defer cancel()
	return f(ctx)
}

// issuerError is an error that counts as an attempt.
type issuerError struct{ error }

func (s *Service) sign(ctx context.Context, c job.Claim) (gate.Chain, error) {
	permit, err := s.Gate.Admit(ctx, c)
	if err != nil {
		return gate.Chain{}, err
	}
	issuer, err := s.Gate.Issuer(c.Job)
	if err != nil {
		return gate.Chain{}, err
	}
	chain, err := issuer.Sign(ctx, permit)
	if err != nil {
		return gate.Chain{}, &issuerError{err}
	}
	return chain, matches(chain, permit)
}

// matches makes sure that an issuer signed the permit's bytes and no others.
func matches(chain gate.Chain, permit gate.Permit) error {
	tbs, err := permit.TBS()
	if err != nil {
		return err
	}
	leaf, err := x509.ParseCertificate(chain.Leaf)
	if err != nil {
		return &issuerError{fmt.Errorf("the issuer's answer is no certificate: %w", err)}
	}
	if string(leaf.RawTBSCertificate) != string(tbs) {
		return &issuerError{errors.New("the issuer signed something else than it was permitted")}
	}
	return nil
}

// finish keeps the leaf and ends the job, in one transaction.
func (s *Service) finish(ctx context.Context, c job.Claim, chain gate.Chain) error {
	leaf, err := leafOf(c, chain)
	if err != nil {
		return err
	}
	return s.Store.Write(ctx, func(tx *store.Tx) error {
		leaf.CreatedAt = tx.Now
		if err := certificate.Issued(tx, leaf, c.CSRPEM); err != nil {
			return err
		}
		return s.Queue.Complete(tx, c, leaf.SerialNumber)
	})
}

func leafOf(c job.Claim, chain gate.Chain) (certificate.Leaf, error) {
	cert, err := x509.ParseCertificate(chain.Leaf)
	if err != nil {
		return certificate.Leaf{}, err
	}
	subject, err := gate.ReadSubject(c.Job)
	if err != nil {
		return certificate.Leaf{}, err
	}
	fingerprint := sha256.Sum256(chain.Leaf)
	var issuers strings.Builder
	for _, der := range chain.Issuers {
		issuers.Write(pemOf(der))
	}
	return certificate.Leaf{
		SerialNumber: gate.SerialOf(cert).String(), JobID: c.ID, CertificateUID: c.CertificateUID, IssuerID: subject.IssuerID,
		SANs: store.JSON[[]string]{V: subject.SANs}, NotBefore: cert.NotBefore.UTC(), NotAfter: cert.NotAfter.UTC(),
		FingerprintSHA256: hex.EncodeToString(fingerprint[:]), SPKISHA256: subject.Key.SPKISHA256,
		CertificatePEM: string(pemOf(chain.Leaf)), ChainPEM: issuers.String(),
	}, nil
}

func pemOf(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// fail counts an attempt; after the last one the job has failed for good.
func (s *Service) fail(ctx context.Context, c job.Claim, cause *issuerError) error {
	return s.Store.Write(ctx, func(tx *store.Tx) error {
		final, err := s.Queue.Fail(tx, c, "the issuer failed: "+cause.Error())
		if err != nil {
			return err
		}
		action := "issuance_retried"
		if final {
			action = "issuance_failed"
			tx.AfterCommit(func() { s.Metrics.issued(c.ProfileID, "failed") })
		}
		return audit.Append(tx, audit.Event{
			Actor: identity.Issuer, Action: action, ResourceType: "job", ResourceID: c.ID,
			Details: audit.Details{"attempt": c.Attempt + 1, "error": cause.Error()},
		})
	})
}
