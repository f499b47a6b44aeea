package ca

import (
	"bytes"
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

// CA signs with one key. It is safe for concurrent use if the key is.
type CA struct {
	certificate *x509.Certificate
	issuers     []*x509.Certificate // above certificate, each issues the one before it
	key         crypto.Signer
	hash        crypto.Hash // the hash that x509 uses for a key of this kind; 0 for none

	// Drafts are signed with a throwaway key of the same kind, and that signature is discarded. So a draft never uses
	// the real key.
	throwawayKey     crypto.Signer
	draftCertificate *x509.Certificate // certificate with the public key of throwawayKey
}

var _ gate.Issuer = (*CA)(nil)

// New makes a CA from a certificate and its key. issuers are the certificates above it, each of which issues the one before
// it. The key may be any signer of an ECDSA, RSA or Ed25519 key. New returns an error if the key does not belong to the
// certificate, if the certificate cannot sign certificates, or if the chain is broken.
func New(cert *x509.Certificate, key crypto.Signer, issuers ...*x509.Certificate) (*CA, error) {
	switch {
	case !belongs(key, cert) && slices.ContainsFunc(issuers, func(c *x509.Certificate) bool { return belongs(key, c) }):
		return nil, errors.New("the CA's own certificate must be the first one in the file, and the one that issues it the next")
	case !belongs(key, cert):
		return nil, errors.New("the CA's key does not belong to its certificate")
	case !cert.IsCA || !cert.BasicConstraintsValid:
		return nil, errors.New("the certificate is not a CA certificate: its basicConstraints lack CA:TRUE")
	case cert.KeyUsage != 0 && cert.KeyUsage&x509.KeyUsageCertSign == 0:
		return nil, errors.New("the CA's certificate lacks the key usage certSign")
	case len(cert.SubjectKeyId) == 0:
		return nil, errors.New("the CA's certificate lacks a subject key identifier")
	}
	if err := checkChain(append([]*x509.Certificate{cert}, issuers...)); err != nil {
		return nil, err
	}
	throwawayKey, hash, err := newThrowawayKey(key.Public())
	if err != nil {
		return nil, err
	}
	draftCertificate := *cert
	draftCertificate.PublicKey = throwawayKey.Public()
	return &CA{
		certificate: cert, issuers: issuers, key: key, hash: hash, throwawayKey: throwawayKey, draftCertificate: &draftCertificate,
	}, nil
}

func belongs(key crypto.Signer, cert *x509.Certificate) bool {
	public, ok := cert.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	return ok && public.Equal(key.Public())
}

// checkChain returns an error unless each certificate issues the one before it.
func checkChain(chain []*x509.Certificate) error {
	for i, issuer := range chain[1:] {
		if err := chain[i].CheckSignatureFrom(issuer); err != nil {
			return fmt.Errorf("certificate %d in the CA's file (%s) does not issue the one before it: put the issuers in order, and nothing else into the file: %w",
				i+2, issuer.Subject, err)
		}
	}
	return nil
}

// newThrowawayKey makes a key of the same kind as a public key. It also returns the hash that x509.CreateCertificate uses
// for such a key.
func newThrowawayKey(public crypto.PublicKey) (crypto.Signer, crypto.Hash, error) {
	switch public := public.(type) {
	case *ecdsa.PublicKey:
		key, err := ecdsa.GenerateKey(public.Curve, rand.Reader)
		return key, hashOf(public.Curve), err
	case *rsa.PublicKey:
		key, err := rsa.GenerateKey(rand.Reader, public.N.BitLen())
		return key, crypto.SHA256, err
	case ed25519.PublicKey:
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, 0, err
	default:
		return nil, 0, fmt.Errorf("a CA cannot have a public key of type %T: use an ECDSA, RSA or Ed25519 key", public)
	}
}

// hashOf returns the hash that x509.CreateCertificate uses for an ECDSA key on a curve.
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

// CheckValid returns an error if the CA's certificate is not valid at a time. Such a CA could sign nothing: the gate
// refuses every certificate that outlives its issuer.
func (ca *CA) CheckValid(now time.Time) error {
	switch {
	case now.After(ca.certificate.NotAfter):
		return fmt.Errorf("the CA's certificate expired on %s: make a new CA, and run certctl ca replace", ca.certificate.NotAfter.UTC().Format(time.RFC3339))
	case now.Before(ca.certificate.NotBefore):
		return fmt.Errorf("the CA's certificate is not valid before %s", ca.certificate.NotBefore.UTC().Format(time.RFC3339))
	}
	for _, issuer := range ca.issuers {
		if now.After(issuer.NotAfter) {
			return fmt.Errorf("the certificate above the CA (%s) expired on %s", issuer.Subject, issuer.NotAfter.UTC().Format(time.RFC3339))
		}
	}
	return nil
}

// Certificates returns the CA's certificate, followed by those above it.
func (ca *CA) Certificates() []*x509.Certificate {
	return append([]*x509.Certificate{ca.certificate}, ca.issuers...)
}

// Fingerprint implements gate.Issuer.
func (ca *CA) Fingerprint() string {
	sum := sha256.Sum256(ca.certificate.Raw)
	return hex.EncodeToString(sum[:])
}

// Draft implements gate.Issuer.
func (ca *CA) Draft(s gate.Subject, serial gate.Serial, validity gate.Validity) ([]byte, error) {
	for _, c := range ca.Certificates() {
		if validity.NotAfter.After(c.NotAfter) {
			return nil, gate.ErrOutlivesIssuer
		}
	}
	template, err := gate.BuildTemplate(s, serial, validity)
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.draftCertificate, s.PublicKey, ca.throwawayKey)
	if err != nil {
		return nil, err
	}
	draft, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	if err := ca.checkSubject(draft); err != nil {
		return nil, &gate.UnfitError{Reason: err}
	}
	if err := ca.checkAsClient(draft); err != nil {
		return nil, &gate.UnfitError{Reason: err}
	}
	return draft.RawTBSCertificate, nil
}

// checkAsClient verifies a draft as a client does that trusts the top of the chain: names that the CAs permit, length of
// the path, and each usage. It checks the day on which the draft ends, since no other is later.
func (ca *CA) checkAsClient(draft *x509.Certificate) error {
	above := append([]*x509.Certificate{ca.draftCertificate}, ca.issuers...)
	options := x509.VerifyOptions{Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(), CurrentTime: draft.NotAfter}
	options.Roots.AddCert(above[len(above)-1])
	for _, c := range above[:len(above)-1] {
		options.Intermediates.AddCert(c)
	}
	for _, usage := range draft.ExtKeyUsage {
		options.KeyUsages = []x509.ExtKeyUsage{usage}
		if _, err := draft.Verify(options); err != nil {
			return fmt.Errorf("for %s: %w", usage, err)
		}
	}
	return nil
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
	// Without randomness, Go signs ECDSA as in RFC 6979, and the same bytes have one signature.
	signature, err := ca.key.Sign(nil, message, ca.hash)
	if err != nil {
		return gate.Chain{}, fmt.Errorf("sign with the CA's key: %w", err)
	}
	leaf, err := gate.Assemble(tbs, algorithm, signature)
	if err != nil {
		return gate.Chain{}, err
	}
	if err := ca.verify(leaf); err != nil {
		return gate.Chain{}, err
	}
	return gate.Chain{Leaf: leaf, Issuers: ca.served()}, nil
}

// served returns the certificates that a server sends after a leaf. Clients have the root, so a root above another CA is
// left out.
func (ca *CA) served() [][]byte {
	served := [][]byte{slices.Clone(ca.certificate.Raw)}
	for _, c := range ca.issuers {
		if !bytes.Equal(c.RawSubject, c.RawIssuer) {
			served = append(served, slices.Clone(c.Raw))
		}
	}
	return served
}

// verify returns an error if a signed certificate does not verify with the CA's certificate. Another CA may have drafted
// the permit, or the key may be faulty.
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
