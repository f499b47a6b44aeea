package ca

import (
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"time"
	"unicode/utf8"

	"github.com/certctl/terraform-provider-certctl/rules"
	"github.com/certctl/terraform-provider-certctl/server/pemfile"
)

// Options say what a new CA is like.
type Options struct {
	Key  KeyKind
	Name string // the common name; if it is empty, Create makes one
	Days int
}

// KeyKind is the kind of a CA's key.
type KeyKind string

// The kinds of key.
const (
	P256    KeyKind = "ecdsa-p256"
	P384    KeyKind = "ecdsa-p384"
	RSA3072 KeyKind = "rsa-3072"
	RSA4096 KeyKind = "rsa-4096"
	Ed25519 KeyKind = "ed25519"
)

const (
	day     = 24 * time.Hour
	maxDays = 36500
)

// DefaultOptions are those of a CA that nobody chose: ECDSA P-256 and ten years.
func DefaultOptions() Options { return Options{Key: P256, Days: 3650} }

func (o Options) check() error {
	if o.Days < 1 || o.Days > maxDays {
		return fmt.Errorf("a CA is valid from 1 to %d days, not %d", maxDays, o.Days)
	}
	if fault := rules.LineFault(o.Name); fault != "" {
		return fmt.Errorf("the name of the CA %s", fault)
	}
	if n := utf8.RuneCountInString(o.Name); n > rules.MaxCommonNameLength {
		return fmt.Errorf("the name of the CA has %d characters; at most %d are allowed", n, rules.MaxCommonNameLength)
	}
	return nil
}

func (k KeyKind) generate() (crypto.Signer, error) {
	switch k {
	case P256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case P384:
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case RSA3072:
		return rsa.GenerateKey(rand.Reader, 3072)
	case RSA4096:
		return rsa.GenerateKey(rand.Reader, 4096)
	case Ed25519:
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	}
	return nil, fmt.Errorf("%q is no kind of key", k)
}

// Load reads a CA from two PEM files: its certificate, followed by those above it, and a private key in PKCS #8, SEC 1 or
// PKCS #1 form.
func Load(certFile, keyFile string) (*CA, error) {
	chain, err := pemfile.ReadCertificates(certFile)
	if err != nil {
		return nil, err
	}
	key, err := pemfile.ReadKey(keyFile)
	if err != nil {
		return nil, err
	}
	return New(chain[0], key, chain[1:]...)
}

// Create makes a new CA: a key and a self-signed certificate. It never overwrites a file. If the key file exists and the
// certificate file does not, Create uses that key.
func Create(certFile, keyFile string, o Options, now time.Time) error {
	if err := o.check(); err != nil {
		return err
	}
	if _, err := os.Stat(certFile); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s exists, and a CA is never overwritten: move the file away to make a new CA", certFile)
	}
	key, err := createKey(keyFile, o.Key)
	if err != nil {
		return err
	}
	der, err := selfSign(key, o, now)
	if err != nil {
		return err
	}
	return writeOnce(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644)
}

// createKey writes a new key, or reads the key if the file exists.
func createKey(keyFile string, kind KeyKind) (crypto.Signer, error) {
	if key, err := pemfile.ReadKey(keyFile); !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	key, err := kind.generate()
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, writeOnce(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
}

// writeOnce writes a file as a whole or not at all. If the file exists, it returns an error.
func writeOnce(file string, content []byte, mode fs.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(file), ".certctl-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // only the link below matters
	_, err = f.Write(content)
	if err := errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Link(f.Name(), file)
}

func selfSign(key crypto.Signer, o Options, now time.Time) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 126))
	if err != nil {
		return nil, err
	}
	name := cmp.Or(o.Name, fmt.Sprintf("certctl local CA %.8x", serial))
	template := &x509.Certificate{
		SerialNumber: serial.Add(serial, big.NewInt(1)), Subject: pkix.Name{CommonName: name},
		NotBefore: now.UTC().Truncate(time.Second).Add(-time.Hour), NotAfter: now.UTC().Truncate(time.Second).Add(time.Duration(o.Days) * day),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	return x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
}
