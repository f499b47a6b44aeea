package issuance

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"unicode"

	"github.com/certctl/terraform-provider-certctl/server/audit"
	"github.com/certctl/terraform-provider-certctl/server/certificate"
	"github.com/certctl/terraform-provider-certctl/server/gate"
	"github.com/certctl/terraform-provider-certctl/server/history"
	"github.com/certctl/terraform-provider-certctl/server/identity"
	"github.com/certctl/terraform-provider-certctl/server/job"
	"github.com/certctl/terraform-provider-certctl/server/store"
)

// issuerError is an error that counts as an attempt.
type issuerError struct{ error }

func (e *issuerError) Unwrap() error { return e.error }

// An issuer may say anything; what callers read and the database stores is one short line of text.
const maxReason = 500

func (e *issuerError) reason() string {
	line := strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, strings.ToValidUTF8(e.Error(), " "))
	if runes := []rune(line); len(runes) > maxReason {
		line = string(runes[:maxReason]) + "..."
	}
	return "the issuer failed: " + line
}

// sign takes the job through the gate and has the issuer sign what the gate permits.
func (s *Service) sign(ctx context.Context, c job.Claim) (gate.Chain, error) {
	permit, err := s.Gate.Admit(ctx, c)
	if err != nil {
		return gate.Chain{}, err
	}
	issuer, err := s.Gate.Issuer(c.Job)
	if err != nil {
		return gate.Chain{}, err
	}
	chain, err := s.ask(ctx, issuer, permit)
	if err == nil {
		err = matches(chain, permit, issuer)
	}
	if err != nil {
		return gate.Chain{}, &issuerError{err}
	}
	return chain, nil
}

// ask has the issuer sign. Its panic is its error.
func (s *Service) ask(ctx context.Context, issuer gate.Issuer, permit gate.Permit) (chain gate.Chain, err error) {
	defer func() {
		if failure := recover(); failure != nil {
			s.Log.ErrorContext(ctx, "panic of the issuer", "panic", failure, "stack", string(debug.Stack()), "job_id", permit.JobID())
			err = errors.New("it panicked")
		}
	}()
	err = within(ctx, signWithin, func(ctx context.Context) (err error) {
		chain, err = issuer.Sign(ctx, permit)
		return err
	})
	return chain, err
}

// matches makes sure that the issuer, and no other one, signed the permit's bytes and no others.
func matches(chain gate.Chain, permit gate.Permit, by gate.Issuer) error {
	tbs, err := permit.TBS()
	if err != nil {
		return err
	}
	leaf, err := x509.ParseCertificate(chain.Leaf)
	if err != nil {
		return fmt.Errorf("its answer is no certificate: %w", err)
	}
	if string(leaf.RawTBSCertificate) != string(tbs) {
		return errors.New("it signed something else than it was permitted")
	}
	if len(chain.Issuers) == 0 || fingerprint(chain.Issuers[0]) != by.Fingerprint() {
		return errors.New("its answer comes without its own certificate")
	}
	issuer, err := x509.ParseCertificate(chain.Issuers[0])
	if err != nil {
		return fmt.Errorf("its own certificate cannot be read: %w", err)
	}
	if err := leaf.CheckSignatureFrom(issuer); err != nil {
		return fmt.Errorf("its signature is not good: %w", err)
	}
	return nil
}

// finish keeps the leaf and ends the job, in one transaction.
func (s *Service) finish(ctx context.Context, c job.Claim, chain gate.Chain) error {
	leaf, err := leafOf(c, chain)
	if err != nil {
		return err
	}
	ownCSR := ""
	if c.OwnCSR {
		ownCSR = c.CSRPEM
	}
	return s.Store.Write(ctx, func(tx *store.Tx) error {
		leaf.CreatedAt = tx.Now
		author := history.Author{Principal: c.RequestedBy, Accountable: c.Accountable}
		if err := certificate.StoreLeaf(tx, leaf, ownCSR, author); err != nil {
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
	var issuers strings.Builder
	for _, der := range chain.Issuers {
		issuers.Write(pemOf(der))
	}
	return certificate.Leaf{
		SerialNumber: gate.SerialOf(cert).String(), JobID: c.ID, CertificateUID: c.CertificateUID, IssuerID: subject.IssuerID,
		SANs: store.JSON[[]string]{V: subject.SANs}, NotBefore: cert.NotBefore.UTC(), NotAfter: cert.NotAfter.UTC(),
		FingerprintSHA256: fingerprint(chain.Leaf), SPKISHA256: subject.Key.SPKISHA256,
		CertificatePEM: string(pemOf(chain.Leaf)), ChainPEM: issuers.String(),
	}, nil
}

func fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}

func pemOf(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// fail counts an attempt; after the last one the job has failed for good.
func (s *Service) fail(ctx context.Context, c job.Claim, cause *issuerError) error {
	reason := cause.reason()
	return s.Store.Write(ctx, func(tx *store.Tx) error {
		final, err := s.Queue.Fail(tx, c, reason)
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
			Details: audit.Details{"attempt": c.Attempt + 1, "error": reason},
		})
	})
}
