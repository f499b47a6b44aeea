package gate

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"math/big"
	"time"
)

// Issuer is a certification authority that signs the bytes it is given, and only with a Permit.
//
// An Issuer drafts the to-be-signed bytes itself, the same bytes each time, and signs exactly those. A CA that chooses
// serial number, dates or extensions on its own (ACME, Vault, a managed CA) cannot be an Issuer: the approved bytes
// would not be the signed ones. A key in a KMS, an HSM or a PKCS #11 token can: give package ca its crypto.Signer.
type Issuer interface {
	// Draft returns the to-be-signed bytes (the DER of a TBSCertificate), the same bytes for the same arguments.
	// If the certificate would be valid longer than an issuer above it, Draft returns ErrOutlivesIssuer. If clients would
	// refuse it, Draft returns an UnfitError.
	Draft(s Subject, serial Serial, validity Validity) (tbs []byte, err error)
	// Sign signs the bytes of the permit and no others. The zero Permit is refused.
	Sign(ctx context.Context, permit Permit) (Chain, error)
	// Fingerprint returns the lower-case hexadecimal SHA-256 of the issuer's certificate.
	Fingerprint() string
}

// ErrOutlivesIssuer says that a certificate would be valid longer than its issuer. The validity is never shortened.
var ErrOutlivesIssuer = errors.New("the certificate would be valid longer than its issuer")

// UnfitError says that clients would refuse a certificate of this issuer.
type UnfitError struct{ Reason error }

func (e *UnfitError) Error() string {
	return "clients would refuse the certificate: " + e.Reason.Error()
}

// Unwrap returns the reason.
func (e *UnfitError) Unwrap() error { return e.Reason }

// Chain is a signed certificate and its issuers, each as DER.
type Chain struct {
	Leaf    []byte
	Issuers [][]byte
}

// Validity is when a certificate is valid, both ends included, whole seconds in UTC.
type Validity struct{ NotBefore, NotAfter time.Time }

// backdate makes a new certificate valid for clocks that are up to five minutes slow.
const backdate = 5 * time.Minute

func validityFrom(now time.Time, seconds int64) Validity {
	from := now.UTC().Truncate(time.Second).Add(-backdate)
	return Validity{NotBefore: from, NotAfter: from.Add(time.Duration(seconds)*time.Second - time.Second)}
}

// Serial is a certificate's serial number.
type Serial struct{ number *big.Int }

// newSerial draws 127 random bits; the highest is set, so that every number has the same length.
func newSerial() Serial {
	random := make([]byte, 16)
	rand.Read(random)
	random[0] = random[0]&0x7f | 0x40
	return Serial{new(big.Int).SetBytes(random)}
}

// SerialOf returns the serial number of a certificate.
func SerialOf(c *x509.Certificate) Serial { return Serial{c.SerialNumber} }

// Int returns the serial number as a number.
func (s Serial) Int() *big.Int { return new(big.Int).Set(s.number) }

// String returns the serial number in lower-case hexadecimal.
func (s Serial) String() string { return hex.EncodeToString(s.number.Bytes()) }
