package ca_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"strings"
	"testing"

	"github.com/certctl/terraform-provider-certctl/server/ca"
	"github.com/certctl/terraform-provider-certctl/server/gate"
	"github.com/certctl/terraform-provider-certctl/server/servertest"
)

// Package issuance tests signatures through the server. Only the gate can make a permit.
func TestSign_RefusesTheZeroPermit(t *testing.T) {
	if _, err := servertest.CA(t).Sign(context.Background(), gate.Permit{}); !errors.Is(err, gate.ErrNoPermit) {
		t.Errorf("want ErrNoPermit, got %v", err)
	}
}

// opaqueSigner hides the type of a key, as a key in a KMS or an HSM does.
type opaqueSigner struct{ crypto.Signer }

// A CA takes every signer of a supported key. It looks at the public key, not at the type of the private key.
func TestNew_AcceptsAnySigner(t *testing.T) {
	for name, newKey := range map[string]func() (crypto.Signer, error){
		"ECDSA P-256": func() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) },
		"ECDSA P-384": func() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P384(), rand.Reader) },
		"ECDSA P-521": func() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P521(), rand.Reader) },
		"RSA":         func() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, 2048) },
		"Ed25519": func() (crypto.Signer, error) {
			_, key, err := ed25519.GenerateKey(rand.Reader)
			return key, err
		},
	} {
		key, err := newKey()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ca.New(certificateOf(key.Public()), opaqueSigner{key}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNew_RefusesAnUnsupportedKey(t *testing.T) {
	_, err := ca.New(certificateOf(unsupportedKey{}), unsupportedKey{})
	if err == nil || !strings.Contains(err.Error(), "use an ECDSA, RSA or Ed25519 key") {
		t.Errorf("want an error that names the supported keys, got %v", err)
	}
}

func TestNew_RefusesTheKeyOfAnotherCertificate(t *testing.T) {
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, other, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ca.New(certificateOf(public), opaqueSigner{other}); err == nil || !strings.Contains(err.Error(), "does not belong") {
		t.Errorf("got %v", err)
	}
}

func certificateOf(public crypto.PublicKey) *x509.Certificate {
	return &x509.Certificate{PublicKey: public, IsCA: true, BasicConstraintsValid: true, SubjectKeyId: []byte{1}}
}

// unsupportedKey is a signer that is its own public key, of a type that certctl does not know.
type unsupportedKey struct{ crypto.Signer }

func (k unsupportedKey) Public() crypto.PublicKey { return k }

func (unsupportedKey) Equal(crypto.PublicKey) bool { return true }
