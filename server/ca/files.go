package ca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
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
)

const lifetime = 10 * 365 * 24 * time.Hour

// Load reads a CA from two PEM files: a certificate, and a private key in PKCS #8, SEC 1 or PKCS #1 form.
func Load(certFile, keyFile string) (*CA, error) {
	certBlock, err := readBlock(certFile)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(certBlock.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s does not hold a certificate: %w", certFile, err)
	}
	keyBlock, err := readBlock(keyFile)
	if err != nil {
		return nil, err
	}
	key, err := parseKey(keyBlock.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s does not hold a private key in PKCS #8, SEC 1 or PKCS #1 form", keyFile)
	}
	return New(cert, key)
}

func readBlock(file string) (*pem.Block, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s does not hold a PEM block", file)
	}
	return block, nil
}

func parseKey(der []byte) (crypto.Signer, error) {
	if key, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		if signer, ok := key.(crypto.Signer); ok {
			return signer, nil
		}
	}
	if key, err := x509.ParseECPrivateKey(der); err == nil {
		return key, nil
	}
	return x509.ParsePKCS1PrivateKey(der)
}

// Create makes a new CA: an ECDSA P-256 key, and a self-signed certificate that is valid for ten years. It never
// overwrites a file. If the key file exists and the certificate file does not, Create uses that key.
func Create(certFile, keyFile string, now time.Time) error {
	if _, err := os.Stat(certFile); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s exists, and a CA is never overwritten: move the file away to make a new CA", certFile)
	}
	key, err := createKey(keyFile)
	if err != nil {
		return err
	}
	der, err := selfSign(key, now)
	if err != nil {
		return err
	}
	return writeOnce(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644)
}

// createKey writes a new key, or reads the key if the file exists.
func createKey(keyFile string) (crypto.Signer, error) {
	if block, err := readBlock(keyFile); err == nil {
		return parseKey(block.Bytes)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
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

func selfSign(key crypto.Signer, now time.Time) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 126))
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial.Add(serial, big.NewInt(1)), Subject: pkix.Name{CommonName: fmt.Sprintf("certctl local CA %.8x", serial)},
		NotBefore: now.UTC().Truncate(time.Second).Add(-time.Hour), NotAfter: now.UTC().Truncate(time.Second).Add(lifetime),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	return x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
}
