package rules

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/certctl/terraform-provider-certctl/api"
)

// ProfileContent returns the fields that a profile gives to the subject of each certificate under it.
func ProfileContent(spec api.ProfileSpec) api.ProfileContent {
	return api.ProfileContent{
		IssuerID: spec.IssuerID, ValiditySeconds: spec.MaxTTLSeconds, ExtendedKeyUsages: SortSet(spec.AllowedEKUs),
		KeyUsages: SortSet(spec.KeyUsages), SubjectAttributes: sortAttributes(spec.SubjectAttributes),
	}
}

// CertificateContent returns the fields that a certificate gives to its subject, with the key of a CSR.
func CertificateContent(spec api.CertificateSpec, key api.Key) api.CertificateContent {
	return api.CertificateContent{CommonName: spec.CommonName, SANs: SortSet(spec.SANs), Key: key}
}

// ListNames returns the names for which a certificate stands: its SANs, and its common name if that is none of them.
func ListNames(c api.CertificateContent) []string {
	if !HasFreeCommonName(c) {
		return c.SANs
	}
	return append(slices.Clone(c.SANs), c.CommonName)
}

// HasFreeCommonName reports whether a certificate has a common name that is none of its SANs.
func HasFreeCommonName(c api.CertificateContent) bool {
	return c.CommonName != "" && !slices.Contains(c.SANs, c.CommonName)
}

// Canonicalize returns a subject as RFC 8785 JSON, and its digest: sha256: and the SHA-256 of that text in hexadecimal.
func Canonicalize(subject any) (text, digest string, err error) {
	encoded, err := json.Marshal(subject)
	if err != nil {
		return "", "", fmt.Errorf("encode the subject: %w", err)
	}
	canonical := jsontext.Value(encoded)
	if err := canonical.Canonicalize(); err != nil {
		return "", "", fmt.Errorf("write the subject as canonical JSON: %w", err)
	}
	sum := sha256.Sum256(canonical)
	return string(canonical), "sha256:" + hex.EncodeToString(sum[:]), nil
}
