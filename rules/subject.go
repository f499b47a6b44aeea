package rules

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/certctl/terraform-provider-certctl/api"
)

// ProfileContent is what a profile gives to the subject of each certificate under it.
func ProfileContent(spec api.ProfileSpec) api.ProfileContent {
	return api.ProfileContent{
		IssuerID: spec.IssuerID, ValiditySeconds: spec.MaxTTLSeconds, ExtendedKeyUsages: SortedSet(spec.AllowedEKUs),
	}
}

// CertificateContent is what a certificate gives to its subject, with the key of a request.
func CertificateContent(spec api.CertificateSpec, key api.Key) api.CertificateContent {
	return api.CertificateContent{CommonName: spec.CommonName, SANs: SortedSet(spec.SANs), Key: key}
}

// Canonical is a subject as RFC 8785 JSON, and its digest: sha256: and the SHA-256 over that text in hexadecimal.
func Canonical(subject any) (text, digest string, err error) {
	encoded, err := json.Marshal(subject)
	if err != nil {
		return "", "", fmt.Errorf("encode the subject: %w", err)
	}
	canonical := jsontext.Value(encoded)
	if err := canonical.Canonicalize(); err != nil {
		return "", "", fmt.Errorf("canonical JSON: %w", err)
	}
	sum := sha256.Sum256(canonical)
	return string(canonical), "sha256:" + hex.EncodeToString(sum[:]), nil
}
