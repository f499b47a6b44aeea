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

// Load reads a CA from PEM files: its certificate and its PKCS #8, SEC 1 or PKCS #1 private key.
func Load(certFile, keyFile string) (*CA, error) {
	certBlock, err := readBlock(certFile)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(certBlock.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s is no certificate: %w", certFile, err)
	}
	keyBlock, err := readBlock(keyFile)
	if err != nil {
		return nil, err
	}
	key, err := parseKey(keyBlock.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s holds no private key in PKCS #8, SEC 1 or PKCS #1 form", keyFile)
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
		return nil, fmt.Errorf("%s holds no PEM block", file)
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

// Create makes a new CA, an ECDSA P-256 key and a certificate it signs itself, valid for ten years. It never
// overwrites a file. Cut off between the two files, it goes on with the key that is there.
func Create(certFile, keyFile string, now time.Time) error {
	if _, err := os.Stat(certFile); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is there already: a CA is never overwritten", certFile)
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

// writeOnce makes a file whole or not at all, and only if there is none.
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
