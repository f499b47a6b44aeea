package rules

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	tags "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/certctl/terraform-provider-certctl/api"
)

const (
	minRSASize     = 2048
	maxRSASize     = 8192
	minRSAExponent = 65537
)

// readKey reads the public key and refuses a weak key. Encoding the parsed key must give the same bytes: the approver saw
// the digest of these bytes, and the issuer encodes the parsed key.
func (c *CSR) readKey() error {
	key, err := x509.ParsePKIXPublicKey(c.SPKI)
	if err != nil {
		return explainKey(c.SPKI)
	}
	algorithm, size, err := inspectKey(key)
	if err != nil {
		return err
	}
	if again, err := x509.MarshalPKIXPublicKey(key); err != nil || !bytes.Equal(again, c.SPKI) {
		return errors.New("the CSR's public key is not encoded as DER prescribes")
	}
	sum := sha256.Sum256(c.SPKI)
	c.PublicKey = key
	c.Key = api.Key{Algorithm: algorithm, Size: size, SPKISHA256: hex.EncodeToString(sum[:])}
	return nil
}

const allowedKeys = "ECDSA on P-256, P-384 or P-521, RSA and Ed25519 keys are allowed"

// explainKey says why a public key cannot be read.
func explainKey(spki []byte) error {
	input := cryptobyte.String(spki)
	var info, algorithm, parameters cryptobyte.String
	var oid asn1.ObjectIdentifier
	if !input.ReadASN1(&info, tags.SEQUENCE) || !info.ReadASN1(&algorithm, tags.SEQUENCE) || !algorithm.ReadASN1ObjectIdentifier(&oid) {
		return errors.New("the CSR's public key is malformed; " + allowedKeys)
	}
	switch oid.String() {
	case "1.2.840.10045.2.1":
		return explainCurve(algorithm)
	case "1.2.840.113549.1.1.1":
		if !algorithm.ReadAnyASN1(&parameters, new(tags.Tag)) {
			return errors.New("the CSR's RSA key lacks the NULL parameters that RFC 3279 requires; make the CSR with another tool")
		}
		return errors.New("the CSR's RSA key is malformed")
	}
	if name, known := otherKeys[oid.String()]; known {
		return fmt.Errorf("the CSR's key is of the kind %s; %s", name, allowedKeys)
	}
	return fmt.Errorf("the CSR's key is of an unknown kind (%s); %s", oid, allowedKeys)
}

// otherKeys are the kinds of key that tools make and that no certificate gets.
var otherKeys = map[string]string{
	"1.2.840.10040.4.1":     "DSA",
	"1.2.840.113549.1.1.10": "RSASSA-PSS; make the CSR with a plain RSA key",
	"1.3.101.110":           "X25519",
	"1.3.101.111":           "X448",
	"1.3.101.113":           "Ed448",
}

func explainCurve(algorithm cryptobyte.String) error {
	var curve asn1.ObjectIdentifier
	switch {
	case algorithm.PeekASN1Tag(tags.SEQUENCE):
		return errors.New("the CSR's ECDSA key has explicit curve parameters; make a key that names its curve: P-256, P-384 or P-521 are allowed")
	case !algorithm.ReadASN1ObjectIdentifier(&curve):
		return errors.New("the CSR's ECDSA key names no curve; P-256, P-384 and P-521 are allowed")
	}
	switch curve.String() {
	case "1.2.840.10045.3.1.7", "1.3.132.0.34", "1.3.132.0.35":
		return errors.New("the CSR's ECDSA key is malformed, or its point is compressed; send an uncompressed point")
	}
	if name, known := otherCurves[curve.String()]; known {
		return fmt.Errorf("the CSR's ECDSA key is on the curve %s; P-256, P-384 and P-521 are allowed", name)
	}
	return fmt.Errorf("the CSR's ECDSA key is on an unknown curve (%s); P-256, P-384 and P-521 are allowed", curve)
}

var otherCurves = map[string]string{
	"1.3.132.0.10": "secp256k1", "1.3.132.0.33": "P-224", "1.2.840.10045.3.1.1": "P-192",
	"1.3.36.3.3.2.8.1.1.7": "brainpoolP256r1", "1.3.36.3.3.2.8.1.1.11": "brainpoolP384r1", "1.3.36.3.3.2.8.1.1.13": "brainpoolP512r1",
}

// keyAlgorithm returns the algorithm of a key; empty if no profile allows keys of its kind.
func keyAlgorithm(key crypto.PublicKey) string {
	switch key.(type) {
	case *rsa.PublicKey:
		return api.AlgorithmRSA
	case *ecdsa.PublicKey:
		return api.AlgorithmECDSA
	case ed25519.PublicKey:
		return api.AlgorithmEd25519
	}
	return ""
}

// inspectKey returns the algorithm and the size of a key, and refuses a weak key.
func inspectKey(key crypto.PublicKey) (algorithm string, size int, err error) {
	switch key := key.(type) {
	case *rsa.PublicKey:
		return api.AlgorithmRSA, key.N.BitLen(), checkRSA(key)
	case *ecdsa.PublicKey:
		// Go has checked that the point is on the curve.
		size := key.Curve.Params().BitSize
		if size < 256 {
			return "", 0, fmt.Errorf("the CSR's ECDSA key is on a curve of %d bits; P-256, P-384 and P-521 are allowed", size)
		}
		return api.AlgorithmECDSA, size, nil
	case ed25519.PublicKey:
		if isSmallOrder(key) {
			return "", 0, errors.New("the CSR's Ed25519 key is a weak or malformed point")
		}
		return api.AlgorithmEd25519, 256, nil
	}
	return "", 0, errors.New("the CSR's public key is of an unknown kind; ECDSA, RSA and Ed25519 keys are allowed")
}

// isSmallOrder reports whether a key is a point of small order (1, 2, 4 or 8) or a second encoding of a point. Anyone can
// sign for such a point, and verification by RFC 8032 accepts that signature.
func isSmallOrder(key ed25519.PublicKey) bool {
	y := slices.Clone(key)
	y[31] &= 0x7f // the sign of x
	slices.Reverse(y)
	n := new(big.Int).SetBytes(y)
	negative := new(big.Int).Sub(fieldPrime, n)
	isSmall := func(s *big.Int) bool { return s.Cmp(n) == 0 || s.Cmp(negative) == 0 }
	return n.Cmp(fieldPrime) >= 0 || slices.ContainsFunc([]*big.Int{big.NewInt(0), big.NewInt(1), order8}, isSmall)
}

var (
	// fieldPrime is 2^255 - 19.
	fieldPrime = new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	// order8 is the y coordinate of two of the four points of order 8. Its negative is the y coordinate of the other two.
	order8, _ = new(big.Int).SetString("05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826", 16)
)

// checkSignature verifies the signature of a CSR over its signed bytes. It refuses SHA-1, which Go accepts in a CSR.
//
// Go's parser refuses deviations from RFC 2986 that other programs accept. So it parses a request with the same key,
// algorithm and signature, and only these count.
func (c *CSR) checkSignature(r signedRequest) error {
	var b cryptobyte.Builder
	b.AddASN1(tags.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(tags.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1Int64(0)
			b.AddASN1(tags.SEQUENCE, func(*cryptobyte.Builder) {})
			b.AddBytes(c.SPKI)
			b.AddASN1(tags.Tag(0).ContextSpecific().Constructed(), func(*cryptobyte.Builder) {})
		})
		b.AddBytes(r.algorithm)
		b.AddASN1BitString(r.signature)
	})
	der, err := b.Bytes()
	if err != nil {
		return errMalformed
	}
	request, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return errMalformed
	}
	if err := checkSignatureAlgorithm(request.SignatureAlgorithm); err != nil {
		return err
	}
	request.RawTBSCertificateRequest = r.info
	if request.CheckSignature() != nil {
		return errors.New("the CSR's signature does not verify with its public key")
	}
	return nil
}

// checkSignatureAlgorithm refuses a signature that can be forged.
func checkSignatureAlgorithm(algorithm x509.SignatureAlgorithm) error {
	switch algorithm {
	case x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA,
		x509.SHA256WithRSAPSS, x509.SHA384WithRSAPSS, x509.SHA512WithRSAPSS,
		x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512, x509.PureEd25519:
		return nil
	case x509.SHA1WithRSA, x509.ECDSAWithSHA1, x509.DSAWithSHA1, x509.MD5WithRSA, x509.MD2WithRSA:
		return fmt.Errorf("the CSR is signed with %s, which can be forged; sign it with SHA-256 or better", algorithm)
	}
	return errors.New("the CSR is signed with an unknown algorithm; sign it with SHA-256 or better")
}
