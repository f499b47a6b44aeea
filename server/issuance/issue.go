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

// issuerError is an error of the issuer. It counts as an attempt.
type issuerError struct{ error }

func (e *issuerError) Unwrap() error { return e.error }

// An issuer may return any text. Callers read, and the database stores, one short line of it.
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

// issued is a signed certificate that was checked.
type issued struct {
	chain  gate.Chain
	leaf   *x509.Certificate
	permit gate.Permit
}

// sign admits the job and has the issuer sign.
func (s *Service) sign(ctx context.Context, c job.Claim) (issued, error) {
	permit, err := s.Gate.Admit(ctx, c)
	if err != nil {
		return issued{}, err
	}
	chain, err := s.callIssuer(ctx, permit)
	if err != nil {
		return issued{}, &issuerError{err}
	}
	leaf, err := checkAnswer(chain, permit)
	if err != nil {
		return issued{}, &issuerError{err}
	}
	return issued{chain, leaf, permit}, nil
}

// callIssuer has the issuer sign. A panic of the issuer becomes an error.
func (s *Service) callIssuer(ctx context.Context, permit gate.Permit) (chain gate.Chain, err error) {
	defer func() {
		if failure := recover(); failure != nil {
			s.Log.ErrorContext(ctx, "panic of the issuer", "panic", failure, "stack", string(debug.Stack()), "job_id", permit.JobID())
			err = errors.New("it panicked")
		}
	}()
	err = within(ctx, signWithin, func(ctx context.Context) (err error) {
		chain, err = permit.Issuer().Sign(ctx, permit)
		return err
	})
	return chain, err
}

// checkAnswer returns the signed certificate, or an error if the permit's issuer did not sign exactly the permit's bytes.
func checkAnswer(chain gate.Chain, permit gate.Permit) (*x509.Certificate, error) {
	tbs, err := permit.TBS()
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(chain.Leaf)
	if err != nil {
		return nil, fmt.Errorf("its answer is no certificate: %w", err)
	}
	if string(leaf.RawTBSCertificate) != string(tbs) {
		return nil, errors.New("it signed something else than it was permitted")
	}
	if len(chain.Issuers) == 0 || fingerprint(chain.Issuers[0]) != permit.Issuer().Fingerprint() {
		return nil, errors.New("its answer comes without its own certificate")
	}
	issuer, err := x509.ParseCertificate(chain.Issuers[0])
	if err != nil {
		return nil, fmt.Errorf("its own certificate cannot be read: %w", err)
	}
	if err := leaf.CheckSignatureFrom(issuer); err != nil {
		return nil, fmt.Errorf("its signature is not good: %w", err)
	}
	return leaf, nil
}

// complete stores the leaf and ends the job, in one transaction.
func (s *Service) complete(ctx context.Context, c job.Claim, signed issued) error {
	leaf := newLeaf(c, signed)
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

func newLeaf(c job.Claim, signed issued) certificate.Leaf {
	subject := signed.permit.Subject()
	var issuers strings.Builder
	for _, der := range signed.chain.Issuers {
		issuers.Write(encodePEM(der))
	}
	return certificate.Leaf{
		SerialNumber: gate.SerialOf(signed.leaf).String(), JobID: c.ID, CertificateUID: c.CertificateUID, IssuerID: subject.IssuerID,
		SANs: store.JSON[[]string]{V: subject.SANs}, NotBefore: signed.leaf.NotBefore.UTC(), NotAfter: signed.leaf.NotAfter.UTC(),
		FingerprintSHA256: fingerprint(signed.chain.Leaf), SPKISHA256: subject.Key.SPKISHA256,
		CertificatePEM: string(encodePEM(signed.chain.Leaf)), ChainPEM: issuers.String(),
	}
}

func fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}

func encodePEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// fail counts an attempt. After the last one the job has failed for good.
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
			tx.AfterCommit(func() { s.Metrics.count(c.ProfileID, "failed") })
		}
		return audit.Append(tx, audit.Event{
			Actor: identity.Issuer, Action: action, ResourceType: "job", ResourceID: c.ID,
			Details: audit.Details{"attempt": c.Attempt + 1, "error": reason},
		})
	})
}
