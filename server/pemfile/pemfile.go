// Package pemfile reads the PEM files that an operator gives: a file is read whole, or it is an error.
//
// A part that is dropped would be missing from what clients get, and nobody would notice. Only text before a block is no
// error, because tools write comments there. Package pemfile imports no other package of certctl.
package pemfile

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
)

// ReadCertificates reads a file of one or more certificates and nothing else.
func ReadCertificates(file string) ([]*x509.Certificate, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return ParseCertificates(file, text)
}

// ParseCertificates is ReadCertificates for the text of a file. Its errors name the file.
func ParseCertificates(file string, text []byte) ([]*x509.Certificate, error) {
	blocks, err := decode(file, text)
	if err != nil {
		return nil, err
	}
	certificates := make([]*x509.Certificate, len(blocks))
	for i, block := range blocks {
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("%s holds a block of type %s; it may hold certificates only", file, block.Type)
		}
		if certificates[i], err = x509.ParseCertificate(block.Bytes); err != nil {
			return nil, fmt.Errorf("certificate %d in %s cannot be read: %w", i+1, file, err)
		}
	}
	return certificates, nil
}

// ReadKey reads a file of one private key, in PKCS #8, SEC 1 or PKCS #1 form.
func ReadKey(file string) (crypto.Signer, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return ParseKey(file, text)
}

// ParseKey is ReadKey for the text of a file. Its errors name the file.
func ParseKey(file string, text []byte) (crypto.Signer, error) {
	blocks, err := decode(file, text)
	if err != nil {
		return nil, err
	}
	if len(blocks) > 1 && blocks[0].Type == "EC PARAMETERS" { // OpenSSL writes them before the key, which has them, too
		blocks = blocks[1:]
	}
	if len(blocks) > 1 {
		return nil, fmt.Errorf("%s holds %d PEM blocks; it may hold one private key only", file, len(blocks))
	}
	key, err := parseKey(blocks[0].Bytes)
	if err != nil {
		return nil, explainKey(file, blocks[0])
	}
	return key, nil
}

// decode returns all blocks of a file, at least one.
func decode(file string, text []byte) ([]*pem.Block, error) {
	begun := bytes.Count(text, []byte("-----BEGIN "))
	var blocks []*pem.Block
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			break
		}
		blocks, text = append(blocks, block), rest
	}
	switch {
	case begun == 0:
		return nil, fmt.Errorf("%s does not hold a PEM block", file)
	case len(blocks) != begun:
		return nil, fmt.Errorf("%s has a damaged PEM block", file)
	case len(bytes.TrimSpace(text)) > 0:
		return nil, fmt.Errorf("%s has something after its last PEM block", file)
	}
	return blocks, nil
}

// explainKey says why a private key cannot be read.
func explainKey(file string, block *pem.Block) error {
	if block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "" {
		return fmt.Errorf("%s holds an encrypted private key; decrypt it: openssl pkey -in key.pem -out plain.pem", file)
	}
	return fmt.Errorf("%s does not hold a private key in PKCS #8, SEC 1 or PKCS #1 form", file)
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
