// Package ca is the built-in certification authority. It holds its key in memory and signs what a permit of
// the gate holds: those very bytes, deterministically, so that a repeated signature is the same certificate.
//
// Only app and the commands make one; no other package imports this one.
package ca

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/certctl/terraform-provider-certctl/server/gate"
)

// CA signs with a key in memory.
type CA struct {
	certificate *x509.Certificate
	key         crypto.Signer
	hash        crypto.Hash // that x509 chooses for a key of this kind; 0 for none

	// A second key of the same kind, for drafts: the draft's signature is thrown away, and a draft never touches
	// the real key.
	throwaway crypto.Signer
	drafting  *x509.Certificate
}

var _ gate.Issuer = (*CA)(nil)

// New makes a CA of a certificate and its key. Both must belong together, and the certificate must be a CA's.
func New(cert *x509.Certificate, key crypto.Signer) (*CA, error) {
	public, ok := cert.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	switch {
	case !ok || !public.Equal(key.Public()):
		return nil, errors.New("the CA's key does not belong to its certificate")
	case !cert.IsCA || !cert.BasicConstraintsValid:
		return nil, errors.New("the CA's certificate is no CA's: basicConstraints lacks CA:TRUE")
	case cert.KeyUsage != 0 && cert.KeyUsage&x509.KeyUsageCertSign == 0:
		return nil, errors.New("the CA's certificate lacks the key usage certSign")
	case len(cert.SubjectKeyId) == 0:
		return nil, errors.New("the CA's certificate lacks a subject key identifier")
	}
	throwaway, hash, err := another(key)
	if err != nil {
		return nil, err
	}
	drafting := *cert
	drafting.PublicKey = throwaway.Public()
	return &CA{certificate: cert, key: key, hash: hash, throwaway: throwaway, drafting: &drafting}, nil
}

// another makes a key of the same kind, and tells the hash that x509.CreateCertificate signs with for such a key.
func another(key crypto.Signer) (crypto.Signer, crypto.Hash, error) {
	switch k := key.(type) {
	case *ecdsa.PrivateKey:
		other, err := ecdsa.GenerateKey(k.Curve, rand.Reader)
		return other, hashOf(k.Curve), err
	case *rsa.PrivateKey:
		other, err := rsa.GenerateKey(rand.Reader, k.N.BitLen())
		return other, crypto.SHA256, err
	case ed25519.PrivateKey:
		_, other, err := ed25519.GenerateKey(rand.Reader)
		return other, 0, err
	default:
		return nil, 0, fmt.Errorf("a CA key of type %T is not supported", key)
	}
}

func hashOf(curve elliptic.Curve) crypto.Hash {
	switch curve {
	case elliptic.P384():
		return crypto.SHA384
	case elliptic.P521():
		return crypto.SHA512
	default:
		return crypto.SHA256
	}
}

// InForce refuses a CA that could sign nothing at a time: what outlives its issuer is refused, one request after the other.
func (ca *CA) InForce(now time.Time) error {
	switch {
	case now.After(ca.certificate.NotAfter):
		return fmt.Errorf("the CA's certificate has expired on %s", ca.certificate.NotAfter.UTC().Format(time.RFC3339))
	case now.Before(ca.certificate.NotBefore):
		return fmt.Errorf("the CA's certificate is not valid before %s", ca.certificate.NotBefore.UTC().Format(time.RFC3339))
	}
	return nil
}

// Fingerprint implements gate.Issuer.
func (ca *CA) Fingerprint() string {
	sum := sha256.Sum256(ca.certificate.Raw)
	return hex.EncodeToString(sum[:])
}

// Draft implements gate.Issuer.
func (ca *CA) Draft(s gate.Subject, serial gate.Serial, validity gate.Validity) ([]byte, error) {
	if validity.NotAfter.After(ca.certificate.NotAfter) {
		return nil, gate.ErrOutlivesIssuer
	}
	template, err := gate.Template(s, serial, validity)
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.drafting, s.PublicKey, ca.throwaway)
	if err != nil {
		return nil, err
	}
	drafted, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return drafted.RawTBSCertificate, nil
}

// Sign implements gate.Issuer.
func (ca *CA) Sign(_ context.Context, permit gate.Permit) (gate.Chain, error) {
	tbs, err := permit.TBS()
	if err != nil {
		return gate.Chain{}, err
	}
	algorithm, err := gate.SignatureAlgorithm(tbs)
	if err != nil {
		return gate.Chain{}, err
	}
	message := tbs
	if ca.hash != 0 {
		h := ca.hash.New()
		h.Write(tbs)
		message = h.Sum(nil)
	}
	// No randomness: ECDSA is then signed as in RFC 6979, and the same bytes have one signature.
	signature, err := ca.key.Sign(nil, message, ca.hash)
	if err != nil {
		return gate.Chain{}, fmt.Errorf("sign: %w", err)
	}
	leaf, err := gate.Assemble(tbs, algorithm, signature)
	if err != nil {
		return gate.Chain{}, err
	}
	if err := ca.verify(leaf); err != nil {
		return gate.Chain{}, err
	}
	return gate.Chain{Leaf: leaf, Issuers: [][]byte{slices.Clone(ca.certificate.Raw)}}, nil
}

// verify makes sure that nothing leaves that is not this CA's: a permit drafted by another CA, or a faulty key.
func (ca *CA) verify(der []byte) error {
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return fmt.Errorf("the signed certificate cannot be read: %w", err)
	}
	if err := leaf.CheckSignatureFrom(ca.certificate); err != nil {
		return fmt.Errorf("the signed certificate does not verify: %w", err)
	}
	return nil
}
