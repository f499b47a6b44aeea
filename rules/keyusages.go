package rules

import (
	"crypto/x509"
	"fmt"
	"slices"
	"strings"

	"github.com/certctl/terraform-provider-certctl/api"
)

// keyUsages are the key usages that a profile may give, by the keys that can have them: RFC 3279 and RFC 4055 for RSA, RFC
// 8813 for ECDSA, RFC 8410 for Ed25519. keyCertSign and cRLSign are for CAs.
var keyUsages = []struct {
	usage      x509.KeyUsage
	algorithms []string
}{
	{x509.KeyUsageDigitalSignature, []string{api.AlgorithmRSA, api.AlgorithmECDSA, api.AlgorithmEd25519}},
	{x509.KeyUsageContentCommitment, []string{api.AlgorithmRSA, api.AlgorithmECDSA, api.AlgorithmEd25519}},
	{x509.KeyUsageKeyEncipherment, []string{api.AlgorithmRSA}},
	{x509.KeyUsageDataEncipherment, []string{api.AlgorithmRSA}},
	{x509.KeyUsageKeyAgreement, []string{api.AlgorithmECDSA}},
	{x509.KeyUsageEncipherOnly, []string{api.AlgorithmECDSA}},
	{x509.KeyUsageDecipherOnly, []string{api.AlgorithmECDSA}},
}

// KeyUsages returns the key usages of a certificate with a key of an algorithm. names are those of the profile; if it
// names none, they follow from the key.
func KeyUsages(names []string, algorithm string) (x509.KeyUsage, error) {
	if len(names) == 0 {
		if algorithm == api.AlgorithmRSA {
			return x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment, nil
		}
		return x509.KeyUsageDigitalSignature, nil
	}
	var all x509.KeyUsage
	for _, name := range names {
		i := indexKeyUsage(name)
		if i < 0 {
			return 0, fmt.Errorf("%s is not a key usage of a profile", quoteShort(name))
		}
		if !slices.Contains(keyUsages[i].algorithms, algorithm) {
			return 0, fmt.Errorf("the profile gives the key usage %s, which %s keys cannot have: use an %s key, or another profile",
				name, algorithm, keyUsages[i].algorithms[0])
		}
		all |= keyUsages[i].usage
	}
	return all, nil
}

// KeyUsageNames returns the names of the key usages that a profile may give.
func KeyUsageNames() []string {
	names := make([]string, len(keyUsages))
	for i, u := range keyUsages {
		names[i] = u.usage.String()
	}
	return names
}

func indexKeyUsage(name string) int {
	return slices.IndexFunc(keyUsages, func(u struct {
		usage      x509.KeyUsage
		algorithms []string
	},
	) bool {
		return u.usage.String() == name
	})
}

// checkKeyUsages accepts nil, with which the key usages follow from the key.
func checkKeyUsages(spec api.ProfileSpec) []api.Fault {
	const pointer = "/key_usages"
	switch {
	case spec.KeyUsages == nil:
		return nil
	case len(spec.KeyUsages) == 0:
		return []api.Fault{newFault(pointer, "the list is empty; leave it out, so that the key usages follow from the key")}
	}
	if faults := checkSet(pointer, spec.KeyUsages, checkKeyUsage); len(faults) > 0 {
		return faults
	}
	has := func(name string) bool { return slices.Contains(spec.KeyUsages, name) }
	if (has("encipherOnly") || has("decipherOnly")) && !has("keyAgreement") {
		return []api.Fault{newFault(pointer, "encipherOnly and decipherOnly mean nothing without keyAgreement; add it")}
	}
	for i, eku := range spec.AllowedEKUs {
		if usable := consistentUsages[eku]; len(usable) > 0 && !slices.ContainsFunc(usable, has) {
			return []api.Fault{newFault(pointer, "certificates for %s (allowed_ekus/%d) need one of the key usages %s", eku, i, strings.Join(usable, ", "))}
		}
	}
	fits := func(a api.KeyAlgorithm) bool { _, err := KeyUsages(spec.KeyUsages, a.Algorithm); return err == nil }
	if !slices.ContainsFunc(spec.AllowedKeyAlgorithms, fits) {
		return []api.Fault{newFault(pointer, "no key of allowed_key_algorithms can have all of these key usages")}
	}
	return nil
}

// consistentUsages are the key usages of which a certificate needs one, by its extended key usages: RFC 5280, 4.2.1.12.
var consistentUsages = map[string][]string{
	serverAuth:        {"digitalSignature", "keyEncipherment", "keyAgreement"},
	"clientAuth":      {"digitalSignature", "keyAgreement"},
	"codeSigning":     {"digitalSignature"},
	"emailProtection": {"digitalSignature", "contentCommitment", "keyEncipherment", "keyAgreement"},
	"timeStamping":    {"digitalSignature", "contentCommitment"},
}

func checkKeyUsage(name string) error {
	if indexKeyUsage(name) >= 0 {
		return nil
	}
	switch name {
	case "keyCertSign", "certSign", "cRLSign", "crlSign":
		return fmt.Errorf("%s is for CA certificates, and certctl signs none", name)
	case "nonRepudiation":
		return fmt.Errorf("nonRepudiation is the old name; write %q", x509.KeyUsageContentCommitment.String())
	}
	known := KeyUsageNames()
	for _, usage := range known {
		if strings.EqualFold(usage, name) {
			return fmt.Errorf("%s is not the canonical spelling; write %s", quoteShort(name), quoteShort(usage))
		}
	}
	return fmt.Errorf("%s is not a key usage of a profile; there are %s", quoteShort(name), strings.Join(known, ", "))
}
